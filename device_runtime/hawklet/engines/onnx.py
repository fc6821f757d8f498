"""ONNX models through ONNX Runtime; on a Jetson its CUDA and TensorRT providers are taken where they exist."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hawklet.engines import Engine, EngineInfo, PixelFeed, transform_of
from hawklet.errors import MissingDependencyError, ModelError
from hawklet.spec import CHANNELS, Floats, InputTransform, Pixels

PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
"""Tried in this order; ``HAWKLET_ONNX_PROVIDER`` names one to insist on."""

_DTYPES = {
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


def load_library() -> tuple[ModuleType, str]:
    """Import ONNX Runtime.

    Returns:
        The module, and ``name version``.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError.for_extra("onnxruntime", "onnx", "running an .onnx model") from error
    return onnxruntime, f"onnxruntime {onnxruntime.__version__}"


class OnnxEngine(Engine):
    """One session with its input buffer kept.

    ``reference_kernels`` runs the graph as written, unfused, on the CPU: to see how far machines may differ.
    """

    def __init__(
        self,
        model: bytes | str | os.PathLike[str],
        *,
        threads: int,
        transform: InputTransform | None = None,
        reference_kernels: bool = False,
    ) -> None:
        library, runtime = load_library()
        self._session: Any = _open_session(library, runtime, model, threads, reference_kernels)
        source, sink = _classifier_tensors(self._session)
        metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        layout, shape = _image_shape(source.shape)
        if source.type not in _DTYPES:
            raise ModelError(f"an image input must be uint8, int8, float or float16, got {source.type}")
        dtype = np.dtype(_DTYPES[source.type])
        height, width, channels = shape
        if dtype.kind == "f":
            transform = transform or transform_of(metadata)
        self._feed = PixelFeed(dtype, layout, channels, transform)
        buffer_shape = (1, channels, height, width) if layout == "NCHW" else (1, height, width, channels)
        self._buffer = np.zeros(buffer_shape, dtype=dtype)
        self._input_name, self._output_name = source.name, sink.name
        self.info = EngineInfo(
            runtime=runtime,
            accelerator=self._session.get_providers()[0],
            threads=threads,
            input_dtype=dtype.name,
            input_shape=shape,
            layout=layout,
            classes=self._run().size,
            output_is_probability_grid=False,
            metadata=metadata,
        )

    def infer(self, pixels: Pixels) -> Floats:
        """See :meth:`hawklet.engines.Engine.infer`."""
        if pixels.shape != self.info.input_shape:
            raise ModelError(f"the model takes {list(self.info.input_shape)} pixels, got {list(pixels.shape)}")
        self._feed.write(pixels, self._buffer)
        return self._run()

    def _run(self) -> Floats:
        try:
            (output,) = self._session.run([self._output_name], {self._input_name: self._buffer})
        except Exception as error:  # its errors are private classes that share no base
            raise ModelError(f"ONNX Runtime failed: {' '.join(str(error).split())}") from error
        return np.asarray(output, dtype=np.float32).reshape(-1)

    def invoke(self) -> None:
        """See :meth:`hawklet.engines.Engine.invoke`."""
        self._run()

    def close(self) -> None:
        """Free the session."""
        self._session = None


def _open_session(
    library: Any, runtime: str, model: bytes | str | os.PathLike[str], threads: int, reference_kernels: bool
) -> Any:
    options = library.SessionOptions()
    if reference_kernels:
        options.graph_optimization_level = library.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    wanted = os.environ.get("HAWKLET_ONNX_PROVIDER")
    order = ("CPUExecutionProvider",) if reference_kernels else (wanted,) if wanted else PROVIDERS
    providers = [name for name in order if name in library.get_available_providers()]
    if not providers:
        raise ModelError(
            f"HAWKLET_ONNX_PROVIDER={wanted} is not in this build; it has {library.get_available_providers()}"
        )
    if not isinstance(model, bytes) and not Path(model).is_file():
        raise ModelError(f"cannot read the model {model}: no such file")
    try:
        return library.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=providers)
    except Exception as error:  # its errors are private classes that share no base
        raise ModelError(f"{runtime} refuses this model: {' '.join(str(error).split())}") from error


def _classifier_tensors(session: Any) -> tuple[Any, Any]:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"an image classifier has one input and one output, got {len(inputs)} and {len(outputs)}; "
            "detectors and segmenters do not run here"
        )
    return inputs[0], outputs[0]


def _image_shape(shape: list[Any]) -> tuple[str, tuple[int, int, int]]:
    dims = shape[1:]
    one_picture = len(shape) == 4 and (shape[0] in (1, None) or isinstance(shape[0], str))
    if one_picture and all(isinstance(n, int) for n in dims):
        if dims[0] in CHANNELS:
            return "NCHW", (dims[1], dims[2], dims[0])
        if dims[2] in CHANNELS:
            return "NHWC", (dims[0], dims[1], dims[2])
    raise ModelError(f"the input must be one picture [1, 3, H, W], [1, H, W, 3] or with 1 or 4 channels, got {shape}")
