"""What inspect reads of a model file, checked by hand, and that garbage ends in one clear error."""

from __future__ import annotations

import contextlib
import random
import struct
from pathlib import Path

import numpy as np
import pytest

import tiny_graphs
import tiny_models
from hawklet.engines.tflite_metadata import read_metadata
from hawklet.errors import ModelError
from hawklet.spec import ModelFormat
from hawklet_converter.inspect import describe, inspect_model
from hawklet_converter.inspect.facts import Arithmetic, Grid, PrecisionKind
from hawklet_converter.inspect.judge import activation_scheme, islands, judge, weight_dtypes, weight_scheme
from hawklet_converter.write_dynamic import write_dynamic_onnx


def _kinds(content: bytes, model_format: ModelFormat) -> dict[str, Arithmetic]:
    return {layer.op: layer.arithmetic for layer in inspect_model(content, model_format).layers}


def test_a_convolution_between_quantization_nodes_is_int8_with_the_relu_that_its_grid_implies() -> None:
    facts = inspect_model(tiny_graphs.qdq_convolution(), ModelFormat.ONNX)
    assert facts.precision is PrecisionKind.INT8
    assert facts.macs == 4 * 6 * 6 * 27
    assert facts.int8_macs_share == 1.0
    assert {layer.name: layer.arithmetic for layer in facts.layers if layer.name in ("conv", "act")} == {
        "conv": Arithmetic.INT8,
        "act": Arithmetic.FUSED,
    }
    (kernel,) = (layer.kernel for layer in facts.layers if layer.name == "conv")
    assert kernel is not None
    assert (kernel.dtype, kernel.scales, kernel.symmetric, kernel.elements) == ("int8", 4, True, 108)


def test_a_relu_that_the_grid_does_not_imply_leaves_its_convolution_in_float() -> None:
    facts = inspect_model(tiny_graphs.qdq_convolution(zero_point=64), ModelFormat.ONNX)
    assert facts.int8_macs_share == 0.0
    assert facts.float_ops == ("Conv", "Relu")


def test_weights_alone_in_bytes_are_not_called_int8() -> None:
    from onnx import load_from_string

    model = load_from_string(tiny_graphs.qdq_convolution())
    (convolution,) = (node for node in model.graph.node if node.op_type == "Conv")
    convolution.input[0] = "pixels"
    (relu,) = (node for node in model.graph.node if node.op_type == "Relu")
    relu.output[0] = "logits"
    kept = [node for node in model.graph.node if node.op_type in ("Conv", "Relu") or "w" in node.input]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    facts = inspect_model(model.SerializeToString(), ModelFormat.ONNX)
    assert facts.precision is PrecisionKind.INT8_WEIGHTS


def test_operations_out_of_order_are_read_and_a_circle_is_refused() -> None:
    from onnx import load_from_string

    model = load_from_string(tiny_graphs.qdq_convolution())
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert inspect_model(model.SerializeToString(), ModelFormat.ONNX).int8_macs_share == 1.0
    circle = tiny_graphs.onnx_of([("Relu", ["a"], ["y"], {}), ("Relu", ["y"], ["a"], {})])
    with pytest.raises(ModelError, match="none of itself"):
        inspect_model(circle, ModelFormat.ONNX)


def test_a_free_batch_counts_as_one_and_keeps_its_name() -> None:
    facts = inspect_model(tiny_graphs.qdq_convolution(), ModelFormat.ONNX)
    assert facts.inputs[0].shape == ("batch", 3, 8, 8)


def test_an_int8_tflite_graph_is_told_with_scales_and_real_ranges() -> None:
    facts = inspect_model(tiny_graphs.int8_tflite([]), ModelFormat.TFLITE)
    assert facts.precision is PrecisionKind.INT8
    assert facts.macs == 2 * 4 * 4 * 8 * 8
    low, high = facts.inputs[0].real_range or (0, 0)
    assert (low, high) == pytest.approx((-12.8, 12.7))
    assert facts.parameters == 72, "shared weights count once"


def test_sixteen_bit_activations_are_called_by_their_name() -> None:
    content = tiny_graphs.qdq_convolution(bits=16)
    facts = inspect_model(content, ModelFormat.ONNX)
    assert facts.precision is PrecisionKind.INT16
    assert describe.precision(facts) == (
        "16-bit activations, int8 weights; in int16: 100 % of the MACs and 1 of 1 operations"
    )
    assert activation_scheme(facts).startswith("uint16")
    assert not any("int8 graph" in finding.text for finding in judge(facts))


def test_weights_that_a_file_unpacks_by_multiplying_are_told_as_they_are_stored() -> None:
    plain = tiny_graphs.onnx_of([("Conv", ["x", "w"], ["y"], {})], {"w": np.ones((4, 3, 1, 1), np.float32)})
    facts = inspect_model(write_dynamic_onnx(plain), ModelFormat.ONNX)
    assert (facts.parameters, [layer.op for layer in facts.layers]) == (12, ["Conv"])
    assert (facts.precision, weight_dtypes(facts)) == (PrecisionKind.INT8_WEIGHTS, "int8")
    assert weight_scheme(facts) == "int8, per channel, symmetric"


