"""The other precisions: float16 weights, weight-only int8, one scale per layer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import fx

from hawklet.engines import open_engine
from hawklet.engines.tflite_metadata import read_metadata
from hawklet.errors import ModelError
from hawklet.spec import Floats, ModelFormat, Pixels
from hawklet_converter import onnx_file, tflite_file
from hawklet_converter.choose_ranges import choose_ranges
from hawklet_converter.collect_ranges import collect_ranges
from hawklet_converter.float_exports import FloatExport, export_float
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.lift_tiny_channels import lift_tiny_channels
from hawklet_converter.make_plan import FLOAT_OPS
from hawklet_converter.plan import ActivationQuant, QuantPlan
from hawklet_converter.weight_grid import weight_scales
from hawklet_converter.write_onnx import OnnxActivations, write_onnx
from hawklet_converter.write_tflite import write_tflite
from hawklet_converter.write_variants import Identity, write_dynamic, write_float, write_float16
from hawklet_trainer.data import load_pixels
from hawklet_trainer.run import load_run
from hawklet_trainer.training.inputs import as_input
from tiny_networks import SCALE, SPEC, ZERO_POINT

IDENTITY = Identity("shapes", ("disc", "square", "triangle"), SPEC, ZERO_POINT, SCALE)
FORMATS = (ModelFormat.TFLITE, ModelFormat.ONNX)

Writer = Callable[[ModelFormat, FloatExport, Identity], bytes]


class Prepared:
    """A trained network, pictures, and what is made of both."""

    def __init__(self, net: fx.GraphModule, pixels: Pixels) -> None:
        self.net, self.pixels = net, pixels
        self.inputs = as_input(pixels, ZERO_POINT, SCALE)
        self.exports: Mapping[ModelFormat, FloatExport] = export_float(net, SPEC, self.inputs, FORMATS)

    def plan(self, *, per_channel: bool = True) -> QuantPlan:
        distributions = collect_ranges(self.net, self.inputs)
        for export in self.exports.values():
            distributions |= export.own
        grids = choose_ranges(distributions, "min-max", {"x": ActivationQuant(SCALE, ZERO_POINT - 128)})
        scales = weight_scales(self.net, per_channel=per_channel)
        return QuantPlan("min-max", grids, scales, {}, FLOAT_OPS, per_channel)

    def write(self, model_format: ModelFormat, plan: QuantPlan) -> bytes:
        export = self.exports[model_format]
        if model_format is ModelFormat.TFLITE:
            return write_tflite(export.content, plan, export.tensors)
        return write_onnx(export.content, plan, export.tensors, OnnxActivations.UINT8)

    def exact(self) -> Floats:
        with torch.inference_mode():
            return self.net(self.inputs).numpy()


@pytest.fixture(scope="module")
def prepared(tiny_run: Path) -> Prepared:
    run = load_run(tiny_run)
    pixels, _ = load_pixels(run.photos().items("train"), run.spec, limit=24)
    return Prepared(fold_batch_norm(run.build()).to(memory_format=torch.channels_last), pixels)


def answers(content: bytes, model_format: ModelFormat, pixels: Pixels) -> Floats:
    engine = open_engine(content, model_format, threads=1)
    return np.stack([engine.infer(picture) for picture in pixels])


def int8_answers(content: bytes, model_format: ModelFormat, inputs: torch.Tensor) -> Floats:
    """Logits of a file that takes the network's own x, ``float32 [N, C, H, W]``."""
    if model_format is ModelFormat.ONNX:
        import onnxruntime

        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return np.concatenate([session.run(None, {"x": x[None]})[0] for x in inputs.numpy()])
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    (in_scale, in_zero), (out_scale, out_zero) = source["quantization"], sink["quantization"]
    found = []
    for x in inputs.permute(0, 2, 3, 1).numpy():
        interpreter.set_tensor(
            source["index"], np.clip(np.rint(x / in_scale) + in_zero, -128, 127).astype(np.int8)[None]
        )
        interpreter.invoke()
        found.append((interpreter.get_tensor(sink["index"]).astype(np.float32) - out_zero) * out_scale)
    return np.concatenate(found)


