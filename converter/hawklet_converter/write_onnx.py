"""The plan's int8 ``.onnx``: ONNX Runtime's QDQ quantizer is told every grid, and finds none of its own."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

from hawklet.errors import ModelError
from hawklet_converter import onnx_file
from hawklet_converter.foreign_scales import refuse_foreign_weight_scales
from hawklet_converter.plan import QuantPlan
from hawklet_converter.quiet import quiet


class OnnxActivations(str, Enum):
    """Which bytes carry activations: the type that the target's kernels are fast for. Weights are int8 always."""

    UINT8 = "uint8"
    """x86 (VNNI multiplies unsigned by signed bytes); int8 activations are 1.6 to 3 times slower there."""
    INT8 = "int8"
    """Arm's dot product, and TensorRT, which takes int8 alone."""


def write_onnx(content: bytes, plan: QuantPlan, tensors: Mapping[str, str], activations: OnnxActivations) -> bytes:
    """Quantize a float file by the plan.

    Args:
        content: The float file, with the weights and biases that go with the plan.
        plan: Grids.
        tensors: Tensor name -> key of its range in the plan.
        activations: Which bytes carry activations.

    Returns:
        A file of QuantizeLinear/DequantizeLinear pairs, ``float32 [1, C, H, W]`` in and ``float32 [1, classes]`` out.

    Raises:
        ModelError: an activation has no grid in the plan, or a weight would get a scale that is not the plan's.
    """
    model = onnx_file.read_model(content)
    present = {node.op_type for node in model.graph.node}
    kinds = sorted(present & (onnx_file.INTEGER_OPS | onnx_file.FOLLOWING_OPS) - set(plan.float_ops.get("onnx", ())))
    overrides = _overrides(plan, tensors, activations)
    with quiet():
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

        kind = QuantType.QUInt8 if activations is OnnxActivations.UINT8 else QuantType.QInt8
        ranges = {
            name: TensorData(
                lowest=np.float32(plan.activations[node].low), highest=np.float32(plan.activations[node].high)
            )
            for name, node in tensors.items()
        }
        worker = QDQQuantizer(
            model,
            per_channel=plan.per_channel,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=kind,
            tensors_range=TensorsData(CalibrationMethod.MinMax, ranges),
            nodes_to_quantize=[],
            nodes_to_exclude=_float_nodes(model, plan, tensors),
            op_types_to_quantize=kinds,
            extra_options={"TensorQuantOverrides": overrides, "QDQDisableWeightAdjustForInt32Bias": True},
        )
        try:
            worker.quantize_model()
        except (ValueError, RuntimeError, KeyError) as error:
            raise ModelError(f"ONNX Runtime cannot apply the plan: {' '.join(str(error).split())[:300]}") from error
    _refuse_foreign_grids(worker.model.model, plan)
    refuse_foreign_weight_scales(plan, onnx_file.weight_scales(worker.model.model))
    return onnx_file.write_model(worker.model.model)


def _float_nodes(model: Any, plan: QuantPlan, tensors: Mapping[str, str]) -> list[str]:
    return [node.name for node in model.graph.node if tensors.get(node.output[0]) in plan.float_nodes]


def _overrides(
    plan: QuantPlan, tensors: Mapping[str, str], activations: OnnxActivations
) -> dict[str, list[dict[str, Any]]]:
    unsigned = activations is OnnxActivations.UINT8
    shift, kind = (128, np.uint8) if unsigned else (0, np.int8)
    return {
        name: [
            {
                "scale": np.array(plan.activations[node].scale, dtype=np.float32),
                "zero_point": np.array(plan.activations[node].zero_point + shift, dtype=kind),
            }
        ]
        for name, node in tensors.items()
    }


def _refuse_foreign_grids(model: Any, plan: QuantPlan) -> None:
    known = {np.float32(grid.scale) for grid in plan.activations.values()}
    foreign = [name for name, scale in onnx_file.activation_scales(model).items() if np.float32(scale) not in known]
    if foreign:
        raise ModelError(
            "every int8 activation must lie on a grid of the quantization plan, got others for "
            f"{', '.join(foreign[:3])}"
        )
