"""Both writers take the plan's numbers, and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from hawklet.engines import open_engine
from hawklet.engines.tflite_metadata import read_metadata
from hawklet.errors import ModelError
from hawklet.spec import ModelFormat
from hawklet_converter import onnx_file, tflite_file
from hawklet_converter.choose_ranges import choose_ranges
from hawklet_converter.collect_ranges import collect_ranges
from hawklet_converter.correct_bias import correct_bias
from hawklet_converter.float_exports import FloatExport, export_float
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.make_plan import FLOAT_OPS
from hawklet_converter.place_layers import layers_of
from hawklet_converter.plan import ActivationQuant, QuantPlan
from hawklet_converter.weight_grid import weight_scales
from hawklet_converter.write_onnx import OnnxActivations, write_onnx
from hawklet_converter.write_tflite import write_tflite
from hawklet_converter.write_variants import Identity, Layout, write_float, write_int8
from hawklet_trainer.data import load_pixels
from hawklet_trainer.run import load_run
from hawklet_trainer.training.inputs import as_input
from tiny_networks import SCALE, SPEC, ZERO_POINT

IDENTITY = Identity("shapes", ("disc", "square", "triangle"), SPEC, ZERO_POINT, SCALE)


class Prepared:
    """A trained network, its float exports and a plan."""

    def __init__(self, run_folder: Path) -> None:
        run = load_run(run_folder)
        self.pixels, _ = load_pixels(run.photos().items("train"), run.spec, limit=24)
        self.net = fold_batch_norm(run.build()).to(memory_format=torch.channels_last)
        self.inputs = as_input(self.pixels, ZERO_POINT, SCALE)
        self.exports: Mapping[ModelFormat, FloatExport] = export_float(
            self.net, SPEC, self.inputs, (ModelFormat.TFLITE, ModelFormat.ONNX)
        )
        distributions = collect_ranges(self.net, self.inputs)
        for export in self.exports.values():
            distributions |= export.own
        given = {"x": ActivationQuant(SCALE, ZERO_POINT - 128)}
        self.corrected = correct_bias(self.net, self.inputs, set(self.exports[ModelFormat.TFLITE].places))
        grids = choose_ranges(distributions, "mse", given)
        self.plan = QuantPlan("mse", grids, weight_scales(self.net), FLOAT_OPS)

    def int8(self, model_format: ModelFormat, activations: OnnxActivations = OnnxActivations.UINT8) -> bytes:
        export = self.exports[model_format]
        return write_int8(model_format, export, self.corrected, self.plan, IDENTITY, Layout(activations))


@pytest.fixture(scope="module")
def prepared(tiny_run: Path) -> Prepared:
    return Prepared(tiny_run)


@pytest.fixture(scope="module")
def int8_tflite(prepared: Prepared) -> bytes:
    return prepared.int8(ModelFormat.TFLITE)


@pytest.fixture(scope="module")
def int8_onnx(prepared: Prepared) -> bytes:
    return prepared.int8(ModelFormat.ONNX)


def test_the_float_files_answer_as_the_network_does(prepared: Prepared) -> None:
    with torch.inference_mode():
        expected = prepared.net(prepared.inputs[:4]).numpy()
    for model_format, export in prepared.exports.items():
        engine = open_engine(write_float(model_format, export, IDENTITY), model_format, threads=1)
        got = np.stack([engine.infer(picture) for picture in prepared.pixels[:4]])
        np.testing.assert_allclose(got, expected, atol=2e-3)


def test_both_files_hold_the_same_integer_weights(int8_tflite: bytes, int8_onnx: bytes) -> None:
    from ai_edge_litert import schema_py_generated as schema

    model = tflite_file.read_model(int8_tflite)
    in_tflite = sorted(
        (sorted(tflite_file.constant(model, tensor).view(np.int8).tolist()))
        for tensor in model.subgraphs[0].tensors
        if tensor.type == schema.TensorType.INT8 and tflite_file.constant(model, tensor) is not None
    )
    constants = onnx_file.initializers(onnx_file.read_model(int8_onnx))
    in_onnx = sorted(sorted(value.reshape(-1).tolist()) for value in constants.values() if _is_weight(value))
    assert len(in_tflite) == 6
    assert in_tflite == in_onnx


def _is_weight(value: np.ndarray) -> bool:
    return bool(value.dtype == np.int8 and value.ndim > 1)


def test_weight_scales_in_the_files_are_the_plans(prepared: Prepared, int8_onnx: bytes) -> None:
    stored = {
        tuple(np.round(v, 9)) for v in onnx_file.initializers(onnx_file.read_model(int8_onnx)).values() if v.ndim == 1
    }
    for path, scales in prepared.plan.weight_scales.items():
        assert tuple(np.round(np.float32(scales), 9)) in stored, path


def test_activations_of_both_files_lie_on_the_plans_grids(
    prepared: Prepared, int8_tflite: bytes, int8_onnx: bytes
) -> None:
    planned = np.array([grid.scale for grid in prepared.plan.activations.values()])
    tflite = tflite_file.activation_grids(tflite_file.read_model(int8_tflite))
    onnx = onnx_file.activation_scales(onnx_file.read_model(int8_onnx))
    assert len(tflite) >= 9
    assert len(onnx) >= 8
    for scale in [*(scale for scale, _ in tflite.values()), *onnx.values()]:
        assert np.isclose(planned, scale, rtol=1e-5).any()


def test_both_files_give_nearly_the_same_logits(prepared: Prepared, int8_tflite: bytes, int8_onnx: bytes) -> None:
    engines = [
        open_engine(int8_tflite, ModelFormat.TFLITE, threads=1),
        open_engine(int8_onnx, ModelFormat.ONNX, threads=1),
    ]
    tflite, onnx = (np.stack([engine.infer(p) for p in prepared.pixels]) for engine in engines)
    assert (tflite.argmax(1) == onnx.argmax(1)).mean() >= 0.9
    assert np.abs(tflite - onnx).mean() < 0.1 * np.ptp(tflite)


def test_the_arm_file_is_signed_and_the_x86_file_is_not(prepared: Prepared, int8_onnx: bytes) -> None:
    def kinds(content: bytes) -> set[str]:
        model = onnx_file.read_model(content)
        constants = onnx_file.initializers(model)
        return {
            str(constants[node.input[2]].dtype)
            for node in model.graph.node
            if node.op_type == "QuantizeLinear" and node.input[0] not in constants
        }

    assert kinds(int8_onnx) == {"uint8"}
    arm = prepared.int8(ModelFormat.ONNX, OnnxActivations.INT8)
    assert kinds(arm) == {"int8"}
    a, b = (open_engine(content, ModelFormat.ONNX, threads=1) for content in (int8_onnx, arm))
    same = [a.infer(p).argmax() == b.infer(p).argmax() for p in prepared.pixels]
    assert np.mean(same) >= 0.95


def test_an_activation_without_a_range_in_the_plan_fails_clearly(prepared: Prepared) -> None:
    for model_format, write in (
        (ModelFormat.TFLITE, lambda e, t: write_tflite(e.content, prepared.plan, t)),
        (ModelFormat.ONNX, lambda e, t: write_onnx(e.content, prepared.plan, t, OnnxActivations.UINT8)),
    ):
        export = prepared.exports[model_format]
        lacking = {name: key for name, key in export.tensors.items() if "head" not in key}
        assert len(lacking) < len(export.tensors)
        with pytest.raises(ModelError):
            write(export, lacking)


def test_a_file_that_answers_otherwise_than_the_network_is_refused(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    import copy

    from hawklet_converter import float_exports

    other = copy.deepcopy(prepared.net)
    other.get_submodule("head").weight.mul_(1.5)
    real = float_exports.export_onnx
    monkeypatch.setattr(float_exports, "export_onnx", lambda net, spec: real(other, spec))
    with pytest.raises(ModelError, match="logits differ"):
        export_float(prepared.net, SPEC, prepared.inputs, (ModelFormat.ONNX,))


def test_every_layer_is_found_in_both_files(prepared: Prepared) -> None:
    for export in prepared.exports.values():
        assert set(export.places) == set(layers_of(prepared.net))


def test_the_tflite_file_says_what_its_pixels_and_outputs_are(int8_tflite: bytes) -> None:
    model = tflite_file.read_model(int8_tflite)
    graph = model.subgraphs[0]
    source, sink = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    assert tflite_file.name_of(source) == "pixels"
    assert source.quantization.scale[0] == pytest.approx(SCALE)
    assert source.quantization.zeroPoint[0] == ZERO_POINT
    assert tflite_file.name_of(sink) == "logits"
    described = read_metadata(int8_tflite)
    assert described["labels"].split() == ["disc", "square", "triangle"]
    assert float(described["mean"]) == ZERO_POINT
    assert float(described["std"]) == pytest.approx(1 / SCALE)


def test_the_metadata_has_the_identifier_that_mediapipe_looks_for() -> None:
    described = tflite_file.describe_model("shapes", 120.0, 64.0, 3)
    assert described[4:8] == b"M001"


def test_the_onnx_file_says_what_its_pixels_and_outputs_are(int8_onnx: bytes) -> None:
    info = open_engine(int8_onnx, ModelFormat.ONNX, threads=1).info
    assert info.input_dtype == "uint8"
    assert info.metadata["labels"].split("\n") == ["disc", "square", "triangle"]
    assert float(info.metadata["std"]) == pytest.approx(1 / SCALE)


def test_the_onnx_file_keeps_to_the_specification_and_says_nothing_twice(int8_onnx: bytes) -> None:
    onnx.checker.check_model(int8_onnx, full_check=True)
    model = onnx.load_from_string(int8_onnx)
    constants = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    assert len({(a.dtype.str, a.shape, a.tobytes()) for a in constants.values()}) == len(constants)
    of_biases = [
        node
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and constants.get(node.input[0], np.zeros(0)).dtype == np.int32
    ]
    assert of_biases
    assert all(len(node.input) == 2 for node in of_biases)


def test_the_files_hold_the_weights_and_biases_of_the_network_that_goes_with_the_plan(prepared: Prepared) -> None:
    export = prepared.exports[ModelFormat.TFLITE]
    written = write_int8(
        ModelFormat.TFLITE, export, prepared.net, prepared.plan, IDENTITY, Layout(OnnxActivations.UINT8)
    )
    stored = _stored_biases(written)
    biases = {path: layer.bias.numpy() for path, layer in layers_of(prepared.net).items()}
    assert len(stored) == len(biases)
    for path, bias in biases.items():
        assert any(len(v) == len(bias) and (np.abs(v - bias) <= step).all() for v, step in stored), path
    corrected = _stored_biases(prepared.int8(ModelFormat.TFLITE))
    assert any((v != plain_v).any() for (v, _), (plain_v, _) in zip(corrected, stored, strict=True))


def test_layers_planned_to_stay_in_float_do_so_in_both_files(prepared: Prepared) -> None:
    plan = replace(prepared.plan, float_nodes=("head",))
    tflite, onnx = (
        write_int8(f, prepared.exports[f], prepared.corrected, plan, IDENTITY, Layout(OnnxActivations.UINT8))
        for f in (ModelFormat.TFLITE, ModelFormat.ONNX)
    )
    assert "FULLY_CONNECTED" in tflite_file.float_ops(tflite_file.read_model(tflite))
    head = next(node for node in onnx_file.read_model(onnx).graph.node if node.op_type == "Gemm")
    assert not any("Dequantize" in name or "DQ" in name for name in head.input[1:])
    answers = [
        np.stack([open_engine(c, f, threads=1).infer(p) for p in prepared.pixels])
        for c, f in ((tflite, ModelFormat.TFLITE), (onnx, ModelFormat.ONNX))
    ]
    assert (answers[0].argmax(1) == answers[1].argmax(1)).mean() >= 0.9


def _stored_biases(content: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Real values and steps of every integer bias of a file."""
    from ai_edge_litert import schema_py_generated as schema

    model = tflite_file.read_model(content)
    found = []
    for tensor in model.subgraphs[0].tensors:
        values = tflite_file.constant(model, tensor) if tensor.type == schema.TensorType.INT32 else None
        if values is not None and tensor.quantization is not None and tensor.quantization.scale is not None:
            step = np.asarray(tensor.quantization.scale)
            found.append((values.view(np.int32) * step, step))
    return found