@pytest.mark.parametrize("model_format", FORMATS)
@pytest.mark.parametrize(("write", "step"), [(write_float16, 2**-11), (write_dynamic, 1 / 127)])
def test_smaller_files_answer_nearly_as_the_network_does(
    prepared: Prepared, model_format: ModelFormat, write: Writer, step: float
) -> None:
    exact = prepared.exact()
    got = answers(write(model_format, prepared.exports[model_format], IDENTITY), model_format, prepared.pixels)
    assert got.dtype == np.float32
    assert np.abs(got - exact).max() < 4 * step * np.ptp(exact)
    assert (got.argmax(1) == exact.argmax(1)).mean() >= 0.95


@pytest.mark.parametrize("model_format", FORMATS)
def test_weights_of_smaller_files_take_two_bytes_and_one(prepared: Prepared, model_format: ModelFormat) -> None:
    export = prepared.exports[model_format]
    weights = sum(module.weight.numel() for module in prepared.net.modules() if hasattr(module, "weight"))
    content = write_float(model_format, export, IDENTITY)
    half, quarter = (
        len(content) - len(write(model_format, export, IDENTITY)) for write in (write_float16, write_dynamic)
    )
    overhead = 6 * 1500  # a cast, its tensors and its scales for each of six layers
    assert 2 * weights - overhead < half <= 2 * weights
    assert 3 * weights - overhead < quarter <= 3 * weights


def test_smaller_files_describe_themselves_as_the_others_do(prepared: Prepared) -> None:
    for write in (write_float16, write_dynamic):
        tflite = write(ModelFormat.TFLITE, prepared.exports[ModelFormat.TFLITE], IDENTITY)
        assert read_metadata(tflite)["labels"].split() == list(IDENTITY.labels)
        onnx = write(ModelFormat.ONNX, prepared.exports[ModelFormat.ONNX], IDENTITY)
        info = open_engine(onnx, ModelFormat.ONNX, threads=1).info
        assert (info.input_dtype, info.metadata["labels"].split()) == ("uint8", list(IDENTITY.labels))