_ZEROS = {"scale": np.float32(0.02), "zero": np.uint8(128), "w_zero": np.int8(0)}


def test_integer_kernels_that_are_given_their_grids_are_read_with_them() -> None:
    grid, weights = ["scale", "zero"], ["w", "w_scale", "w_zeros"]
    content = tiny_graphs.onnx_of(
        [
            ("QuantizeLinear", ["x", *grid], ["q"], {}),
            ("QLinearConv", ["q", *grid, *weights, *grid, "bias"], ["made"], {"name": "conv"}),
            ("QLinearSigmoid", ["made", *grid, *grid], ["y"], {"domain": "com.microsoft"}),
        ],
        _ZEROS
        | {"w": np.ones((2, 3, 1, 1), np.int8), "w_scale": np.float32([0.1, 0.2]), "w_zeros": np.zeros(2, np.int8)}
        | {"bias": np.zeros(2, np.int32)},
    )
    facts = inspect_model(content, ModelFormat.ONNX)
    assert (facts.parameters, weight_scheme(facts)) == (6 + 2, "int8, per channel, symmetric")
    assert {one.name: one.dtype for one in facts.activations} == dict.fromkeys(["q", "made", "y"], "uint8")
    assert facts.outputs[0].grid == Grid(pytest.approx(0.02), 128)


def test_weights_of_dynamic_kernels_are_counted_without_their_grids() -> None:
    content = tiny_graphs.onnx_of(
        [
            ("DynamicQuantizeLinear", ["x"], ["q", "q_scale", "q_zero"], {}),
            ("ConvInteger", ["q", "w", "q_zero", "w_zero"], ["sums"], {}),
            ("Cast", ["sums"], ["real"], {"to": 1}),
            ("Mul", ["q_scale", "scale"], ["steps"], {}),
            ("Mul", ["real", "steps"], ["y"], {}),
        ],
        _ZEROS | {"w": np.ones((2, 3, 1, 1), np.int8)},
    )
    facts = inspect_model(content, ModelFormat.ONNX)
    assert (facts.parameters, weight_scheme(facts)) == (6, "int8, per tensor, symmetric")


def _taking(content: bytes, *sides: int | str) -> bytes:
    from onnx import load_from_string

    model = load_from_string(content)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    for dim, side in zip(dims, sides, strict=True):
        setattr(dim, "dim_value" if isinstance(side, int) else "dim_param", side)
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    return bytes(model.SerializeToString())


def test_macs_are_of_one_picture_where_a_file_takes_several_at_a_time() -> None:
    facts = inspect_model(_taking(tiny_graphs.qdq_convolution(), 8, 3, 8, 8), ModelFormat.ONNX)
    assert facts.macs == 4 * 6 * 6 * 27
    assert any("takes 8 inputs at a time" in text for text in facts.remarks)


def test_macs_that_follow_from_a_free_side_are_said_not_to_be_known() -> None:
    facts = inspect_model(_taking(tiny_graphs.qdq_convolution(), "batch", 3, "height", 8), ModelFormat.ONNX)
    assert (facts.macs, facts.macs_known) == (0, False)
    assert any("sizes of 1 layers are not known" in text for text in facts.remarks)
    assert "per channel" in weight_scheme(facts)


def test_hard_swish_left_in_float_makes_a_graph_mixed_though_all_macs_are_int8() -> None:
    content = tiny_graphs.int8_tflite(["DEQUANTIZE", "HARD_SWISH", "QUANTIZE"])
    facts = inspect_model(content, ModelFormat.TFLITE)
    assert (facts.precision, facts.float_ops, facts.int8_macs_share) == (PrecisionKind.MIXED, ("HARD_SWISH",), 1.0)
    assert facts.int8_ops_share == pytest.approx(2 / 3)


def test_tensors_without_names_are_told_apart() -> None:
    from hawklet_converter import tflite_file

    model = tflite_file.read_model(tiny_graphs.int8_tflite(["DEQUANTIZE", "HARD_SWISH", "QUANTIZE"]))
    for tensor in model.subgraphs[0].tensors:
        tensor.name = b""
    facts = inspect_model(tflite_file.write_model(model), ModelFormat.TFLITE)
    assert len(islands(facts)) == 1
    assert facts.parameters == 72


