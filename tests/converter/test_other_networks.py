"""Networks that the built-in ones are not: what int8 files make of their operations."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import fx, nn
from torch.nn import functional

from hawklet.engines import open_engine
from hawklet.errors import ModelError
from hawklet.spec import Floats, ModelFormat, Pixels, PreprocessSpec
from hawklet_converter import float_exports, tflite_file
from hawklet_converter.collect_ranges import Fingerprint, fingerprint, join_fingerprints
from hawklet_converter.convert import FORMATS
from hawklet_converter.export_onnx import export_onnx
from hawklet_converter.fake_quantized_net import with_fake_quantization, without_fake_quantization
from hawklet_converter.float_exports import export_float
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.gather_evidence import gather_evidence
from hawklet_converter.lift_tiny_channels import lift_tiny_channels
from hawklet_converter.make_plan import PlanMaker, Planned
from hawklet_converter.match_tensors import TOLERANCE
from hawklet_converter.place_layers import held_layers
from hawklet_converter.plain_pools import with_plain_pools
from hawklet_converter.recipes import Attempt
from hawklet_converter.train_quantized import QatConfig, train_quantized
from hawklet_converter.write_onnx import OnnxActivations
from hawklet_converter.write_variants import Identity, Layout, float_ops, write_int8
from hawklet_trainer.augment import Augment
from hawklet_trainer.data import load_pixels
from hawklet_trainer.run import load_run
from hawklet_trainer.training.inputs import as_input

SIDE, ZERO_POINT, SCALE = 16, 120, 1 / 64
SPEC = PreprocessSpec(SIDE, SIDE)
IDENTITY = Identity("net", ("a", "b", "c", "d"), SPEC, ZERO_POINT, SCALE)


class Case:
    """A network, pictures that it answers differently, and what a conversion knows of both."""

    def __init__(self, net: nn.Module, spec: PreprocessSpec = SPEC, pixels: Pixels | None = None) -> None:
        self.pixels = tinted_noise(spec) if pixels is None else pixels
        inputs = as_input(self.pixels, ZERO_POINT, SCALE)
        self.net = fold_batch_norm(net).to(memory_format=torch.channels_last)
        self.identity = replace(IDENTITY, spec=spec)
        self.exports = export_float(self.net, spec, inputs, FORMATS)
        self.evidence = gather_evidence(self.net, self.exports, inputs, self.identity, 0)
        with torch.inference_mode():
            self.exact: Floats = self.net(inputs).numpy()

    def plan(self, attempt: Attempt | None = None) -> Planned:
        return PlanMaker(self.evidence).make(attempt or Attempt())

    def write(
        self, planned: Planned, activations: OnnxActivations = OnnxActivations.UINT8
    ) -> Mapping[ModelFormat, bytes]:
        layout = Layout(activations)
        return {
            f: write_int8(f, export, planned.net, planned.plan, self.identity, layout)
            for f, export in self.exports.items()
        }

    def answers(self, content: bytes, model_format: ModelFormat) -> Floats:
        engine = open_engine(content, model_format, threads=1)
        return np.stack([engine.infer(picture) for picture in self.pixels])


def tinted_noise(spec: PreprocessSpec) -> Pixels:
    random = np.random.default_rng(0)
    tinted = random.integers(0, 256, (48, 1, 1, 3)) + random.normal(0, 50, (48, spec.height, spec.width, 3))
    return tinted.clip(0, 255).astype(np.uint8)


def spread_out(net: nn.Module) -> nn.Module:
    """Random weights under which answers differ from picture to picture, as after training."""
    torch.manual_seed(0)
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=0.2)
    return net.eval()


def require_agreement(case: Case, files: Mapping[ModelFormat, bytes]) -> None:
    for model_format, content in files.items():
        got = case.answers(content, model_format)
        assert (got.argmax(1) == case.exact.argmax(1)).mean() >= 0.9, model_format
        assert np.abs(got - case.exact).mean() < 0.05 * np.ptp(case.exact), model_format


class Linear(nn.Module):
    """The pixels go into a Flatten, which no QuantizeLinear stands before."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * SIDE * SIDE, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.flatten(1))


