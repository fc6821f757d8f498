"""Loading a Keras file without running what it may carry, and refusing what is no picture classifier."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hawklet.errors import MissingDependencyError, ModelError, UsageError
from hawklet.spec import CHANNELS
from hawklet_converter.quiet import quiet

_HDF5 = b"\x89HDF\r\n\x1a\n"
_SAFE_KERAS = (3, 12)
"""Older ones run Python code out of .h5 files, whatever safe_mode says."""


@dataclass(frozen=True)
class KerasModel:
    """A loaded classifier of pictures."""

    name: str
    """The file's, for messages."""
    network: Any
    height: int
    width: int
    channels: int
    classes: int

    @property
    def takes_pixels(self) -> bool:
        """Whether it scales 0..255 itself: integers in, or a Rescaling or Normalization that only fits such pixels."""
        if np.dtype(self.network.inputs[0].dtype).kind in "iu":
            return True
        first = next((layer for layer in _layers(self.network) if _SCALES.get(type(layer).__name__)), None)
        return first is not None and _SCALES[type(first).__name__](first)


def load_keras(path: Path) -> KerasModel:
    """Load ``.keras`` or ``.h5``, never running Python code out of it.

    Raises:
        MissingDependencyError: TensorFlow, or a Keras that loads safely, is not installed.
        UsageError: there is no such file.
        ModelError: it cannot be loaded, or is no classifier of pictures of one size.
    """
    if not path.is_file():
        raise UsageError(f"there is no Keras model at {path}")
    _require_container(path)
    keras = _require_keras()
    with quiet():
        network = _load(keras, path)
    shape, classes = _shapes(network, path.name)
    _require_float32(network, path.name)
    return KerasModel(path.name, network, *shape, classes)


def _require_container(path: Path) -> None:
    """Told here: of a .keras file that was cut short Keras says that it is not there."""
    if path.suffix.lower() == ".keras":
        whole, kind = zipfile.is_zipfile(path), "a zip archive"
    else:
        with path.open("rb") as file:
            whole, kind = file.read(len(_HDF5)) == _HDF5, "an HDF5 file"
    if not whole:
        raise ModelError(
            f"a {path.suffix} file must be {kind}, and {path.name} is none; it was cut short or is of another kind: "
            "copy it again, or save it again with model.save('model.keras')"
        )


def _require_keras() -> Any:
    try:
        # A Keras that another program set to compute with torch or JAX cannot make TensorFlow Lite files.
        os.environ["KERAS_BACKEND"] = "tensorflow"
        with quiet():
            import keras
            import tensorflow  # noqa: F401 -- found here, so that its absence is told before anything is loaded
    except ImportError as error:
        raise MissingDependencyError.for_extra("tensorflow", "keras", "converting a Keras model") from error
    if tuple(int(part) for part in keras.__version__.split(".")[:2]) < _SAFE_KERAS:
        needed = f"keras {_SAFE_KERAS[0]}.{_SAFE_KERAS[1]} or newer (older ones run code out of model files)"
        raise MissingDependencyError.for_extra(needed, "keras", "converting a Keras model")
    return keras


def _load(keras: Any, path: Path) -> Any:
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever a damaged or foreign file leads it into
        raise ModelError(_refusal(keras, path.name, error)) from error


def _refusal(keras: Any, name: str, error: Exception) -> str:
    said = " ".join(str(error).split())
    if "lambda" in said.lower() or "unsafe" in said.lower():
        return (
            f"{name} carries Python code (a Lambda layer), which loading it would run, and hawklet runs no code out of "
            "a model file; put Keras' own layers in its place, such as Rescaling, and save it again"
        )
    custom = re.search(r"Could not locate (?:class|function) '[^']*'", said)
    if custom:
        said = custom[0]
    return (
        f"{name} must be a whole model that Keras {keras.__version__} can load without code of yours, and it is not "
        f"({type(error).__name__}: {said[:160]}); save it again with model.save('model.keras')"
    )


def _shapes(network: Any, name: str) -> tuple[tuple[int, int, int], int]:
    sources, sinks = getattr(network, "inputs", None), getattr(network, "outputs", None)
    if not sources or not sinks:
        raise ModelError(f"{name} must know its input; call the model on a picture before it is saved")
    if len(sources) != 1 or len(sinks) != 1:
        raise ModelError(
            f"a classifier has one input and one output, and {name} has {len(sources)} and {len(sinks)}; "
            "save the part of it that names pictures"
        )
    return _image_shape(tuple(sources[0].shape), name), _classes(tuple(sinks[0].shape), name)


def _image_shape(shape: tuple[int | None, ...], name: str) -> tuple[int, int, int]:
    if len(shape) != 4 or shape[3] not in CHANNELS:
        raise ModelError(
            f"the input must be pictures, [batch, height, width, 1, 3 or 4], and {name} takes {list(shape)}"
        )
    if shape[1] is None or shape[2] is None:
        raise ModelError(
            f"the input must be of one size, and {name} takes any ({list(shape)}); build it with a size, such as "
            "keras.Input((224, 224, 3)), and save it again"
        )
    return shape[1], shape[2], shape[3]


def _classes(shape: tuple[int | None, ...], name: str) -> int:
    if len(shape) != 2 or shape[1] is None or shape[1] < 2:
        raise ModelError(
            f"a classifier answers with one number for each of two or more classes, and {name} with {list(shape)}; "
            "end it in Dense(CLASSES, activation='softmax')"
        )
    return shape[1]


def _require_float32(network: Any, name: str) -> None:
    """TensorFlow Lite has no half-precision arithmetic, and says so in pages."""
    other = {layer.compute_dtype for layer in _layers(network)} & {"float16", "bfloat16", "float64"}
    if other:
        raise ModelError(
            f"a model must compute in float32 to be converted, and {name} does in {other.pop()}; build it under "
            "keras.mixed_precision.set_global_policy('float32'), take its weights over, and save it again"
        )


def _layers(network: Any) -> Iterator[Any]:
    for layer in getattr(network, "layers", ()):
        yield layer
        yield from _layers(layer)


def _shrinks(rescaling: Any) -> bool:
    return float(np.max(rescaling.scale)) < 0.1


def _was_fitted_on_pixels(normalization: Any) -> bool:
    mean = getattr(normalization, "mean", None)
    return mean is not None and float(np.max(np.asarray(mean))) > 1


_SCALES = {"Rescaling": _shrinks, "Normalization": _was_fitted_on_pixels}
"""Layers that tell the pixels' range; a Rescaling by 255 takes 0..1, for one."""
