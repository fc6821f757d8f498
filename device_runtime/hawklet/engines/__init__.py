"""Engines: what executes a model file. One base class with one method to write, and the order they are tried in.

To add an engine, subclass :class:`Engine` in a module of its own and add a line to :data:`ENGINES`.
"""

from __future__ import annotations

import importlib
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hawklet.errors import MissingDependencyError, ModelError, UsageError
from hawklet.spec import Floats, InputTransform, ModelFormat, Pixels

_SAME_STEPS = 2
"""Quantized inputs that differ by no more steps from the pixels themselves are given the pixels."""

ENGINES: dict[ModelFormat, str] = {
    ModelFormat.TFLITE: "hawklet.engines.tflite:TFLiteEngine",
    ModelFormat.ONNX: "hawklet.engines.onnx:OnnxEngine",
}
"""Format -> engine class, imported only when a model of that format is opened."""


@dataclass(frozen=True)
class EngineInfo:
    """What an engine says of itself and of the loaded model."""

    runtime: str
    """Library and version, as ``ai-edge-litert 2.3.0``."""
    accelerator: str
    """What executes the graph, as ``XNNPACK (CPU)`` or ``CUDAExecutionProvider``."""
    threads: int
    input_dtype: str
    """NumPy name of the model's own input type."""
    input_shape: tuple[int, int, int]
    """Height, width, channels, whatever the model's own layout."""
    layout: str
    """``NHWC`` or ``NCHW``, the model's own."""
    classes: int
    """Length of the output vector."""
    output_is_probability_grid: bool
    """The output is quantized over 0..1 in 1/256 steps, as a softmax's is by the TFLite specification."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """``labels`` (newline-separated), ``mean``, ``std`` (comma-separated) where the file itself carries them."""


class Engine(ABC):
    """A loaded model that maps pixel batches to output vectors.

    An implementer must set ``info`` and provide :meth:`infer`; it may override :meth:`invoke` and :meth:`close`.
    Errors of the underlying library must be mapped to :class:`hawklet.errors.ModelError` before they leave the module.
    """

    info: EngineInfo

    @abstractmethod
    def infer(self, pixels: Pixels) -> Floats:
        """Run the model on one picture.

        Args:
            pixels: ``uint8 [H, W, C]``, RGB (or luma, or RGB and a fourth plane), 0..255, of exactly
                ``info.input_shape``.

        Returns:
            ``float32 [classes]``: the output vector, dequantized; a fresh array.

        Raises:
            ModelError: the shape is not the model's, or the engine failed.
        """

    def invoke(self) -> None:
        """Execute the graph on whatever its input holds and leave the output unread: the library's bare cost, which
        ``bench`` sets the whole frame path against.

        Raises:
            ModelError: the engine failed, or cannot be measured this way.
        """
        raise ModelError(f"{self.info.runtime} has no bare invoke to measure")

    def close(self) -> None:  # noqa: B027 -- optional by design; most engines hold nothing that needs closing
        """Release what the engine holds."""


def open_engine(
    model: bytes | str | os.PathLike[str],
    model_format: ModelFormat,
    *,
    threads: int | None = None,
    transform: InputTransform | None = None,
) -> Engine:
    """Load a model file.

    Args:
        model: The file's bytes, or its path.
        model_format: Which engine executes it.
        threads: CPU threads; None = all cores, at most 4.
        transform: What a float-input model expects of pixels; None = what the file's own metadata says.

    Raises:
        MissingDependencyError: the engine's library is not installed.
        ModelError: the file is no such model, uses operations the engine lacks, or is no image classifier.
        UsageError: a float-input model has no metadata that states its normalization and none was given.
    """
    module_name, class_name = ENGINES[model_format].split(":")
    engine_class = getattr(importlib.import_module(module_name), class_name)
    engine: Engine = engine_class(model, threads=threads or default_threads(), transform=transform)
    return engine


def default_threads() -> int:
    """All cores this process may use, at most 4: classifiers of this size gain nothing from more."""
    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)))


def format_of(path: str | os.PathLike[str]) -> ModelFormat:
    """The model format that a file's suffix names.

    Raises:
        UsageError: the suffix is neither ``.tflite`` nor ``.onnx``.
    """
    suffix = Path(path).suffix.lower().lstrip(".")
    try:
        return ModelFormat(suffix)
    except ValueError as error:
        raise UsageError(f"a model file must end in .tflite or .onnx, got {Path(path).name}") from error


def is_available(model_format: ModelFormat) -> bool:
    """Whether the library that executes this format can be imported here."""
    try:
        importlib.import_module(ENGINES[model_format].split(":")[0]).load_library()
    except MissingDependencyError:
        return False
    return True


def transform_of(metadata: Mapping[str, str]) -> InputTransform | None:
    """The normalization that a file's metadata states, for pixels in 0..255; None where it states none, or nonsense.

    A ``std`` below 1 is nonsense for such pixels: it was meant for 0..1, and whether it is must be said, not guessed.
    """
    try:
        mean, std = (tuple(float(v) for v in metadata[key].strip("[]() ").split(",")) for key in ("mean", "std"))
    except (KeyError, ValueError):
        return None
    if len(mean) != len(std) or not all(math.isfinite(v) for v in mean + std) or min(std) < 1:
        return None
    return InputTransform(mean, std)


class PixelFeed:
    """Turns pixel bytes into the tensor a model takes, without allocating per frame.

    Args:
        dtype: The model's input type: uint8, int8, float32 or float16.
        layout: ``NHWC`` or ``NCHW``.
        channels: 1, 3 or 4.
        transform: Normalization; a float input must have one, an integer one takes the pixels themselves without it.
        quantization: Scale and zero point of an integer input, to honour a ``transform`` by; None = unknown.

    Raises:
        UsageError: the normalization is missing, or cannot be honoured.
    """

    def __init__(
        self,
        dtype: np.dtype[np.generic],
        layout: str,
        channels: int,
        transform: InputTransform | None,
        quantization: tuple[float, int] | None = None,
    ) -> None:
        if dtype not in (np.uint8, np.int8, np.float32, np.float16):
            raise ModelError(f"an image input must be uint8, int8, float32 or float16, got {dtype}")
        if dtype.kind == "f" and transform is None:
            raise UsageError(
                "a model with a float input must state its normalization, and this file carries none; "
                "give it: --normalize 0..1, -1..1, 0..255 or imagenet"
            )
        self._dtype = dtype
        self._axes = (2, 0, 1) if layout == "NCHW" else (0, 1, 2)
        self._table: np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None = None
        if transform is None:
            return
        if len(transform.std) not in (1, channels):
            raise UsageError(
                f"a normalization has one mean and std, or one for each of the {channels} channels, got "
                f"{len(transform.std)}; try another --normalize"
            )
        std = np.asarray(transform.std, dtype=np.float32)
        self._scale = np.float32(1.0) / std
        self._offset = -np.asarray(transform.mean, dtype=np.float32) / std
        if dtype.kind != "f":
            self._table = self._quantized(channels, quantization)

    def _quantized(self, channels: int, quantization: tuple[float, int] | None) -> Any:
        """What each pixel value becomes, ``[256, channels]``; None where that is the value itself, within two steps."""
        if quantization is None or not quantization[0]:
            raise UsageError(
                "this model takes pixels as they are, 0..255, and does its own normalization; drop --normalize"
            )
        scale, zero_point = quantization
        pixels = np.arange(256, dtype=np.float32)[:, None]
        lowest = 0 if self._dtype == np.uint8 else -128
        table = np.rint((pixels * self._scale + self._offset) / scale + zero_point).clip(lowest, lowest + 255)
        if np.abs(table - (pixels + lowest)).max() <= _SAME_STEPS:
            return None
        return np.broadcast_to(table, (256, channels)).astype(self._dtype)

    def write(self, pixels: Pixels, destination: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
        """Write one picture into ``destination``, the model's own ``[1, ...]`` input buffer."""
        target = destination[0]
        if self._table is not None:
            target[...] = self._table[pixels, np.arange(pixels.shape[2])].transpose(self._axes)
        elif self._dtype == np.uint8:
            target[...] = pixels.transpose(self._axes)
        elif self._dtype == np.int8:
            # An int8 input at zero point -128 holds the same picture with the top bit flipped.
            np.bitwise_xor(pixels.transpose(self._axes), 0x80, out=target.view(np.uint8))
        else:
            target[...] = (pixels * self._scale + self._offset).transpose(self._axes)
