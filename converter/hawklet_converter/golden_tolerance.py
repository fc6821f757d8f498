"""How far correct kernels may differ from one another, measured: the tolerance of golden frames.

Integer kernels differ between machines in how they round after each layer (XNNPACK's float rounding on x86, fixed point
on Arm). So the golden pictures are run here through a second set of kernels that rounds differently, and the largest
difference seen, with a margin, is what a board may show.
"""

from __future__ import annotations

import numpy as np

from hawklet.engines.onnx import OnnxEngine
from hawklet.engines.tflite import TFLiteEngine
from hawklet.spec import Floats, InputTransform, ModelFormat, Pixels

_MARGIN = 2.0
_FEWEST_STEPS = 3
_FLOAT_SHARE = 1e-3
_SMALLEST = 1e-6
_ENGINES: dict[ModelFormat, type[TFLiteEngine] | type[OnnxEngine]] = {
    ModelFormat.TFLITE: TFLiteEngine,
    ModelFormat.ONNX: OnnxEngine,
}


def float_tolerance(outputs: Floats) -> float:
    """A thousandth of the outputs' range."""
    return max(float(np.ptp(outputs)) * _FLOAT_SHARE, _SMALLEST)


def integer_tolerance(
    content: bytes,
    model_format: ModelFormat,
    pixels: Pixels,
    outputs: Floats,
    step: float,
    transform: InputTransform | None = None,
) -> float:
    """Twice the largest difference between two sets of kernels, at least three steps of the output's grid.

    Args:
        content: A file that computes in integers.
        model_format: Its format.
        pixels: ``uint8 [N, H, W, C]``: the golden pictures.
        outputs: ``float32 [N, classes]``, recorded through the runtime.
        step: Size of one step of the output's grid; 0: it has none.
        transform: How pixels become a float input.
    """
    engine = _ENGINES[model_format](content, threads=1, transform=transform, reference_kernels=True)
    other = np.stack([engine.infer(picture) for picture in pixels])
    return max(_FEWEST_STEPS * step, _MARGIN * float(np.abs(other - outputs).max()))
