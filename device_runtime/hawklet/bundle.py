"""The bundle ``NAME.hawklet``: one stored zip with models, labels, the preprocessing rule and the golden frames.

::

    manifest.json          see Manifest; its JSON Schema is hawklet/schemas/bundle-1.schema.json
    labels.txt             one label a line, in the order of the models' outputs
    models/VARIANT.tflite  models/VARIANT.onnx
    golden/inputs.npy      uint8 [N, H, W, C]: preprocessed pictures
    golden/VARIANT.npy     float32 [N, classes]: that variant's raw outputs on them, as recorded by the converter
    MODEL_CARD.md

An unpacked bundle (a folder with the same files) opens the same way. Every file is checked against the digest in the
manifest before it is used.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hawklet.acceptance import Acceptance, UnknownRule
from hawklet.errors import BundleError, IntegrityError, UsageError
from hawklet.safefiles import atomic_file
from hawklet.spec import Floats, ModelFormat, OutputKind, Pixels, Precision, PreprocessSpec

SCHEMA = "hawklet-bundle/1"
_RUN_SCHEMAS = "hawklet-run/"
MAX_FILE_BYTES = 1 << 30
"""Largest file a bundle may hold, bytes."""
MAX_FILES = 256

_MANIFEST = "manifest.json"
_GOLDEN_INPUTS = "golden/inputs.npy"


@dataclass(frozen=True)
class Variant:
    """One model file of a bundle."""

    name: str
    """As ``int8-tflite``; also the stem of its files."""
    file: str
    """Path within the bundle."""
    format: ModelFormat
    precision: Precision
    bytes: int
    """Size of the file."""
    sha256: str
    accuracy: float | None
    """Top-1 on the held-out split, percent, measured on this very file through the runtime; None: not measured."""
    golden_tolerance: float
    """Largest difference from the golden outputs that counts as the same, in units of the raw output."""
    output: OutputKind = OutputKind.LOGITS
    float_ops: tuple[str, ...] = ()
    """Operations that compute in float although ``precision`` is int8."""
    mean: tuple[float, ...] | None = None
    """Float-input models only: subtracted from pixels 0..255."""
    std: tuple[float, ...] | None = None
    """Float-input models only: divides pixels after ``mean``."""


@dataclass(frozen=True)
class Manifest:
    """What ``manifest.json`` holds."""

    name: str
    labels: tuple[str, ...]
    preprocess: PreprocessSpec
    variants: tuple[Variant, ...]
    """In order of preference; a runtime takes the first whose engine it has."""
    created: str
    """UTC, ISO 8601."""
    hawklet_version: str
    temperature: float = 1.0
    """Logits are divided by it before the softmax, so that confidence means probability."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Label -> smallest score at which that label is accepted; a label without an entry is always accepted."""
    unknown: UnknownRule | None = None
    """When a picture is too unlike those trained on for any answer; None: never."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path within the bundle -> sha256, of every file but the manifest."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where it came from: architecture, data digest, seeds, library versions, conversion table."""

    @property
    def acceptance(self) -> Acceptance:
        """Which answers are accepted."""
        return Acceptance(self.thresholds, self.unknown)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, as the published schema says."""
        unknown = {} if self.unknown is None else {"unknown": self.unknown.to_dict()}
        return {
            "schema": SCHEMA,
            "name": self.name,
            "created": self.created,
            "hawklet_version": self.hawklet_version,
            "labels": list(self.labels),
            "preprocess": self.preprocess.to_dict(),
            "variants": [_variant_to_dict(variant) for variant in self.variants],
            "temperature": self.temperature,
            "thresholds": dict(self.thresholds),
            **unknown,
            "files": dict(self.files),
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(cls, data: Any) -> Manifest:
        """Inverse of :meth:`to_dict`.

        Raises:
            BundleError: the schema is another one, or a field is missing or malformed.
        """
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            got = data.get("schema") if isinstance(data, dict) else type(data).__name__
            if str(got).startswith(_RUN_SCHEMAS):
                raise BundleError("this is a run, of which a bundle is made first: hawklet convert RUN")
            raise BundleError(
                f"this hawklet reads bundles of schema {SCHEMA}, got {got}; update hawklet or convert anew"
            )
        try:
            manifest = cls(
                name=str(data["name"]),
                labels=tuple(str(label) for label in data["labels"]),
                preprocess=PreprocessSpec.from_dict(data["preprocess"]),
                variants=tuple(_variant_from_dict(entry) for entry in data["variants"]),
                created=str(data["created"]),
                hawklet_version=str(data["hawklet_version"]),
                temperature=float(data["temperature"]),
                thresholds={str(k): float(v) for k, v in data["thresholds"].items()},
                unknown=UnknownRule.from_dict(data["unknown"]) if "unknown" in data else None,
                files={str(k): str(v) for k, v in data["files"].items()},
                provenance=dict(data["provenance"]),
            )
        except BundleError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(f"the bundle's manifest is malformed: {error!r}") from error
        _check_manifest(manifest)
        return manifest


def _variant_to_dict(variant: Variant) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": variant.name,
        "file": variant.file,
        "format": variant.format.value,
        "precision": variant.precision.value,
        "bytes": variant.bytes,
        "sha256": variant.sha256,
        "accuracy": variant.accuracy,
        "golden_tolerance": variant.golden_tolerance,
        "output": variant.output.value,
        "float_ops": list(variant.float_ops),
    }
    if variant.mean is not None and variant.std is not None:
        data |= {"mean": list(variant.mean), "std": list(variant.std)}
    return data


def _variant_from_dict(data: Mapping[str, Any]) -> Variant:
    return Variant(
        name=str(data["name"]),
        file=str(data["file"]),
        format=ModelFormat(data["format"]),
        precision=Precision(data["precision"]),
        bytes=int(data["bytes"]),
        sha256=str(data["sha256"]),
        accuracy=None if data["accuracy"] is None else float(data["accuracy"]),
        golden_tolerance=float(data["golden_tolerance"]),
        output=OutputKind(data["output"]),
        float_ops=tuple(str(op) for op in data["float_ops"]),
        mean=tuple(float(v) for v in data["mean"]) if "mean" in data else None,
        std=tuple(float(v) for v in data["std"]) if "std" in data else None,
    )


def _check_manifest(manifest: Manifest) -> None:
    if not manifest.variants:
        raise BundleError("a bundle must hold at least one model, this one holds none")
    if len(set(manifest.labels)) != len(manifest.labels) or not manifest.labels:
        raise BundleError("a bundle's labels must be there and all different")
    if not manifest.temperature > 0:
        raise BundleError(f"the temperature must be above 0, got {manifest.temperature}")
    _check_acceptance(manifest)
    for path in manifest.files:
        check_member_name(path)
    for variant in manifest.variants:
        if manifest.files.get(variant.file) != variant.sha256:
            raise BundleError(f"variant {variant.name} names {variant.file}, whose digest is missing or differs")


def _check_acceptance(manifest: Manifest) -> None:
    for label, least in manifest.thresholds.items():
        if label not in manifest.labels or not 0 <= least <= 1:
            raise BundleError(f"thresholds must be scores of 0 to 1 for the bundle's labels, got {label!r}: {least}")
    if manifest.unknown is None:
        return
    for variant in manifest.variants:
        if variant.output is not OutputKind.LOGITS:
            raise BundleError(
                f"the unknown is told by the energy of logits, and {variant.name} answers in {variant.output.value}"
            )


def check_member_name(name: str) -> None:
    """Refuse a path that could leave the folder a bundle is unpacked into.

    Raises:
        BundleError: the path is absolute, has ``..``, a drive, a backslash or a control character.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not name.isprintable() or not name:
        raise BundleError(f"a bundle may hold only plain relative paths, got {name!r}")


