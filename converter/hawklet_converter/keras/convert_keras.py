"""A Keras classifier becomes a bundle: a float file, and with labelled photos an int8 one that keeps the accuracy."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hawklet.bundle import Manifest
from hawklet.classifier import NORMALIZATIONS, read_labels
from hawklet.errors import BudgetError, DataError, UsageError
from hawklet.safefiles import sha256_of, write_bytes, write_text
from hawklet.spec import Fit, InputTransform, PreprocessSpec
from hawklet_converter.keras.load_keras import KerasModel, load_keras
from hawklet_converter.keras.split_photos import (
    DEFAULT_CALIBRATION,
    SplitPhotos,
    calibration_pixels,
    link_held_out,
    split_photos,
)
from hawklet_converter.keras.write_keras_tflite import write_float, write_int8
from hawklet_converter.package import Packaged, PackageRequest, package, require_replaceable
from hawklet_converter.package_photos import class_folders
from hawklet_converter.steps import Steps

_PIXELS = "0..255"


@dataclass(frozen=True)
class KerasRequest:
    """Options of ``hawklet convert MODEL.keras``."""

    model: Path
    labels: Path | None = None
    """None: the names of the folders in ``photos``."""
    normalize: str | None = None
    """A key of NORMALIZATIONS; None: pixels, where the model scales them itself."""
    photos: Path | None = None
    """Folders named as labels; None: no int8 file, and nothing measured."""
    calibration: int | None = None
    max_drop: float = 1.0
    """Points of top-1 on the held-out pictures that int8 may lose."""
    output: Path | None = None
    seed: int = 0


def convert_keras(request: KerasRequest, steps: Steps) -> Packaged:
    """Write the files, measure them on the photos that int8 was not calibrated on, and make the bundle.

    Raises:
        BudgetError: int8 loses more than ``max_drop``; nothing has been written.
        HawkletError: the model, the labels or the photos are not as they must be, or TensorFlow is missing.
    """
    target = request.output or Path(f"{request.model.stem}.hawklet")
    require_replaceable(target)
    if request.normalize not in (None, *NORMALIZATIONS):
        raise UsageError(f"--normalize must be one of {', '.join(NORMALIZATIONS)}, got {request.normalize}")
    labels = _labels(request)
    photos = None
    if request.photos:
        wanted = request.calibration or max(DEFAULT_CALIBRATION, len(labels))
        photos = split_photos(request.photos, labels, wanted, request.seed)
    with steps.step("load the Keras model"):
        model = load_keras(request.model)
    _require_same_count(model, labels)
    transform = _transform(request, model)
    with tempfile.TemporaryDirectory(prefix="hawklet-keras-") as folder:
        return _packaged(request, target, _Work(model, transform, labels, photos, Path(folder)), steps)


@dataclass(frozen=True)
class _Work:
    model: KerasModel
    transform: InputTransform
    labels: tuple[str, ...]
    photos: SplitPhotos | None
    folder: Path

    def file(self, precision: str) -> Path:
        return self.folder / f"{Path(self.model.name).stem}-{precision}.tflite"


def _packaged(request: KerasRequest, target: Path, work: _Work, steps: Steps) -> Packaged:
    models = _write_models(work, steps)
    write_text(work.folder / "labels.txt", "\n".join(work.labels) + "\n")
    held_out = None
    if work.photos:
        held_out = work.folder / "held-out"
        link_held_out(work.photos, work.labels, held_out)
    with steps.step("record golden frames" + (", measure" if held_out else "")):
        return package(
            PackageRequest(
                models,
                labels=work.folder / "labels.txt",
                normalize=_PIXELS,
                name=request.model.stem,
                photos=held_out,
                output=target,
                came="converted from Keras",
                provenance=_provenance(request, work),
                approve=lambda manifest: _require_budget(manifest, request.max_drop),
            )
        )


def _write_models(work: _Work, steps: Steps) -> tuple[Path, ...]:
    """Write the files into the folder; int8, the preferred one, first."""
    with steps.step("write float32"):
        write_bytes(work.file("float32"), write_float(work.model, work.transform))
    if work.photos is None:
        return (work.file("float32"),)
    spec = PreprocessSpec(work.model.height, work.model.width, Fit.SQUASH, channels=work.model.channels)
    with steps.step(f"write int8, calibrated on {len(work.photos.calibration)} pictures"):
        pixels = calibration_pixels(work.photos, spec)
        write_bytes(work.file("int8"), write_int8(work.model, work.transform, pixels))
    return (work.file("int8"), work.file("float32"))


def _labels(request: KerasRequest) -> tuple[str, ...]:
    if request.labels:
        return tuple(read_labels(request.labels))
    if request.photos is None:
        raise UsageError(
            "a Keras model carries no labels; give a text file with one a line in the order of its outputs, --labels "
            "FILE, or --photos FOLDER with one folder for each"
        )
    names = tuple(folder.name for folder in class_folders(request.photos))
    if not names:
        raise DataError(f"--photos must hold one folder of pictures for each label, and {request.photos} holds none")
    return names


def _require_same_count(model: KerasModel, labels: Sequence[str]) -> None:
    if len(labels) != model.classes:
        raise UsageError(
            f"there must be one label for each output, got {len(labels)} labels for the {model.classes} outputs of "
            f"{model.name}; give them all with --labels FILE"
        )


def _transform(request: KerasRequest, model: KerasModel) -> InputTransform:
    if request.normalize:
        transform = NORMALIZATIONS[request.normalize]
        if len(transform.mean) not in (1, model.channels):
            takes = f"{model.name} takes {model.channels}"
            raise UsageError(f"--normalize {request.normalize} is for 3 channels, and {takes}")
        return transform
    if not model.takes_pixels:
        raise UsageError(
            f"what a model expects of pixels must be known, and {model.name} has no Rescaling or Normalization that "
            f"says it; give it: --normalize {', '.join(NORMALIZATIONS)}"
        )
    return NORMALIZATIONS[_PIXELS]


def _provenance(request: KerasRequest, work: _Work) -> dict[str, Any]:
    import keras
    import tensorflow

    return {
        "keras_model": {"file": work.model.name, "sha256": sha256_of(request.model)},
        "normalize": request.normalize,
        "calibration": len(work.photos.calibration) if work.photos else None,
        "held_out": len(work.photos.held_out) if work.photos else None,
        "seed": request.seed,
        "max_drop": request.max_drop if work.photos else None,
        "versions": {"keras": keras.__version__, "tensorflow": tensorflow.__version__},
    }


def _require_budget(manifest: Manifest, max_drop: float) -> None:
    if len(manifest.variants) < 2:
        return
    int8, float32 = (variant.accuracy or 0.0 for variant in manifest.variants)
    if float32 - int8 > max_drop + 1e-9:
        raise BudgetError(
            f"int8 may lose {max_drop:g} points of top-1 on the held-out pictures, and lost {float32 - int8:.1f} "
            f"({float32:.1f} % to {int8:.1f} %); no bundle was written: allow more with --max-drop, calibrate on more "
            "photos, or leave --photos out for a float bundle"
        )
