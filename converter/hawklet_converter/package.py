"""Make a bundle of classifiers that other people trained."""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hawklet import __version__
from hawklet.bundle import Bundle, Golden, Manifest, Variant, write_bundle
from hawklet.classifier import NORMALIZATIONS, Classifier
from hawklet.engines import format_of, transform_of
from hawklet.errors import BundleError, ModelError, UsageError
from hawklet.golden import record
from hawklet.images import read_image
from hawklet.safefiles import require_writable
from hawklet.spec import Fit, Floats, InputTransform, ModelFormat, OutputKind, Pixels, Precision
from hawklet_converter import onnx_file
from hawklet_converter.distinct_labels import distinct_labels
from hawklet_converter.golden_tolerance import float_tolerance, integer_tolerance
from hawklet_converter.inspect import inspect_model
from hawklet_converter.inspect.claims import LABELS_GIVEN, PACKAGED_FROM, claim_of
from hawklet_converter.package_photos import PackagePictures, drawn_pictures, read_pictures

_GRID = 255
"""Steps of an 8-bit output."""


@dataclass(frozen=True)
class PackageRequest:
    """What to package, and how pictures reach it."""

    models: tuple[Path, ...]
    """In order of preference; all with the same labels and input size."""
    labels: Path | None = None
    """None: those inside the first file."""
    normalize: str | None = None
    """Float inputs: a key of NORMALIZATIONS; None: what each file says."""
    fit: Fit = Fit.SQUASH
    name: str | None = None
    photos: Path | None = None
    output: Path | None = None
    came: str = "packaged as it came"
    """How the model card says the files came about."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """What the manifest says of it beside the files' names."""
    approve: Callable[[Manifest], None] | None = None
    """Raises where what was measured is not good enough; called before anything is written."""


@dataclass(frozen=True)
class Packaged:
    """What was written."""

    path: Path
    manifest: Manifest
    notes: tuple[str, ...]
    replaced: bool
    """Whether a bundle was there before."""


@dataclass(frozen=True)
class _Opened:
    path: Path
    content: bytes
    format: ModelFormat
    precision: Precision
    float_ops: tuple[str, ...]
    classifier: Classifier
    transform: InputTransform | None

    @property
    def variant(self) -> str:
        return f"{self.precision.value}-{self.format.value}"


def package(request: PackageRequest) -> Packaged:
    """Open every model as ``hawklet run`` would, record what it answers, and write a bundle.

    Raises:
        HawkletError: a model cannot run, they do not belong together, or the target cannot be written.
    """
    name = request.name or request.models[0].stem
    target = request.output or Path(f"{name}.hawklet")
    require_replaceable(target)
    opened = [_open(path, request) for path in request.models]
    _require_alike(opened)
    first = opened[0].classifier
    labels, notes = _distinct(first.labels)
    pictures = read_pictures(request.photos, labels, first.spec) if request.photos else drawn_pictures(first.spec)
    outputs = {one.variant: record(one.classifier, pictures.golden) for one in opened}
    manifest = Manifest(
        name=name,
        labels=labels,
        preprocess=first.spec,
        variants=tuple(_variant(one, outputs[one.variant], pictures) for one in opened),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        hawklet_version=__version__,
        provenance={
            PACKAGED_FROM: {one.variant: one.path.name for one in opened},
            LABELS_GIVEN: request.labels is not None,
            **request.provenance,
        },
    )
    if request.approve:
        request.approve(manifest)
    models = {variant.file: one.content for variant, one in zip(manifest.variants, opened, strict=True)}
    card = _model_card(manifest, request.came, len(pictures.labelled))
    replaced = target.exists()
    written = write_bundle(target, manifest, models, Golden(pictures.golden, outputs), card)
    return Packaged(target, written, notes, replaced)


def require_replaceable(target: Path) -> None:
    """Raise UsageError where ``target`` is a file that is no bundle, or cannot be written."""
    try:
        if target.exists():
            Bundle.open(target)
        require_writable(target)
    except BundleError as error:
        raise UsageError(f"-o may replace a bundle only, and {target} is none; name another file") from error
    except OSError as error:
        raise UsageError(f"-o must name a file that can be written, got {target}: {error.strerror}") from error


