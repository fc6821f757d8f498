"""The run folder: what ``hawklet train`` writes and ``hawklet convert`` reads. docs/architecture.md lists its files."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hawklet.errors import HawkletError, RunError, UsageError
from hawklet.safefiles import atomic_file, write_json, write_text
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import NEW_PLACE, PhotoSet
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.models.own import is_own
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.models.tied_weights import untied
from hawklet_trainer.models.weights import FOLDED_KEY, read_tensors
from hawklet_trainer.split_file import SPLIT
from hawklet_trainer.training.terms import TrainConfig

SCHEMA = "hawklet-run/1"
MANIFEST = "manifest.json"
BEST = "weights/best.safetensors"
_ZERO_POINT_KEY = "hawklet_pixel_zero_point"
LAST = "weights/last.safetensors"
STATE = "weights/state.safetensors"
"""There only while a training is not finished."""
ARGUMENTS = "args.yaml"
LABELS = "labels.txt"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Run:
    """One finished training, read from its folder."""

    folder: Path
    name: str
    architecture: Architecture
    """What its network is, as plain data."""
    labels: tuple[str, ...]
    """Class names in the order of the network's outputs."""
    spec: PreprocessSpec
    pixel_zero_point: int
    """Pixel value that becomes 0."""
    pixel_scale: float
    """``x = (pixel - pixel_zero_point) * pixel_scale``."""
    manifest: dict[str, Any]

    @property
    def model(self) -> str:
        """Key of :data:`hawklet_trainer.models.registry.MODELS`, or the user's own ``module:function``."""
        return self.architecture.model

    def build(self) -> nn.Module:
        """The network with its best weights, in evaluation mode, on the CPU.

        Takes ``float32 [N, C, H, W]`` of ``x = (pixel - pixel_zero_point) * pixel_scale``, C ``spec.channels``; returns
        logits ``[N, classes]``.

        Raises:
            RunError: the weights are absent or those of another network, or there is no such network.
            UsageError: the user's own code does not give one.
        """
        path = self.folder / BEST
        if not path.is_file():
            raise RunError(f"a run needs {BEST}, there is none in {self.folder}; train again")
        net = self.architecture.build(len(self.labels), self.spec.height, self.spec.width, self.spec.channels)
        tensors, metadata = read_tensors(path)
        self._require_sound(tensors, metadata)
        try:
            net.load_state_dict(tensors)
        except RuntimeError as error:
            raise RunError(
                f"{path} must hold the weights of {self.architecture.describe()}; it does not: {_first_line(error)}"
            ) from error
        return net.eval()

    def _require_sound(self, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
        place = self.folder / BEST
        for name, tensor in tensors.items():
            if not bool(torch.isfinite(tensor).all()):
                raise RunError(f"weights must be finite numbers; {name} in {place} is not; train again")
        wanted = {_ZERO_POINT_KEY: str(self.pixel_zero_point), FOLDED_KEY: repr(self.pixel_scale)}
        said = [metadata.get(key, value) for key, value in wanted.items()]
        if said != list(wanted.values()):
            raise RunError(
                f"weights must be for the pixels of the run's {MANIFEST} (zero point {self.pixel_zero_point}, scale "
                f"{self.pixel_scale!r}), got weights for {' and '.join(said)} in {place}; they are another run's"
            )

    def config(self, **changes: Any) -> TrainConfig:
        """How the run's loop was set, such as whether its pictures may be mirrored, with ``changes`` applied.

        Raises:
            RunError: the manifest holds none.
        """
        try:
            return TrainConfig.from_plain({**self.manifest["training"]["config"], **changes})
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"a run's manifest must say how it was trained, got {error} in {self.folder}") from error

    def photos(self, folder: Path | str | None = None, way_out: str = NEW_PLACE) -> PhotoSet:
        """The photos it was trained on, in the same splits.

        Args:
            folder: Where they are now, if they have moved since.
            way_out: What to do where they are not, for the message.

        Raises:
            DataError: they are not there any more.
            RunError: split.csv is absent.
        """
        place = folder if folder is not None else self.manifest["data"]["path"]
        return photos_of(self.folder, Path(place), self.labels, way_out)


