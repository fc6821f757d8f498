"""TFLite models through ai-edge-litert, else tflite-runtime, else tensorflow.lite, in this order, said by name."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hawklet.engines import Engine, EngineInfo, PixelFeed, transform_of
from hawklet.engines.tflite_metadata import read_metadata
from hawklet.errors import MissingDependencyError, ModelError
from hawklet.spec import CHANNELS, Floats, InputTransform, Pixels

_LIBRARIES = (
    ("ai_edge_litert.interpreter", "ai-edge-litert"),
    ("tflite_runtime.interpreter", "tflite-runtime"),
    ("tensorflow.lite.python.interpreter", "tensorflow"),
)


def load_library() -> tuple[ModuleType, str]:
    """Import the first TFLite library that is installed; ``HAWKLET_TFLITE`` names one to insist on.

    Returns:
        The module with the ``Interpreter`` class, and ``name version``.

    Raises:
        MissingDependencyError: none is installed.
    """
    wanted = os.environ.get("HAWKLET_TFLITE")
    for module_name, distribution in _LIBRARIES:
        if wanted and wanted != distribution:
            continue
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            continue
        return module, f"{distribution} {_version_of(distribution)}"
    raise MissingDependencyError.for_extra(wanted or "ai-edge-litert", "tflite", "running a .tflite model")


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:  # tensorflow-cpu, tf-nightly: the module under another name
        top = sys.modules.get(distribution.replace("-", "_"))
        return str(getattr(top, "__version__", "of unknown version"))


class TFLiteEngine(Engine):
    """One interpreter with its input and output tensors held open.

    ``reference_kernels`` computes without XNNPACK, whose kernels round otherwise: to see how far machines may differ.
    """

    def __init__(
        self,
        model: bytes | str | os.PathLike[str],
        *,
        threads: int,
        transform: InputTransform | None = None,
        reference_kernels: bool = False,
    ) -> None:
        content = model if isinstance(model, bytes) else _read(Path(model))
        if content[4:8] != b"TFL3":
            raise ModelError(
                "a .tflite file must carry the identifier TFL3 at byte 4, got "
                f"{content[4:8]!r}; was it cut short or is it another format?"
            )
        library, runtime = load_library()
        try:
            with _quiet_native_stderr():
                kernels: dict[str, Any] = {}
                if reference_kernels:
                    resolver = library.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                    kernels["experimental_op_resolver_type"] = resolver
                self._interpreter: Any = library.Interpreter(model_content=content, num_threads=threads, **kernels)
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{runtime} refuses this model: {' '.join(str(error).split())}") from error
        source, sink = _classifier_tensors(self._interpreter)
        metadata = read_metadata(content)
        layout, shape = _image_shape(source["shape"])
        dtype = np.dtype(source["dtype"])
        if dtype.kind == "f":
            transform = transform or transform_of(metadata)
        self._feed = PixelFeed(dtype, layout, shape[2], transform, source["quantization"])
        self._input_index, self._output_index = source["index"], sink["index"]
        self._output_scale, self._output_zero = sink["quantization"]
        self.info = EngineInfo(
            runtime=runtime,
            accelerator="XNNPACK (CPU)" if "litert" in runtime else "CPU",
            threads=threads,
            input_dtype=dtype.name,
            input_shape=shape,
            layout=layout,
            classes=int(np.prod(sink["shape"])),
            output_is_probability_grid=abs(self._output_scale - 1 / 256) < 1e-9,
            metadata=metadata,
        )

    def infer(self, pixels: Pixels) -> Floats:
        """See :meth:`hawklet.engines.Engine.infer`."""
        if pixels.shape != self.info.input_shape:
            raise ModelError(f"the model takes {list(self.info.input_shape)} pixels, got {list(pixels.shape)}")
        # A view of the tensor must not outlive this call: the interpreter refuses to run while one exists.
        self._feed.write(pixels, self._interpreter.tensor(self._input_index)())
        self.invoke()
        raw: Floats = self._interpreter.get_tensor(self._output_index).reshape(-1).astype(np.float32)
        if self._output_scale:
            raw -= np.float32(self._output_zero)
            raw *= np.float32(self._output_scale)
        return raw

    def invoke(self) -> None:
        """See :meth:`hawklet.engines.Engine.invoke`."""
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{self.info.runtime} failed: {' '.join(str(error).split())}") from error

    def close(self) -> None:
        """Free the interpreter."""
        self._interpreter = None


@contextlib.contextmanager
def _quiet_native_stderr() -> Iterator[None]:
    """Hide what the library's C++ side writes to stderr while a model loads: a notice for each of its delegates.

    It offers no switch for them. What goes wrong still arrives, as the exception's text.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the model {path}: {error.strerror}") from error


def _classifier_tensors(interpreter: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"an image classifier has one input and one output, got {len(inputs)} and {len(outputs)}; "
            "detectors and segmenters do not run here"
        )
    return inputs[0], outputs[0]


def _image_shape(shape: Any) -> tuple[str, tuple[int, int, int]]:
    dims = [int(n) for n in shape]
    if len(dims) == 4 and dims[0] == 1 and dims[3] in CHANNELS:
        return "NHWC", (dims[1], dims[2], dims[3])
    if len(dims) == 4 and dims[0] == 1 and dims[1] in CHANNELS:
        return "NCHW", (dims[2], dims[3], dims[1])
    raise ModelError(f"the input must be one picture [1, H, W, 3], [1, 3, H, W] or with 1 or 4 channels, got {dims}")