def test_a_clip_whose_limits_are_plain_attributes_or_computed_is_judged_by_what_is_known() -> None:
    from onnx import helper, load_from_string

    def judged(limit: object) -> Arithmetic:
        model = load_from_string(tiny_graphs.qdq_convolution(activation="Clip", zero_point=64))
        (clip,) = (node for node in model.graph.node if node.op_type == "Clip")
        clip.input.append("low")
        model.graph.node.insert(0, limit)
        facts = inspect_model(model.SerializeToString(), ModelFormat.ONNX)
        return next(layer.arithmetic for layer in facts.layers if layer.name == "conv")

    assert judged(helper.make_node("Constant", [], ["low"], value_float=-10.0)) is Arithmetic.INT8
    assert judged(helper.make_node("Constant", [], ["low"], value_float=0.0)) is Arithmetic.FLOAT32
    assert judged(helper.make_node("ReduceMin", ["pixels"], ["low"], keepdims=0)) is Arithmetic.FLOAT32


def test_float_models_are_float() -> None:
    assert inspect_model(tiny_models.colour_tflite(), ModelFormat.TFLITE).precision is PrecisionKind.FLOAT32
    assert _kinds(tiny_models.colour_onnx(), ModelFormat.ONNX) == {
        "Cast": Arithmetic.CONVERTS,
        "GlobalAveragePool": Arithmetic.FLOAT32,
        "Flatten": Arithmetic.MOVES,
        "Mul": Arithmetic.FLOAT32,
    }


@pytest.mark.parametrize("model_format", ModelFormat)
def test_files_cut_short_end_in_one_error(model_format: ModelFormat) -> None:
    whole = {ModelFormat.TFLITE: tiny_graphs.int8_tflite([]), ModelFormat.ONNX: tiny_graphs.qdq_convolution()}
    content = whole[model_format]
    for length in range(0, len(content) - 1, max(1, len(content) // 150)):
        _read_or_refuse(content[:length], model_format)


@pytest.mark.parametrize("model_format", ModelFormat)
def test_damaged_bytes_end_in_facts_or_in_one_error(model_format: ModelFormat) -> None:
    chance = random.Random(7)
    whole = {ModelFormat.TFLITE: tiny_graphs.int8_tflite(["TANH"]), ModelFormat.ONNX: tiny_graphs.qdq_convolution()}
    for _ in range(300):
        content = bytearray(whole[model_format])
        for _ in range(chance.choice((1, 3, 20))):
            content[chance.randrange(len(content))] = chance.choice((0, 1, 127, 128, 255))
        _read_or_refuse(bytes(content), model_format)


def _read_or_refuse(content: bytes, model_format: ModelFormat) -> None:
    with contextlib.suppress(ModelError):
        inspect_model(content, model_format)


def test_a_list_that_claims_billions_of_tables_costs_no_time() -> None:
    content = bytearray(tiny_graphs.int8_tflite([]))
    root = struct.unpack_from("<I", content, 0)[0]
    table = root - struct.unpack_from("<i", content, root)[0]
    slot = struct.unpack_from("<H", content, table + 4 + 2 * 4)[0]  # field 4 of Model: buffers
    vector = root + slot + struct.unpack_from("<I", content, root + slot)[0]
    struct.pack_into("<I", content, vector, 0xFFFFFFF0)
    with pytest.raises(ModelError, match="buffers at most"):
        inspect_model(bytes(content), ModelFormat.TFLITE)
    assert read_metadata(bytes(content)) == {}


REAL = {
    "mobilenet_v2_1.0_224_quant.tflite": (PrecisionKind.INT8, 300.8, 3_489_097, "uint8", 1, 1001),
    "tf2_mobilenet_v2_1.0_224_ptq.tflite": (PrecisionKind.INT8, 300.8, 3_489_097, "int8", 16, 1001),
    "vww_96_int8.tflite": (PrecisionKind.INT8, 7.5, 210_850, "int8", 16, 0),
    "pretrainedResnet.tflite": (PrecisionKind.FLOAT32, 12.5, 77_706, "float32", 0, 0),
    "mnist.onnx": (PrecisionKind.FLOAT32, 0.8, 5_994, "float32", 0, 0),
}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", REAL)
def test_models_of_others_are_told_as_a_look_by_hand_finds_them(shared_data: Path, name: str) -> None:
    kind, macs, parameters, dtype, scales, labels = REAL[name]
    facts = inspect_model((shared_data / "models" / name).read_bytes(), ModelFormat(name.rsplit(".", 1)[1]))
    assert (facts.precision, round(facts.macs / 1e6, 1), facts.parameters) == (kind, macs, parameters)
    kernels = [layer.kernel for layer in facts.layers if "conv" in layer.op.lower() and layer.kernel]
    assert (kernels[1].dtype, kernels[1].scales) == (dtype, scales if scales < 2 else kernels[1].scales)
    assert (kernels[1].scales > 1) == (scales > 1)
    assert len(facts.labels) == labels


@pytest.mark.shared_data
def test_a_custom_operation_is_named_and_not_taken_for_arithmetic(shared_data: Path) -> None:
    content = (shared_data / "models" / "model_invoking_error.tflite").read_bytes()
    facts = inspect_model(content, ModelFormat.TFLITE)
    assert [layer.needs for layer in facts.layers] == ["custom operation fake-op-double"]
    assert facts.precision is PrecisionKind.NONE