def photos_of(folder: Path, place: Path, labels: tuple[str, ...], way_out: str = NEW_PLACE) -> PhotoSet:
    """Read a run folder's split.csv back, of a finished run or of one that is not yet; see :meth:`Run.photos`."""
    split = folder / SPLIT
    if not split.is_file():
        raise RunError(f"a run needs {SPLIT}, there is none in {folder}; train again")
    return PhotoSet.from_csv(split.read_text(encoding="utf-8"), place.expanduser().resolve(), labels, way_out)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def load_run(folder: Path | str, model: str | None = None) -> Run:
    """Read a run folder. Nothing that it names is imported, neither here nor by :meth:`Run.build`, unless the user did.

    Args:
        folder: Which.
        model: ``--model`` as the user typed it. A run of a user's own network (``module:function``) is read only with
            the same words, since a folder from somewhere else must not choose what code runs here.

    Raises:
        RunError: it is not a run folder, is unfinished, or was written by a newer hawklet; or it names code to import
            that the user has not.
        UsageError: ``model`` is another than the run's.
    """
    folder = Path(folder).expanduser()
    path = folder / MANIFEST
    if not folder.is_dir():
        raise RunError(f"a run is a folder that hawklet train wrote; there is no folder {folder}")
    if not path.is_file():
        raise RunError(f"a finished run has a {MANIFEST}, there is none in {folder}; {_instead_of(folder)}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return _from_manifest(folder, manifest, model)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, HawkletError):
            raise
        raise RunError(f"{path} must be a run's manifest: {type(error).__name__}: {error}") from error


def _instead_of(folder: Path) -> str:
    """What to do with a folder that is no finished run."""
    if (folder / ARGUMENTS).is_file() and (folder / SPLIT).is_file():
        return f"go on with: {resume_command(folder)}"
    first = next((place.parent for place in sorted(folder.glob(f"*/{MANIFEST}"))), None)
    return "train again with hawklet train" if first is None else f"name one of the runs in it, as {first}"


def _from_manifest(folder: Path, manifest: Any, model: str | None) -> Run:
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        got = manifest.get("schema") if isinstance(manifest, dict) else type(manifest).__name__
        raise RunError(f"a run's schema must be {SCHEMA}, got {got!r} in {folder}; train again")
    architecture = Architecture.from_manifest(manifest)
    require_model(architecture.model, model, folder)
    manifest["data"]["path"]  # absent: not a manifest of ours
    if not _NAME.fullmatch(str(manifest["name"])):
        raise RunError(f"a run's name must be letters, digits, '.', '_' and '-', got {manifest['name']!r} in {folder}")
    return Run(
        folder=folder,
        name=str(manifest["name"]),
        architecture=architecture,
        labels=tuple(str(label) for label in manifest["labels"]),
        spec=PreprocessSpec.from_dict(manifest["preprocess"]),
        pixel_zero_point=int(manifest["pixel_zero_point"]),
        pixel_scale=float(manifest["pixel_scale"]),
        manifest=manifest,
    )


def resume_command(folder: Path, model: str = "") -> str:
    """What to type to go on with a training that was broken off; a user's own network is named again."""
    own = f" --model {shlex.quote(model)}" if is_own(model) else ""
    return f"hawklet train --resume {shlex.quote(str(folder))}{own}"


def convert_command(folder: Path, model: str = "") -> str:
    """What to type to convert a run; a user's own network is named again."""
    own = f" --model {shlex.quote(model)}" if is_own(model) else ""
    return f"hawklet convert {shlex.quote(str(folder))}{own}"


def require_model(named: str, typed: str | None, folder: Path) -> None:
    """Refuse a run whose network is none that may be built: unknown, another than typed, or code that nobody typed.

    Args:
        named: What the folder says.
        typed: What the user says; None: nothing.
        folder: The run's, for the message.

    Raises:
        RunError: see above.
        UsageError: the user says another one.
    """
    if is_own(named) and typed is None:
        raise RunError(
            f"a run must not choose what code is imported, and that in {folder} names {named!r}; if you trust that "
            f"code, say so by giving the same again: --model {named}"
        )
    if typed is not None and typed != named:
        again = f"say --model {named}, if you trust that code" if is_own(named) else "leave --model out"
        raise UsageError(f"--model must be the run's own, which is {named!r} in {folder}, got {typed!r}; {again}")
    if not is_own(named) and named not in MODELS:
        raise RunError(f"a run's model must be one that hawklet models lists, got {named!r} in {folder}; train again")


def run_name(given: str | None, photos: Path, model: str) -> str:
    """The name that was given, or one made of the photo folder's and the model's.

    Raises:
        UsageError: the given one is no plain file name.
    """
    if given is None:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", photos.expanduser().resolve().name).strip("-._")
        kind = re.sub(r"[^A-Za-z0-9._-]+", "-", model)  # a module:function is no file name
        return f"{stem[:60] or 'photos'}-{kind[:38]}"
    if not _NAME.fullmatch(given):
        raise UsageError(f"--name must be letters, digits, '.', '_' and '-' (100 at most), got {given!r}")
    return given


def new_run_folder(out: Path, name: str) -> Path:
    """Make ``out/name``, or the first free of ``out/name-2``, ``out/name-3``..."""
    number = 1
    while True:
        folder = out / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def save_weights(path: Path, net: nn.Module, zero_point: int, scale: float) -> None:
    """Write a network's state as safetensors, whole or not at all; its metadata says that normalization is folded."""
    from safetensors.torch import save

    metadata = {_ZERO_POINT_KEY: str(zero_point), FOLDED_KEY: repr(scale)}
    with atomic_file(path) as stream:
        stream.write(save(untied(net.state_dict()), metadata))


def write_run(folder: Path, manifest: dict[str, Any], photos: PhotoSet) -> None:
    """Write the files that make a folder a run; the manifest last, so that an unfinished one is not taken for it."""
    write_photos(folder, photos)
    write_json(folder / MANIFEST, manifest)


def write_photos(folder: Path, photos: PhotoSet) -> None:
    """Write labels.txt and split.csv."""
    write_text(folder / LABELS, "".join(f"{label}\n" for label in photos.labels))
    write_text(folder / SPLIT, photos.to_csv())


def versions() -> dict[str, str]:
    """Versions of what decided the numbers."""
    import platform

    import numpy
    import PIL
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
    }
