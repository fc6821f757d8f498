"""What inspect learns by running a model in a process of its own."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import tiny_graphs
import tiny_models
from hawklet.spec import ModelFormat
from hawklet_converter.inspect import inspect_model, trial, try_onnx
from hawklet_converter.inspect.examine import Depth, examine
from hawklet_converter.inspect.facts import Arithmetic
from hawklet_converter.inspect.trial import try_model


def test_every_layer_of_a_tflite_model_is_measured_and_every_partition_counted() -> None:
    content = tiny_graphs.int8_tflite(["DEQUANTIZE", "HARD_SWISH", "QUANTIZE"])
    tried = try_model(content, ModelFormat.TFLITE, latency=True)
    assert tried.runs, tried.error
    assert (tried.delegate, tried.partitions, tried.undelegated) == ("XNNPACK", 1, ())
    assert tried.latency is not None
    assert [layer.layer for layer in tried.latency.layers] == [0, 1, 2, 3, 4]
    assert tried.latency.total_ms > 0
    assert all(layer.ms > 0 for layer in tried.latency.layers)


def test_int8_hard_swish_is_measured_to_be_left_out_by_the_delegate() -> None:
    tried = try_model(tiny_graphs.int8_tflite(["HARD_SWISH"]), ModelFormat.TFLITE, latency=False)
    assert (tried.undelegated, tried.partitions) == ((1,), 2)


def test_layers_of_onnx_runtime_lead_back_to_the_operations_of_the_file() -> None:
    tried = try_model(tiny_graphs.qdq_convolution(), ModelFormat.ONNX, latency=True)
    assert tried.runs, tried.error
    assert tried.executed["QLinearConv"] == 1
    assert tried.integer_layers == (3,)
    assert tried.latency is not None
    assert {layer.op: layer.layer for layer in tried.latency.layers}["QLinearConv"] == 3


def test_a_convolution_that_the_graph_keeps_in_float_is_run_in_float() -> None:
    tried = try_model(tiny_graphs.qdq_convolution(zero_point=64), ModelFormat.ONNX, latency=False)
    assert tried.integer_layers == ()


def test_a_bundle_of_both_formats_runs() -> None:
    for content, model_format in (
        (tiny_models.colour_tflite(), ModelFormat.TFLITE),
        (tiny_models.colour_onnx(), ModelFormat.ONNX),
    ):
        assert try_model(content, model_format, latency=False).runs


def test_a_runtime_that_crashes_is_told_by_its_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    died = trial.subprocess.CompletedProcess([], -signal.SIGSEGV, b"", b"")
    monkeypatch.setattr(trial.subprocess, "run", lambda *_, **__: died)
    tried = try_model(b"", ModelFormat.TFLITE, latency=False)
    assert not tried.runs
    assert "SIGSEGV" in tried.error


def test_a_runtime_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(words: list[str], **_: object) -> None:
        raise trial.subprocess.TimeoutExpired(words, 60)

    monkeypatch.setattr(trial.subprocess, "run", hang)
    assert "did not finish" in try_model(b"", ModelFormat.ONNX, latency=False).error


def test_free_sides_other_than_the_batch_are_no_proof_that_a_file_cannot_run() -> None:
    from onnx import load_from_string

    model = load_from_string(tiny_models.colour_onnx())
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    tried = try_model(model.SerializeToString(), ModelFormat.ONNX, latency=False)
    assert (tried.error, tried.runs) == ("", False)
    assert "(height)" in tried.not_tried


def test_a_uint16_input_is_tried() -> None:
    from onnx import TensorProto, load_from_string

    model = load_from_string(tiny_graphs.onnx_of([("Cast", ["x"], ["y"], {"to": TensorProto.FLOAT})]))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT16
    tried = try_onnx.try_onnx(model.SerializeToString(), latency=False)
    assert tried.runs, tried.error or tried.not_tried


def test_weights_in_another_file_are_found_beside_the_model(tmp_path: Path) -> None:
    import onnx

    model, file = onnx.load_from_string(tiny_graphs.qdq_convolution()), tmp_path / "m.onnx"
    onnx.save(model, file, save_as_external_data=True, location="m.bin", size_threshold=0)
    content = file.read_bytes()
    tried = try_model(content, ModelFormat.ONNX, latency=True, beside=tmp_path)
    assert tried.runs, tried.error
    assert tried.integer_layers == (3,)
    alone = try_model(content, ModelFormat.ONNX, latency=False)
    assert not alone.runs and "m.bin" in alone.error


def test_float16_that_the_runtime_computes_in_float32_is_said_so(tmp_path: Path) -> None:
    from onnx import TensorProto

    operations = [
        ("Cast", ["x"], ["half"], {"to": TensorProto.FLOAT16}),
        ("GlobalAveragePool", ["half"], ["pooled"], {}),
        ("Cast", ["pooled"], ["y"], {"to": TensorProto.FLOAT}),
    ]
    content = tiny_graphs.onnx_of(operations)
    tried = try_model(content, ModelFormat.ONNX, latency=False)
    pool = inspect_model(content, ModelFormat.ONNX).layers[1]
    assert pool.arithmetic is Arithmetic.FLOAT16
    assert trial.is_widened(pool, tried)
    file = tmp_path / "half.onnx"
    file.write_bytes(content)
    found = examine(file, Depth(), lambda name: None).models[0].findings
    assert any("turns GlobalAveragePool into float32" in one.text for one in found)


def test_of_a_graph_with_branches_it_is_not_claimed_which_layers_became_integers() -> None:
    from onnx import helper, load_from_string

    model = load_from_string(tiny_graphs.qdq_convolution())
    branch = helper.make_graph(
        [helper.make_node("Identity", ["act_q"], ["chosen"])],
        "branch",
        [],
        [helper.make_tensor_value_info("chosen", 2, None)],
    )
    model.graph.input.append(helper.make_tensor_value_info("which", 9, [1]))
    model.graph.node.insert(6, helper.make_node("If", ["which"], ["c"], then_branch=branch, else_branch=branch))
    model.graph.node[-1].input[0] = "c"
    tried = try_onnx.try_onnx(model.SerializeToString(), latency=True)
    assert tried.runs, tried.error
    assert tried.executed["QLinearConv"] == 1
    assert tried.integer_layers is None


@pytest.mark.shared_data
def test_a_custom_operation_is_told_not_to_run(shared_data: Path) -> None:
    content = (shared_data / "models" / "model_invoking_error.tflite").read_bytes()
    tried = try_model(content, ModelFormat.TFLITE, latency=False)
    assert not tried.runs
    assert "fake-op-double" in tried.error


@pytest.mark.shared_data
def test_the_layers_of_a_real_network_sum_to_about_the_whole(shared_data: Path) -> None:
    content = (shared_data / "models" / "mobilenet_v1_0.5_160_quant.tflite").read_bytes()
    tried = try_model(content, ModelFormat.TFLITE, latency=True)
    assert tried.latency is not None
    assert abs(tried.latency.discrepancy) < 0.5, "a busy machine is allowed for"


_UNARY = (
    "Sigmoid",
    "Softmax",
    "LeakyRelu",
    "HardSigmoid",
    "HardSwish",
    "Tanh",
    "Relu",
    "Exp",
    "Elu",
    "GlobalAveragePool",
)
_BINARY = ("Add", "Mul", "Sub", "Div", "MatMul", "Max")


@pytest.mark.parametrize("op", _UNARY + _BINARY)
def test_the_rule_of_fusion_agrees_with_what_onnx_runtime_does(op: str) -> None:
    content = tiny_graphs.qdq_operation(op, inputs=2 if op in _BINARY else 1)
    tried = try_onnx.try_onnx(content, latency=False)
    (layer,) = (one for one in inspect_model(content, ModelFormat.ONNX).layers if one.name == "target")
    assert tried.runs, tried.error
    assert (layer.arithmetic is Arithmetic.INT8) == any(name.startswith("QLinear") for name in tried.executed)