def test_interpreters_without_delegates_run_the_smaller_tflite_files_alike(prepared: Prepared) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    for write in (write_float16, write_dynamic):
        content = write(ModelFormat.TFLITE, prepared.exports[ModelFormat.TFLITE], IDENTITY)
        plain = Interpreter(
            model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        plain.allocate_tensors()
        plain.set_tensor(plain.get_input_details()[0]["index"], prepared.pixels[:1])
        plain.invoke()
        got = plain.get_tensor(plain.get_output_details()[0]["index"])
        expected = answers(content, ModelFormat.TFLITE, prepared.pixels[:1])
        assert np.abs(got - expected).max() < 0.02 * np.ptp(prepared.exact())


def test_activations_of_weight_only_files_are_float(prepared: Prepared) -> None:
    content = write_dynamic(ModelFormat.TFLITE, prepared.exports[ModelFormat.TFLITE], IDENTITY)
    assert tflite_file.activation_grids(tflite_file.read_model(content)) == {}
    onnx = onnx_file.read_model(write_dynamic(ModelFormat.ONNX, prepared.exports[ModelFormat.ONNX], IDENTITY))
    assert onnx_file.activation_scales(onnx) == {}
    assert sum(value.dtype == np.int8 for value in onnx_file.initializers(onnx).values()) == 6


@pytest.mark.parametrize("model_format", FORMATS)
def test_a_weight_that_float16_cannot_hold_is_refused(prepared: Prepared, model_format: ModelFormat) -> None:
    content = prepared.exports[model_format].content
    if model_format is ModelFormat.ONNX:
        onnx = onnx_file.read_model(content)
        onnx_file.set_initializers(onnx, {"head.weight": np.full((3, 32), 7e4, np.float32)})
        content = onnx_file.write_model(onnx)
    else:
        tflite = tflite_file.read_model(content)
        (number,) = (n for n, value in tflite_file.float_constants(tflite).items() if value.size == 3 * 32)
        tflite_file.set_constants(tflite, {number: np.full(3 * 32, 7e4, np.float32)})
        content = tflite_file.write_model(tflite)
    with pytest.raises(ModelError, match="float16 holds weights up to 65504, got 70000"):
        write_float16(model_format, replace(prepared.exports[model_format], content=content), IDENTITY)


def test_by_one_scale_per_layer_both_files_hold_the_same_integers(prepared: Prepared) -> None:
    plan = prepared.plan(per_channel=False)
    tflite = tflite_file.read_model(prepared.write(ModelFormat.TFLITE, plan))
    onnx = onnx_file.read_model(prepared.write(ModelFormat.ONNX, plan))
    planned = sorted(scale for (scale,) in plan.weight_scales.values())
    for scales in (tflite_file.weight_scales(tflite), onnx_file.weight_scales(onnx)):
        assert sorted(float(scale) for (scale,) in scales.values()) == pytest.approx(planned, rel=1e-5)
    assert integers_of_tflite(tflite) == integers_of_onnx(onnx)


def integers_of_tflite(model: object) -> list[list[int]]:
    names = tflite_file.weight_scales(model)
    tensors = [t for t in model.subgraphs[0].tensors if tflite_file.name_of(t) in names]
    return sorted(sorted(tflite_file.constant(model, tensor).view(np.int8).tolist()) for tensor in tensors)


def integers_of_onnx(model: object) -> list[list[int]]:
    constants = onnx_file.initializers(model)
    return sorted(sorted(constants[name].reshape(-1).tolist()) for name in onnx_file.weight_scales(model))


@pytest.mark.parametrize("model_format", FORMATS)
def test_files_with_one_scale_per_layer_answer_as_the_network_does(
    prepared: Prepared, model_format: ModelFormat
) -> None:
    content = prepared.write(model_format, prepared.plan(per_channel=False))
    exact, got = prepared.exact(), int8_answers(content, model_format, prepared.inputs)
    assert (got.argmax(1) == exact.argmax(1)).mean() >= 0.9
    assert np.abs(got - exact).mean() < 0.05 * np.ptp(exact)


@pytest.mark.parametrize("model_format", FORMATS)
def test_a_weight_scale_that_is_not_the_plans_is_refused(prepared: Prepared, model_format: ModelFormat) -> None:
    plan = prepared.plan()
    coarser = {path: tuple(1.01 * scale for scale in scales) for path, scales in plan.weight_scales.items()}
    with pytest.raises(ModelError, match="scales of the quantization plan"):
        prepared.write(model_format, replace(plan, weight_scales={**coarser, "head": plan.weight_scales["head"]}))


def with_tiny_channels(net: fx.GraphModule) -> fx.GraphModule:
    """A copy whose ``down`` layer has a channel of tiny weights, one of zeros, and biases that matter on both."""
    copied = copy.deepcopy(net)
    layer = copied.get_submodule("down.0.0")
    with torch.no_grad():
        layer.weight[3] *= 1e-9
        layer.weight[5] = 0
        layer.weight[6] = 0
        layer.bias[3], layer.bias[5], layer.bias[6] = 1.5, 0.75, 0
    return copied


@pytest.fixture(scope="module")
def lifted(prepared: Prepared) -> tuple[Prepared, QuantPlan, Floats]:
    """A network with tiny channels, lifted, its plan, and what it answered before."""
    net = with_tiny_channels(prepared.net)
    before = Prepared(net, prepared.pixels)
    exact = before.exact()
    plan = lift_tiny_channels(net, before.plan())
    return Prepared(net, prepared.pixels), plan, exact


def test_lifting_changes_what_the_network_answers_by_next_to_nothing(
    lifted: tuple[Prepared, QuantPlan, Floats],
) -> None:
    prepared, _, exact = lifted
    assert np.abs(prepared.exact() - exact).max() < 1e-3 * np.ptp(exact)


def test_a_lifted_scale_is_what_writers_make_of_the_weights(lifted: tuple[Prepared, QuantPlan, Floats]) -> None:
    prepared, plan, _ = lifted
    made = weight_scales(prepared.net)
    for path, scales in plan.weight_scales.items():
        assert scales == pytest.approx(made[path], rel=1e-6), path


@pytest.mark.parametrize("model_format", FORMATS)
def test_files_with_tiny_channels_answer_as_the_network_does(
    lifted: tuple[Prepared, QuantPlan, Floats], model_format: ModelFormat
) -> None:
    prepared, plan, exact = lifted
    got = int8_answers(prepared.write(model_format, plan), model_format, prepared.inputs)
    assert np.abs(got - exact).mean() < 0.05 * np.ptp(exact)
    assert (got.argmax(1) == exact.argmax(1)).mean() >= 0.9


def test_the_biases_of_tiny_channels_fit_into_both_files(lifted: tuple[Prepared, QuantPlan, Floats]) -> None:
    prepared, plan, _ = lifted
    largest = int(np.iinfo(np.int32).max)
    model = onnx_file.read_model(prepared.write(ModelFormat.ONNX, plan))
    biases = [v for v in onnx_file.initializers(model).values() if v.dtype == np.int32 and v.ndim == 1]
    assert len(biases) >= 6
    assert max(int(np.abs(bias.astype(np.int64)).max()) for bias in biases) < 0.6 * largest
    tflite = tflite_file.read_model(prepared.write(ModelFormat.TFLITE, plan))
    stored = [
        tflite_file.constant(tflite, t)
        for t in tflite.subgraphs[0].tensors
        if t.shape is not None and len(t.shape) == 1
    ]
    values = [v.view(np.int32).astype(np.int64) for v in stored if v is not None and v.size == 4 * 32]
    assert values
    assert max(int(np.abs(value).max()) for value in values) < 0.6 * largest


def test_a_plan_without_tiny_channels_is_left_as_it_is(prepared: Prepared) -> None:
    net, plan = copy.deepcopy(prepared.net), prepared.plan()
    assert lift_tiny_channels(net, plan) is plan
    for before, after in zip(prepared.net.parameters(), net.parameters(), strict=True):
        assert torch.equal(before, after)


def test_one_scale_for_a_layer_is_lifted_by_its_largest_bias(prepared: Prepared) -> None:
    net, plan = copy.deepcopy(prepared.net), prepared.plan(per_channel=False)
    layer = net.get_submodule("head")
    with torch.no_grad():
        layer.weight.mul_(1e-9)
        layer.bias[1] = 2.0
    raised = lift_tiny_channels(net, replace(plan, weight_scales=weight_scales(net, per_channel=False)))
    (scale,) = raised.weight_scales["head"]
    assert weight_scales(net, per_channel=False)["head"] == pytest.approx((scale,))
    assert 2.0 / (scale * plan.activations[input_of(net, "head")].scale) <= 2**30 * 1.001


def test_weights_that_lie_channels_last_are_lifted_too() -> None:
    net = fold_batch_norm(torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, groups=8), torch.nn.ReLU()))
    layer = net.get_submodule("0")
    with torch.no_grad():
        layer.weight[2] = 0
        layer.bias[2] = 1.0
    layer.weight.data = torch.empty_strided((8, 1, 3, 3), (1, 1, 24, 8)).copy_(layer.weight)
    (entry,) = (node.name for node in net.graph.nodes if node.op == "placeholder")
    plan = lift_tiny_channels(net, QuantPlan("min-max", {entry: ActivationQuant(0.5, 0)}, weight_scales(net)))
    assert plan.weight_scales["0"][2] == pytest.approx(weight_scales(net)["0"][2]) == pytest.approx(2.0 / 2**30)


def input_of(net: fx.GraphModule, path: str) -> str:
    (node,) = (node for node in net.graph.nodes if str(node.target) == path)
    return str(node.all_input_nodes[0].name)


def test_a_layer_whose_input_has_no_grid_is_refused(prepared: Prepared) -> None:
    plan = prepared.plan()
    lacking = {name: grid for name, grid in plan.activations.items() if name != input_of(prepared.net, "head")}
    with pytest.raises(ModelError, match="got none for head"):
        lift_tiny_channels(copy.deepcopy(prepared.net), replace(plan, activations=lacking))


def test_a_grid_is_looked_for_behind_what_only_moves_values() -> None:
    net = fold_batch_norm(torch.nn.Sequential(torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(12, 2)))
    with torch.no_grad():
        net.get_submodule("2").weight[1] = 0
        net.get_submodule("2").bias[1] = 1.0
    (entry,) = (node.name for node in net.graph.nodes if node.op == "placeholder")
    plan = QuantPlan("min-max", {entry: ActivationQuant(0.5, 0)}, weight_scales(net))
    assert lift_tiny_channels(net, plan).weight_scales["2"][1] == pytest.approx(1.0 / (0.5 * 2**30))
