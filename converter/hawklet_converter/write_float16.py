"""Files with float16 weights, half as large, which compute in float32 wherever float16 is not faster.

Only the weights of convolutions and dense layers are stored in float16, and a cast follows each: XNNPACK and ONNX
Runtime fold it when they load the file, so that a CPU runs them exactly as fast as float32 files, and a GPU delegate
may compute in float16 throughout. A graph that is float16 throughout is slower on CPUs
(docs/decisions/0026-smaller-files-at-float-speed.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.errors import ModelError
from hawklet_converter import onnx_file, tflite_file
from hawklet_converter.apply_recipe import apply_recipe

_LARGEST = float(np.finfo(np.float16).max)
_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def write_float16_tflite(content: bytes) -> bytes:
    """Store a float file's weights in float16.

    Raises:
        ModelError: a weight is too large for float16.
    """
    _refuse_overflow(tflite_file.layer_weights(tflite_file.read_model(content)))
    return apply_recipe(content, _cast_weights)


def _cast_weights(recipe: Any) -> None:
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.recipe_manager import AlgorithmName

    for layer in _LAYERS:
        recipe.add_weight_only_config(
            regex=".*",
            operation_name=qtyping.TFLOperationName(layer),
            num_bits=16,
            algorithm_key=AlgorithmName.FLOAT_CASTING,
        )


def write_float16_onnx(content: bytes) -> bytes:
    """Store a float file's weights in float16.

    Raises:
        ModelError: a weight is too large for float16.
    """
    from onnx import TensorProto, helper

    model = onnx_file.read_model(content)
    weights = {name: weight for name, (weight, _) in onnx_file.layer_weights(model).items()}
    _refuse_overflow(weights)
    onnx_file.compute_constants(
        model,
        [helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT) for name in weights],
        {f"{name}_half": weight.astype(np.float16) for name, weight in weights.items()},
    )
    return onnx_file.write_model(model)


def _refuse_overflow(weights: Mapping[str, npt.NDArray[Any]]) -> None:
    for name, weight in weights.items():
        largest = float(np.abs(weight).max(initial=0.0))
        if not largest <= _LARGEST:
            raise ModelError(
                f"float16 holds weights up to {_LARGEST:g}, got {largest:g} in {name}; write the float32 or int8 file"
            )
