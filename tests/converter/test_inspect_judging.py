"""What inspect makes of the facts."""

from __future__ import annotations

import tiny_graphs
from hawklet.spec import ModelFormat
from hawklet_converter.inspect import inspect_model
from hawklet_converter.inspect.facts import Finding, Severity, Source
from hawklet_converter.inspect.judge import activation_scheme, islands, judge, layout, shorten, weight_scheme


def _findings(content: bytes, model_format: ModelFormat) -> dict[str, Finding]:
    return {finding.code: finding for finding in judge(inspect_model(content, model_format))}


def test_a_float_operation_between_conversions_is_an_island_and_is_named() -> None:
    content = tiny_graphs.int8_tflite(["DEQUANTIZE", "HARD_SWISH", "QUANTIZE"])
    (island,) = islands(inspect_model(content, ModelFormat.TFLITE))
    assert (island.layers, island.conversions) == ((2,), (1, 3))
    assert "HARD_SWISH" in _findings(content, ModelFormat.TFLITE)["island"].text


def test_conversions_with_nothing_between_are_needless() -> None:
    found = _findings(tiny_graphs.int8_tflite(["DEQUANTIZE", "QUANTIZE"]), ModelFormat.TFLITE)
    assert found["needless-conversion"].severity is Severity.SLOW


def test_pixels_converted_at_the_entrance_are_no_island() -> None:
    from hawklet_converter import tflite_file

    model = tflite_file.read_model(tiny_graphs.int8_tflite([]))
    tflite_file.take_pixels(model, 128, 0.1)
    tflite_file.give_float_logits(model)
    assert islands(inspect_model(tflite_file.write_model(model), ModelFormat.TFLITE)) == ()


def test_a_clip_left_before_quantization_is_blamed_for_the_float_convolution() -> None:
    found = _findings(tiny_graphs.qdq_convolution(zero_point=64), ModelFormat.ONNX)
    assert "Conv" in found["unfused-activation"].text


def test_an_onnx_operation_that_cannot_fuse_is_an_island_of_the_int8_graph() -> None:
    import numpy as np
    from onnx import helper, load_from_string, numpy_helper

    model = load_from_string(tiny_graphs.qdq_convolution())
    last = model.graph.node[-1]
    last.output[0] = "dq"
    model.graph.node.extend(
        [
            helper.make_node("HardSigmoid", ["dq"], ["hard"], name="hard"),
            helper.make_node("QuantizeLinear", ["hard", "out_scale", "out_zero"], ["hard_q"]),
            helper.make_node("DequantizeLinear", ["hard_q", "out_scale", "out_zero"], ["logits"]),
        ]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1), "unused"))
    (island,) = islands(inspect_model(model.SerializeToString(), ModelFormat.ONNX))
    assert len(island.layers) == 1
    assert len(island.conversions) == 2


def test_transposes_that_undo_one_another_are_needless() -> None:
    content = tiny_graphs.onnx_of(
        [
            ("Transpose", ["x"], ["a"], {"perm": [0, 2, 3, 1]}),
            ("Transpose", ["a"], ["b"], {"perm": [0, 3, 1, 2]}),
            ("Relu", ["b"], ["y"], {}),
        ]
    )
    assert _findings(content, ModelFormat.ONNX)["needless-transpose"].layers == (0, 1)


def test_tensorrt_is_said_to_refuse_asymmetric_activations_and_that_this_is_from_a_table() -> None:
    finding = _findings(tiny_graphs.qdq_convolution(), ModelFormat.ONNX)["tensorrt"]
    assert finding.source is Source.TABLE
    assert "tensorrt" not in _findings(
        tiny_graphs.qdq_convolution(symmetric_int8=True, zero_point=0, activation="Tanh"), ModelFormat.ONNX
    )


def test_schemes_and_layout_are_told_in_words() -> None:
    facts = inspect_model(tiny_graphs.qdq_convolution(), ModelFormat.ONNX)
    assert weight_scheme(facts) == "int8, per channel, symmetric"
    assert activation_scheme(facts) == "uint8, per tensor, 1 of 2 symmetric, the rest asymmetric"
    assert layout(facts) == "NCHW"


def test_labels_that_do_not_fit_the_outputs_are_wrong() -> None:
    from hawklet_converter import tflite_file

    model = tflite_file.read_model(tiny_graphs.int8_tflite([]))
    content = tflite_file.add_metadata(model, "x", ["a", "b"], 0.0, 1.0, 3)
    assert _findings(content, ModelFormat.TFLITE)["labels"].severity is Severity.WRONG


def test_an_operation_that_no_opset_defines_is_named() -> None:
    found = _findings(tiny_graphs.onnx_of([("Reluu", ["x"], ["y"], {})]), ModelFormat.ONNX)
    assert "Reluu" in found["custom-op"].text


def test_short_names_keep_what_tells_layers_apart() -> None:
    module = "litert_torch._convert.to_channel_last_io.ChannelLastIOWrapper/torch.nn.modules"
    for layers in (
        [f"{module}.conv.Conv2d_2;{number}" for number in (3, 32, 33)],
        [f"{module}.activation.ReLU6_2;;{module}.conv.Conv2d_0;{number}" for number in ("", 1)],
        [f"/features/Relu_{number}_output_0_DequantizeLinear" for number in (1, 2)],
        [f"MobilenetV2/expanded_conv_{number}/expand/Relu6;MobilenetV2/add_fold" for number in (1, 12)],
    ):
        short = [shorten(name, 28) for name in layers]
        assert len(set(short)) == len(layers)
        assert max(map(len, short)) <= 28
