"""The plan's int8 ``.tflite``: ai-edge-quantizer is fed our ranges as its calibration result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from hawklet.errors import ModelError
from hawklet_converter import tflite_file
from hawklet_converter.apply_recipe import Range, apply_recipe
from hawklet_converter.foreign_scales import refuse_foreign_weight_scales
from hawklet_converter.plan import ActivationQuant, QuantPlan


def write_tflite(content: bytes, plan: QuantPlan, tensors: Mapping[str, str]) -> bytes:
    """Quantize a float file by the plan.

    Args:
        content: The float file, with the weights and biases that go with the plan.
        plan: Ranges.
        tensors: Tensor name -> key of its range in the plan.

    Returns:
        An int8 file, ``int8 [1, H, W, C]`` in and ``int8 [1, classes]`` out.

    Raises:
        ModelError: an activation or a weight would be quantized by a scale that is not the plan's.
    """
    grids = _grids(tflite_file.read_model(content), plan, tensors)
    ranges = {name: _range(grid) for name, grid in grids.items()}
    written = apply_recipe(content, lambda recipe: _fill(recipe, plan, tensors), ranges)
    model = tflite_file.read_model(written)
    _refuse_foreign_grids(model, grids)
    refuse_foreign_weight_scales(plan, tflite_file.weight_scales(model))
    return written


def _fill(recipe: Any, plan: QuantPlan, tensors: Mapping[str, str]) -> None:
    from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName

    recipe.add_static_config(
        regex=".*",
        operation_name=TFLOperationName.ALL_SUPPORTED,
        activation_num_bits=8,
        weight_num_bits=8,
        weight_granularity=QuantGranularity.CHANNELWISE if plan.per_channel else QuantGranularity.TENSORWISE,
    )
    for op in plan.float_ops.get("tflite", ()):
        recipe.add_quantization_config(regex=".*", operation_name=TFLOperationName(op), algorithm_key="no_quantize")
    for name in (name for name, key in tensors.items() if key in plan.float_nodes):
        recipe.add_quantization_config(
            regex=f"^{re.escape(name)};?$",
            operation_name=TFLOperationName.ALL_SUPPORTED,
            algorithm_key="no_quantize",
        )


def _range(grid: ActivationQuant) -> Range:
    return {"min": np.array([[grid.low]], dtype=np.float64), "max": np.array([[grid.high]], dtype=np.float64)}


def _grids(model: Any, plan: QuantPlan, tensors: Mapping[str, str]) -> dict[str, ActivationQuant]:
    grids = {name: plan.activations[key] for name, key in tensors.items()}
    for target, source in tflite_file.value_keepers(model).items():
        if source not in grids:
            raise ModelError(f"every activation must have a grid in the quantization plan, got none for {source}")
        grids[target] = grids[source]
    return grids


def _refuse_foreign_grids(model: Any, grids: Mapping[str, ActivationQuant]) -> None:
    known = {(np.float32(grid.scale), grid.zero_point) for grid in grids.values()}
    prescribed = tflite_file.fixed_grids(model)
    for name, (scale, zero_point) in tflite_file.activation_grids(model).items():
        if prescribed.get(name) == (scale, zero_point):
            continue
        if not any(zero_point == zero and abs(scale - s) <= 1e-5 * s for s, zero in known):
            raise ModelError(
                "every int8 activation must lie on a grid of the quantization plan, got another one "
                f"(scale {scale:g}, zero point {zero_point}) for the tensor {name}"
            )