def _open(path: Path, request: PackageRequest) -> _Opened:
    if path.is_dir():
        raise UsageError(f"a model is a .tflite or .onnx file, and {path} is a folder; name the file in it")
    if not path.is_file():
        raise UsageError(f"there is no model at {path}")
    model_format, content = format_of(path), path.read_bytes()
    if model_format is ModelFormat.ONNX and onnx_file.has_external_data(onnx_file.read_model(content)):
        raise ModelError(
            f"a bundle holds whole models, and {path.name} keeps its weights in another file; write it anew with "
            "onnx.save(onnx.load(PATH), PATH, save_as_external_data=False)"
        )
    classifier = Classifier.open(path, labels=request.labels, fit=request.fit, normalize=request.normalize, threads=1)
    transform = NORMALIZATIONS[request.normalize] if request.normalize else None
    if transform is None and classifier.engine_info.input_dtype.startswith("float"):
        transform = transform_of(classifier.engine_info.metadata)
    facts = inspect_model(content, model_format)
    precision = claim_of(facts.precision)
    if precision is None:
        raise ModelError(
            f"a classifier computes here in floats or in 8-bit integers; {path.name} is {facts.precision.value}"
        )
    float_ops = facts.float_ops if precision is Precision.INT8 else ()
    return _Opened(path, content, model_format, precision, float_ops, classifier, transform)


def _require_alike(opened: Sequence[_Opened]) -> None:
    first = opened[0].classifier
    for one in opened[1:]:
        if one.classifier.labels != first.labels or one.classifier.spec != first.spec:
            raise ModelError(
                f"models of one bundle have the same labels and input size, and {one.path.name} has others than "
                f"{opened[0].path.name}; package it by itself"
            )
    twice = [name for name, count in Counter(one.variant for one in opened).items() if count > 1]
    if twice:
        raise UsageError(f"a bundle holds one file of each precision and format, got two of {twice[0]}; drop one")


def _distinct(labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels that are all different, and what is to be said of it."""
    counts = Counter(labels)
    told = distinct_labels(labels)
    if len(set(told)) != len(told):
        raise UsageError("labels must be all different, and stay alike here with their number added; change --labels")
    doubles = ", ".join(label for label, count in counts.items() if count > 1)
    return told, (f"labels that occur more than once carry their number now: {doubles}",) if doubles else ()


def _variant(one: _Opened, outputs: Floats, pictures: PackagePictures) -> Variant:
    return Variant(
        name=one.variant,
        file=f"models/{one.variant}.{one.format.value}",
        format=one.format,
        precision=one.precision,
        float_ops=one.float_ops,
        bytes=len(one.content),
        sha256=hashlib.sha256(one.content).hexdigest(),
        accuracy=_top1(one.classifier, pictures),
        golden_tolerance=_tolerance(one, outputs, pictures.golden),
        output=one.classifier.output,
        mean=one.transform.mean if one.transform else None,
        std=one.transform.std if one.transform else None,
    )


def _tolerance(one: _Opened, outputs: Floats, golden: Pixels) -> float:
    """Measured as for our own files: see golden_tolerance. Other people's outputs are 0..1 or their recorded range."""
    if one.precision not in (Precision.INT8, Precision.DYNAMIC_INT8):
        return float_tolerance(outputs)
    whole = 1.0 if one.classifier.output is OutputKind.PROBABILITIES else float(np.ptp(outputs))
    return integer_tolerance(one.content, one.format, golden, outputs, whole / _GRID, one.transform)


def _top1(classifier: Classifier, pictures: PackagePictures) -> float | None:
    if not pictures.labelled:
        return None
    planes = classifier.spec.planes
    right = [
        int(classifier.raw_output(classifier.prepare(read_image(path, planes=planes))).argmax()) == truth
        for path, truth in pictures.labelled
    ]
    return 100 * sum(right) / len(right)


def _model_card(manifest: Manifest, came: str, measured: int) -> str:
    lines = [f"# {manifest.name}", "", f"An image classifier for {len(manifest.labels)} classes, {came}."]
    lines += ["", "| file | MB | precision | output | top-1 % |", "|---|---|---|---|---|"]
    for variant in manifest.variants:
        top = "not measured" if variant.accuracy is None else f"{variant.accuracy:.1f}"
        size = f"{variant.bytes / 1e6:.2f}"
        lines.append(f"| {variant.name} | {size} | {variant.precision.value} | {variant.output.value} | {top} |")
    if measured:
        lines += ["", f"Top-1 was measured on {measured} pictures through hawklet's own runtime."]
    return "\n".join(lines) + "\n"