@dataclass(frozen=True)
class Golden:
    """Recorded inputs and outputs, replayed wherever the bundle goes."""

    inputs: Pixels
    """uint8 [N, H, W, C]."""
    outputs: Mapping[str, Floats]
    """Variant name -> float32 [N, classes], raw outputs."""


class Bundle:
    """A bundle opened for reading; every byte handed out has been checked against its digest."""

    def __init__(self, path: Path, manifest: Manifest, source: _Files) -> None:
        self.path = path
        self.manifest = manifest
        self._source = source

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Bundle:
        """Open ``NAME.hawklet`` or an unpacked bundle folder.

        Raises:
            BundleError: it is no bundle, is damaged, or holds paths or sizes that a bundle may not hold.
        """
        location = Path(path)
        source: _Files = _FolderFiles(location) if location.is_dir() else _ZipFiles(location)
        text = source.read(_MANIFEST)
        try:
            data = json.loads(text)
        except ValueError as error:
            raise BundleError(f"{location.name}: manifest.json is not JSON: {error}") from error
        return cls(location, Manifest.from_dict(data), source)

    def read(self, member: str) -> bytes:
        """One file's bytes.

        Raises:
            IntegrityError: they are not those that the manifest names.
        """
        expected = self.manifest.files.get(member)
        if expected is None:
            raise BundleError(f"{self.path.name}: the manifest names no file {member}")
        data = self._source.read(member)
        if hashlib.sha256(data).hexdigest() != expected:
            raise IntegrityError(
                f"{self.path.name}: {member} is not the file that was bundled (sha256 differs); copy it anew"
            )
        return data

    def variant(self, name: str) -> Variant:
        """The variant of that name.

        Raises:
            UsageError: there is none.
        """
        for variant in self.manifest.variants:
            if variant.name == name:
                return variant
        names = ", ".join(v.name for v in self.manifest.variants)
        raise UsageError(f"this bundle has the variants {names}; got --variant {name}")

    def golden(self) -> Golden:
        """The golden frames.

        Raises:
            BundleError: they are missing or malformed.
        """
        outputs = {v.name: _load_npy(self.read(f"golden/{v.name}.npy"), np.float32) for v in self.manifest.variants}
        golden = Golden(_load_npy(self.read(_GOLDEN_INPUTS), np.uint8), outputs)
        _check_golden(golden, len(self.manifest.labels))
        return golden

    def verify(self) -> None:
        """Check the digest of every file.

        Raises:
            BundleError: one is missing or differs.
        """
        for member in self.manifest.files:
            self.read(member)

    def unpack(self, folder: str | os.PathLike[str]) -> None:
        """Write all files, checked, into ``folder``, which must not exist yet.

        Raises:
            BundleError: a file is missing or differs; the folder then holds what was written before.
        """
        target = Path(folder)
        target.mkdir(parents=True)
        for member in self.manifest.files:
            data = self.read(member)
            (target / member).parent.mkdir(parents=True, exist_ok=True)
            (target / member).write_bytes(data)
        (target / _MANIFEST).write_bytes(self._source.read(_MANIFEST))