class Plain(nn.Module):
    """Two convolutions and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1)
        self.head = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.body(functional.relu(self.stem(x))))
        return self.head(x.mean([2, 3]))


class Gated(nn.Module):
    """A squeeze-and-excite as MobileNetV3 has it; ``gate`` is what its scales go through."""

    def __init__(self, gate: nn.Module) -> None:
        super().__init__()
        self.stem, self.body = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1)
        self.fc1, self.fc2 = nn.Conv2d(16, 8, 1), nn.Conv2d(8, 16, 1)
        self.pool, self.gate, self.relu = nn.AdaptiveAvgPool2d(1), gate, nn.ReLU()
        self.head = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.body(self.relu(self.stem(x))))
        x = x * self.gate(self.fc2(self.relu(self.fc1(self.pool(x)))))
        return self.head(x.mean([2, 3]))


def test_what_an_exporter_makes_up_gets_its_range_from_pictures_of_every_class() -> None:
    net = fold_batch_norm(spread_out(Gated(nn.Hardsigmoid())))
    dim, bright = torch.full((40, 3, SIDE, SIDE), 0.01), torch.full((40, 3, SIDE, SIDE), 2.0)
    ranges = [
        {name: (values.low, values.high) for name, values in export.own.items()}
        for inputs in (torch.cat([dim, bright]), torch.cat([bright, dim]))
        for export in export_float(net, SPEC, inputs, (ModelFormat.TFLITE,)).values()
    ]
    assert ranges[0]
    assert ranges[0] == ranges[1]


@pytest.mark.parametrize("activations", list(OnnxActivations))
def test_a_network_that_flattens_its_pixels_becomes_both_int8_files(activations: OnnxActivations) -> None:
    case = Case(spread_out(Linear()))
    require_agreement(case, case.write(case.plan(), activations))


@pytest.mark.parametrize("activations", list(OnnxActivations))
def test_a_first_layer_left_in_float_is_named_in_both_files(activations: OnnxActivations) -> None:
    case = Case(spread_out(Plain()))
    planned = case.plan()
    stem = tuple(node.name for node in case.net.graph.nodes if node.name.startswith(("stem", "relu")))[:2]
    kept = replace(planned, plan=replace(planned.plan, float_nodes=stem))
    files = case.write(kept, activations)
    require_agreement(case, files)
    assert "CONV_2D" in float_ops(ModelFormat.TFLITE, files[ModelFormat.TFLITE])
    assert "Conv" in float_ops(ModelFormat.ONNX, files[ModelFormat.ONNX])
    whole = case.write(planned, activations)
    assert "Conv" not in float_ops(ModelFormat.ONNX, whole[ModelFormat.ONNX])


def test_logits_that_are_nearly_equal_on_a_picture_are_no_fault_of_the_exporter() -> None:
    def logits(*pairs: tuple[float, float]) -> Fingerprint:
        return join_fingerprints([{"logits": fingerprint(np.array(pair))} for pair in pairs])["logits"]

    wanted = logits((-0.0144, 0.0433), (-0.0183825, -0.0183669))
    assert wanted.distance(logits((-0.01440, 0.04330), (-0.0183879, -0.0183609))) < TOLERANCE
    assert wanted.distance(logits((-0.0144, 0.0443), (-0.0183825, -0.0183669))) > TOLERANCE
    alike = logits((1000.0, 1000.0001), (1000.0, 1000.0))
    assert alike.distance(logits((1000.0001, 1000.0), (1000.0001, 1000.0))) < TOLERANCE


def test_logits_that_only_look_like_another_activation_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = Linear()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x) * 2.0

    net = fold_batch_norm(spread_out(Doubling()))
    half = _undoubled(net)
    monkeypatch.setattr(float_exports, "export_onnx", lambda _, spec: export_onnx(half, spec))
    with pytest.raises(ModelError, match="logits differ"):
        export_float(net, SPEC, torch.randn(4, 3, SIDE, SIDE), (ModelFormat.ONNX,))


def _undoubled(net: fx.GraphModule) -> fx.GraphModule:
    """The same network, whose answer is the logits before they are doubled."""
    copied = copy.deepcopy(net)
    output = next(node for node in copied.graph.nodes if node.op == "output")
    doubled = output.all_input_nodes[0]
    output.replace_input_with(doubled, doubled.all_input_nodes[0])
    copied.graph.eliminate_dead_code()
    copied.recompile()
    return copied


def test_training_with_rounding_reaches_both_files_of_a_hard_sigmoid_gate(tiny_run: Path) -> None:
    run = load_run(tiny_run)
    photos = run.photos()
    pixels, _ = load_pixels(photos.items("train"), run.spec, limit=48)
    net = spread_out(Gated(nn.Hardsigmoid()))
    case = Case(net, run.spec, pixels)
    start = case.plan()
    held = held_layers(*(export.places for export in case.exports.values()))
    assert "fc2" in held
    config = QatConfig(epochs=2, batch=16, lr=2e-3, augment=Augment.LIGHT)
    trained = train_quantized(
        start.net,
        start.plan,
        case.evidence.stored,
        net,
        photos,
        run.spec,
        ZERO_POINT,
        SCALE,
        config,
        None,
        lambda text: None,
        held,
    )
    assert trained.history.best_epoch > 0
    assert not torch.equal(trained.net.get_submodule("fc2").weight, start.net.get_submodule("fc2").weight)
    with torch.inference_mode():
        case.exact = trained.net(as_input(pixels, ZERO_POINT, SCALE)).numpy()
    plan = lift_tiny_channels(trained.net, trained.plan)
    require_agreement(case, case.write(replace(start, net=trained.net, plan=plan)))


def test_a_layer_that_a_file_does_not_hold_is_not_trained() -> None:
    case = Case(spread_out(Plain()))
    planned, held = case.plan(), {"stem", "head"}
    fake = with_fake_quantization(planned.net, planned.plan, case.evidence.stored, held)
    with torch.no_grad():
        for weight in fake.parameters():
            if weight.requires_grad:
                weight.mul_(0.9)
    net, plan = without_fake_quantization(fake, planned.net, planned.plan, case.evidence.stored, held)
    assert torch.equal(net.get_submodule("body").weight, planned.net.get_submodule("body").weight)
    assert plan.weight_scales["body"] == planned.plan.weight_scales["body"]
    assert plan.weight_scales["stem"] != planned.plan.weight_scales["stem"]


def test_a_dead_channel_before_a_hard_sigmoid_keeps_its_bias_in_both_files() -> None:
    net = spread_out(Gated(nn.Hardsigmoid()))
    with torch.no_grad():
        net.fc2.weight[3] = 0
        net.fc2.bias[3] = 0
    case = Case(net)
    require_agreement(case, case.write(case.plan()))


class Smooth(nn.Module):
    """SiLU, and a squeeze-and-excite by a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.gated = nn.Conv2d(3, 8, 3, 2, 1), Gated(nn.Sigmoid())
        self.gated.stem = nn.Conv2d(8, 8, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gated(functional.silu(self.stem(x)))


class Halved(Plain):
    """A product with a constant, which exporters fold into the layer before it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.stem(x))
        return self.head((self.body(x) * 0.5 + 1.0).mean([2, 3]))


@pytest.mark.parametrize("net", [Smooth, Halved])
@pytest.mark.parametrize("per_channel", [True, False])
def test_sigmoids_and_folded_products_become_int8(net: type[nn.Module], per_channel: bool) -> None:
    case = Case(spread_out(net()))
    files = case.write(case.plan(Attempt(per_channel=per_channel)))
    require_agreement(case, files)
    assert not {"CONV_2D", "LOGISTIC"} & set(float_ops(ModelFormat.TFLITE, files[ModelFormat.TFLITE]))
    assert "Conv" not in float_ops(ModelFormat.ONNX, files[ModelFormat.ONNX])


def test_a_dead_channel_in_a_layer_that_exporters_changed_is_laid_to_the_network() -> None:
    net = spread_out(Halved())
    with torch.no_grad():
        net.body.weight[5] = 0
    case = Case(net)
    with pytest.raises(ModelError, match="channel 5 of the network's layer with 16 channels"):
        case.write(case.plan())


class Pooled(nn.Module):
    """A pooling to ``size``, as VGG has one before its dense layers."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.stem, self.pool = nn.Conv2d(3, 8, 3, 2, 1), nn.AdaptiveAvgPool2d(size)
        self.head = nn.Linear(8 * size[0] * size[1], 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(functional.relu(self.stem(x))).flatten(1))


@pytest.mark.parametrize(("side", "size"), [(16, (7, 7)), (30, (2, 1)), (16, (4, 8))])
def test_poolings_with_overlapping_windows_become_plain_ones_in_both_files(side: int, size: tuple[int, int]) -> None:
    case = Case(spread_out(Pooled(size)), PreprocessSpec(side, side))
    files = case.write(case.plan())
    require_agreement(case, files)
    assert not float_ops(ModelFormat.ONNX, files[ModelFormat.ONNX])
    assert "GATHER_ND" not in operations(files[ModelFormat.TFLITE])


def operations(content: bytes) -> set[str]:
    model = tflite_file.read_model(content)
    return {tflite_file.operator_name(model, operator) for operator in model.subgraphs[0].operators}


def test_a_pooling_with_unequal_windows_is_refused_by_its_name() -> None:
    with pytest.raises(ModelError, match=r"pool pools 10 x 10 values to 7 x 7; take an input size at which"):
        Case(spread_out(Pooled((7, 7))), PreprocessSpec(20, 20))


def test_plain_poolings_compute_what_adaptive_ones_do() -> None:
    for side, wanted in ((8, 7), (15, 2), (9, 4), (6, 3), (5, 1), (4, 4)):
        net = fx.symbolic_trace(nn.Sequential(nn.AdaptiveAvgPool2d(wanted)))
        x = torch.randn(1, 2, side, side)
        torch.testing.assert_close(with_plain_pools(net, x)(x), net(x))
