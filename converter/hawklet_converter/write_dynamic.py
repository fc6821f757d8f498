"""Weight-only files, ``int8-dynamic``: weights in 8 bits per channel, activations in float, no calibration.

They are a quarter as large and need no pictures, and they are not int8 files: what flows between layers is float.

TFLite: XNNPACK runs convolutions and dense layers whose weights alone are integers by rounding each picture's
activations as they come ("dynamic range"), faster than float. It has no such kernel for depthwise convolutions, whose
weights are therefore turned back to float when the file is loaded; left dynamic they would double MobileNetV2's time.

ONNX: the weights are turned back to float by Cast and Mul, which ONNX Runtime computes once, when it loads the file.
DequantizeLinear in their place is computed anew for each picture, and so is ONNX Runtime's own dynamic quantization
slower than float; figures in docs/decisions/0026-smaller-files-at-float-speed.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet_converter import onnx_file
from hawklet_converter.apply_recipe import apply_recipe
from hawklet_converter.weight_grid import WEIGHT_LIMIT


def write_dynamic_tflite(content: bytes) -> bytes:
    """Store a float file's weights in 8 bits.

    Raises:
        ModelError: the quantizer refuses the file.
    """
    return apply_recipe(content, _round_weights)


def _round_weights(recipe: Any) -> None:
    from ai_edge_quantizer.qtyping import TFLOperationName

    for layer in (TFLOperationName.CONV_2D, TFLOperationName.FULLY_CONNECTED):
        recipe.add_dynamic_config(regex=".*", operation_name=layer, num_bits=8)
    recipe.add_weight_only_config(regex=".*", operation_name=TFLOperationName.DEPTHWISE_CONV_2D, num_bits=8)


def write_dynamic_onnx(content: bytes) -> bytes:
    """Store a float file's weights in 8 bits."""
    from onnx import TensorProto, helper

    model = onnx_file.read_model(content)
    nodes: list[Any] = []
    constants: dict[str, npt.NDArray[Any]] = {}
    for name, (weight, axis) in onnx_file.layer_weights(model).items():
        integers, steps, real = f"{name}_int8", f"{name}_steps", f"{name}_real"
        constants[integers], constants[steps] = _round(weight, axis)
        nodes.append(helper.make_node("Cast", [integers], [real], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [real, steps], [name]))
    onnx_file.compute_constants(model, nodes, constants)
    return onnx_file.write_model(model)


def _round(weight: npt.NDArray[Any], axis: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Integers of the weight's shape, and steps that broadcast along ``axis``."""
    others = tuple(dim for dim in range(weight.ndim) if dim != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True).astype(np.float32)
    steps = np.where(largest > 0, largest / np.float32(WEIGHT_LIMIT), np.float32(1))
    return np.rint(weight / steps).clip(-WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8), steps