class _Files:
    """Where a bundle's files are read from."""

    def read(self, member: str) -> bytes:
        raise BundleError(f"no such file: {member}")


class _ZipFiles(_Files):
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except FileNotFoundError as error:
            raise BundleError(f"{path}: there is no such bundle") from error
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise BundleError(f"{path.name}: not a hawklet bundle, or cut short ({error})") from error
        if len(entries) > MAX_FILES:
            raise BundleError(f"{path.name}: a bundle holds {MAX_FILES} files at most, got {len(entries)}")
        if _MANIFEST not in {entry.filename for entry in entries}:
            raise BundleError(f"{path.name}: not a hawklet bundle, as it holds no {_MANIFEST}")
        for entry in entries:
            check_member_name(entry.filename)
            if entry.file_size > MAX_FILE_BYTES or entry.compress_type != zipfile.ZIP_STORED:
                raise BundleError(f"{path.name}: {entry.filename} is over {MAX_FILE_BYTES} bytes or not stored plainly")

    def read(self, member: str) -> bytes:
        try:
            with zipfile.ZipFile(self._path) as archive:
                return archive.read(member)
        except (KeyError, OSError, RuntimeError, zipfile.BadZipFile) as error:  # RuntimeError: encrypted
            raise BundleError(f"{self._path.name}: {member} is missing or damaged ({error})") from error


class _FolderFiles(_Files):
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, member: str) -> bytes:
        check_member_name(member)
        try:
            return (self._path / member).read_bytes()
        except OSError as error:
            raise BundleError(f"{self._path}: {member} is missing ({error.strerror}); is this a bundle?") from error


def write_bundle(
    path: str | os.PathLike[str],
    manifest: Manifest,
    models: Mapping[str, bytes],
    golden: Golden,
    model_card: str,
) -> Manifest:
    """Write a bundle, whole or not at all.

    Args:
        path: ``NAME.hawklet``; replaced if it exists.
        manifest: Everything but ``files``, which is filled in here.
        models: Variant's ``file`` -> the model's bytes.
        golden: Inputs, and outputs for every variant.
        model_card: Markdown.

    Returns:
        The manifest as written.

    Raises:
        BundleError: a variant has no model, no golden outputs, or another digest.
    """
    members: dict[str, bytes] = {"labels.txt": ("\n".join(manifest.labels) + "\n").encode()}
    members["MODEL_CARD.md"] = model_card.encode()
    members |= models
    members[_GOLDEN_INPUTS] = _dump_npy(golden.inputs)
    for variant in manifest.variants:
        if variant.name not in golden.outputs:
            raise BundleError(f"variant {variant.name} has no golden outputs")
        members[f"golden/{variant.name}.npy"] = _dump_npy(golden.outputs[variant.name])
    _check_golden(golden, len(manifest.labels))
    files = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    written = Manifest.from_dict(manifest.to_dict() | {"files": files})
    text = json.dumps(written.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [(_MANIFEST, text.encode()), *members.items()]:
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), data)
    return written


def _check_golden(golden: Golden, classes: int) -> None:
    count = len(golden.inputs)
    if not count:
        raise BundleError("a bundle must hold golden frames, this one holds none; nothing could be proved with it")
    for variant, outputs in golden.outputs.items():
        if outputs.shape != (count, classes):
            raise BundleError(
                f"variant {variant} must have golden outputs of shape {[count, classes]}, got {list(outputs.shape)}"
            )


def _dump_npy(array: Pixels | Floats) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _load_npy(data: bytes, dtype: type[np.generic]) -> Any:
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BundleError(f"a golden file is malformed: {error}") from error
    if array.dtype != dtype:
        raise BundleError(f"a golden file must hold {np.dtype(dtype)}, got {array.dtype}")
    return array
