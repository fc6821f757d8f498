"""How far correct kernels may differ from one another, measured: the tolerance of golden frames.

Integer kernels differ between machines in how they round after each layer (XNNPACK's float rounding on x86, fixed point
on Arm). So the golden pictures are run here through a second set of kernels that rounds differently, and the largest
difference seen, with a margin, is what a board may show.
"""

from __future__ import annotations

import numpy as np

from hawklet.spec import Floats, ModelFormat, Pixels
from hawklet_converter.quiet import quiet

_MARGIN = 2.0
_FEWEST_STEPS = 3
_FLOAT_SHARE = 1e-3


def float_tolerance(outputs: Floats) -> float:
    """A thousandth of the outputs' range."""
    return float(np.ptp(outputs)) * _FLOAT_SHARE


def int8_tolerance(content: bytes, model_format: ModelFormat, pixels: Pixels, outputs: Floats, step: float) -> float:
    """Twice the largest difference between two sets of kernels, at least three steps of the output's grid.

    Args:
        content: The int8 file.
        model_format: Its format.
        pixels: ``uint8 [N, H, W, C]``: the golden pictures.
        outputs: ``float32 [N, classes]``, recorded through the runtime.
        step: Size of one step of the output's grid.
    """
    with quiet():
        other = _OTHER_KERNELS[model_format](content, pixels)
    return tolerance_between(outputs, other, step)


def tolerance_between(outputs: Floats, other: Floats, step: float) -> float:
    """The same of two sets of outputs, ``float32 [N, classes]``, that were computed by different kernels."""
    return max(_FEWEST_STEPS * step, _MARGIN * float(np.abs(other - outputs).max()))


def _tflite_without_xnnpack(content: bytes, pixels: Pixels) -> Floats:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    outputs = []
    for picture in pixels:
        interpreter.set_tensor(source, picture[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(sink).reshape(-1))
    return np.stack(outputs).astype(np.float32)


def _onnx_unfused(content: bytes, pixels: Pixels) -> Floats:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.stack([session.run(None, {name: picture[None]})[0].reshape(-1) for picture in pixels]).astype(np.float32)


_OTHER_KERNELS = {ModelFormat.TFLITE: _tflite_without_xnnpack, ModelFormat.ONNX: _onnx_unfused}
