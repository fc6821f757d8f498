"""Training with rounding in the loop."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import fx, nn

from hawklet.engines import open_engine
from hawklet.spec import ModelFormat
from hawklet_converter.choose_ranges import choose_ranges
from hawklet_converter.collect_ranges import collect_ranges
from hawklet_converter.fake_quantized_net import LearnedGrid, with_fake_quantization, without_fake_quantization
from hawklet_converter.float_exports import FloatExport, export_float
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.lift_tiny_channels import lift_tiny_channels
from hawklet_converter.make_plan import FLOAT_OPS
from hawklet_converter.plan import ActivationQuant, QuantPlan
from hawklet_converter.train_quantized import QatConfig, QuantizedTraining, train_quantized
from hawklet_converter.weight_grid import weight_scales
from hawklet_converter.write_onnx import OnnxActivations
from hawklet_converter.write_variants import Identity, Layout, write_int8
from hawklet_trainer.augment import Augment
from hawklet_trainer.data import PixelSource, load_pixels
from hawklet_trainer.run import load_run
from hawklet_trainer.training import loop
from hawklet_trainer.training.inputs import as_input
from tiny_networks import SCALE, SPEC, ZERO_POINT

IDENTITY = Identity("shapes", ("disc", "square", "triangle"), SPEC, ZERO_POINT, SCALE)
CONFIG = QatConfig(epochs=4, batch=16, lr=1e-3, augment=Augment.LIGHT, flip=False)


class Harsh:
    """A trained network that plain int8 ruins: channels a hundred times others, and ranges far too wide."""

    def __init__(self, folder: Path) -> None:
        run = load_run(folder)
        self.photos = run.photos()
        self.pixels, self.truth = load_pixels([*self.photos.items("val"), *self.photos.items("test")], SPEC)
        self.teacher = run.build()
        self.net = fold_batch_norm(self.teacher).to(memory_format=torch.channels_last)
        _spread_channels(self.net)
        seen, _ = load_pixels(self.photos.items("train"), SPEC, limit=32)
        self.inputs = as_input(seen, ZERO_POINT, SCALE)
        self.exports = self.export(self.net)
        self.quantized = set(self.exports[ModelFormat.TFLITE].tensors.values())
        distributions = collect_ranges(self.net, self.inputs)
        for export in self.exports.values():
            distributions |= export.own
        grids = choose_ranges(distributions, "min-max", {"x": ActivationQuant(SCALE, ZERO_POINT - 128)})
        wide = {name: grid if name == "x" else _wider(grid) for name, grid in grids.items()}
        self.good = QuantPlan("min-max", grids, weight_scales(self.net), FLOAT_OPS)
        self.harsh = replace(self.good, activations=wide)
        shared = weight_scales(self.net, per_channel=False)
        self.per_tensor = replace(self.harsh, weight_scales=shared, per_channel=False)

    def export(self, net: fx.GraphModule) -> dict[ModelFormat, FloatExport]:
        return export_float(net, SPEC, self.inputs, (ModelFormat.TFLITE, ModelFormat.ONNX))

    def train(
        self,
        plan: QuantPlan,
        config: QatConfig,
        deadline: float | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> QuantizedTraining:
        return train_quantized(
            self.net,
            plan,
            self.quantized,
            self.teacher,
            self.photos,
            SPEC,
            ZERO_POINT,
            SCALE,
            config,
            deadline,
            note,
        )

    def simulated(self, net: fx.GraphModule, plan: QuantPlan) -> np.ndarray:
        """Logits through fake quantization, ``float32 [N, classes]``."""
        return self.answers(with_fake_quantization(net, plan, self.quantized))

    def answers(self, net: nn.Module) -> np.ndarray:
        with torch.inference_mode():
            logits: np.ndarray = net(as_input(self.pixels, ZERO_POINT, SCALE)).numpy()
        return logits

    def top1(self, logits: np.ndarray) -> float:
        return float((logits.argmax(1) == self.truth).mean() * 100)


def _wider(grid: ActivationQuant) -> ActivationQuant:
    return ActivationQuant(grid.scale * 48, grid.zero_point)


@torch.no_grad()
def _spread_channels(net: fx.GraphModule) -> None:
    """Multiply channels before a ReLU and divide what reads them: the network answers as before."""
    layer, reader = net.get_submodule("down.0.0"), net.get_submodule("head")
    gains = torch.logspace(0, 2, len(layer.bias))
    layer.weight.mul_(gains[:, None, None, None])
    layer.bias.mul_(gains)
    reader.weight.div_(gains)


@pytest.fixture(scope="module")
def case(tiny_run: Path) -> Harsh:
    return Harsh(tiny_run)


@pytest.fixture(scope="module")
def trained(case: Harsh) -> QuantizedTraining:
    return case.train(case.harsh, CONFIG)


@pytest.mark.parametrize("recipe", ["harsh", "per_tensor"])
def test_training_recovers_most_of_what_plain_int8_lost(case: Harsh, recipe: str) -> None:
    plan = getattr(case, recipe)
    exact, plain = case.top1(case.answers(case.net)), case.top1(case.simulated(case.net, plan))
    result = case.train(plan, CONFIG)
    recovered = case.top1(case.simulated(result.net, result.plan))
    assert plain < exact - 10
    assert recovered > exact - 0.3 * (exact - plain)


def test_the_written_files_answer_as_the_training_saw_them(case: Harsh, trained: QuantizedTraining) -> None:
    simulated = case.simulated(trained.net, trained.plan)
    for model_format, export in case.exports.items():
        content = write_int8(model_format, export, trained.net, trained.plan, IDENTITY, Layout(OnnxActivations.UINT8))
        engine = open_engine(content, model_format, threads=1)
        written = np.stack([engine.infer(picture) for picture in case.pixels])
        assert (written.argmax(1) != simulated.argmax(1)).sum() <= 1
        assert np.abs(written - simulated).mean() < 0.1 * trained.plan.activations["head"].scale


def _step(plan: QuantPlan) -> float:
    return plan.activations["head"].scale


def test_weights_come_back_on_grids_that_a_writer_finds_again(case: Harsh, trained: QuantizedTraining) -> None:
    for path, scales in weight_scales(trained.net).items():
        np.testing.assert_allclose(scales, trained.plan.weight_scales[path], rtol=1e-6)
        weight = trained.net.get_submodule(path).weight.detach().flatten(1).numpy()
        steps = weight / np.array(scales)[:, None]
        np.testing.assert_allclose(steps, steps.round(), atol=1e-3)
        assert (np.abs(steps).max(1).round() == 127).all()
        assert np.abs(weight - case.net.get_submodule(path).weight.flatten(1).numpy()).max() > 0


def test_one_scale_for_all_channels_stays_one(case: Harsh) -> None:
    fake = with_fake_quantization(case.net, case.per_tensor, case.quantized)
    net, plan = without_fake_quantization(fake, case.net, case.per_tensor, case.quantized)
    for path, scales in plan.weight_scales.items():
        assert set(scales) == set(case.per_tensor.weight_scales[path])
        steps = net.get_submodule(path).weight.detach().numpy() / scales[0]
        np.testing.assert_allclose(steps, steps.round(), atol=1e-3)


def test_a_layer_without_scales_in_the_plan_stays_in_float(case: Harsh) -> None:
    kept = {path: scales for path, scales in case.good.weight_scales.items() if path != "head"}
    plan = replace(case.good, weight_scales=kept)
    fake = with_fake_quantization(case.net, plan, case.quantized - {"head"})
    net, after = without_fake_quantization(fake, case.net, plan, case.quantized - {"head"})
    assert torch.equal(net.get_submodule("head").weight, case.net.get_submodule("head").weight)
    assert "head" not in after.weight_scales


def test_what_is_given_is_left_alone(case: Harsh) -> None:
    before = copy.deepcopy(case.net.state_dict())
    result = case.train(case.good, replace(CONFIG, epochs=0))
    after = case.net.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert list(result.net.state_dict()) == list(before)


def test_the_same_seed_trains_the_same_network(case: Harsh, trained: QuantizedTraining) -> None:
    again = case.train(case.harsh, CONFIG)
    other = case.train(case.harsh, replace(CONFIG, seed=1))
    assert again.plan == trained.plan
    assert _same(again.net, trained.net)
    assert not _same(other.net, trained.net)


def _same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_training_that_only_harms_gives_back_the_start(case: Harsh) -> None:
    start = case.simulated(case.net, case.good)
    result = case.train(case.good, replace(CONFIG, epochs=1, lr=30.0))
    assert result.history.best_epoch == 0
    np.testing.assert_array_equal(case.simulated(result.net, result.plan), start)


def test_a_deadline_stops_it_in_time_with_the_best_so_far(case: Harsh) -> None:
    result = case.train(case.harsh, replace(CONFIG, epochs=10_000), deadline=time.monotonic() + 2.0)
    assert result.history.stopped_by in ("minutes", "request")
    assert len(result.history.records) < 1_000


def test_a_deadline_that_has_passed_gives_back_the_start(case: Harsh) -> None:
    start = case.simulated(case.net, case.harsh)
    result = case.train(case.harsh, CONFIG, deadline=time.monotonic() - 1.0)
    np.testing.assert_array_equal(case.simulated(result.net, result.plan), start)


def test_every_epoch_is_told(case: Harsh) -> None:
    told: list[str] = []
    case.train(case.harsh, replace(CONFIG, epochs=1), note=told.append)
    assert [text.split()[:2] for text in told] == [["epoch", "0"], ["epoch", "1"]]


def test_the_grid_after_a_relu6_never_reaches_beyond_six_nor_below_zero() -> None:
    grid = LearnedGrid(ActivationQuant.covering(0.0, 6.0), ceiling=6.0)
    with torch.no_grad():
        grid.moved.copy_(torch.tensor([0.5, 0.5]))
    assert grid.grid().low == 0.0
    assert grid.grid().high == pytest.approx(6.0)


def test_a_grid_that_clips_learns_to_be_wider_and_one_that_is_too_coarse_to_be_finer() -> None:
    x = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    for width in (0.5, 40.0):
        grid = LearnedGrid(ActivationQuant.covering(-width, width))
        optimizer = torch.optim.Adam(grid.parameters(), lr=0.005)
        errors = []
        for _ in range(200):
            error = (grid(x) - x).square().mean()
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            errors.append(float(error))
        assert errors[-1] < errors[0] / 50
        assert 2.5 < grid.grid().high < 5.0


def test_pooling_padding_and_flattening_stay_on_the_grid_of_what_they_read() -> None:
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.ZeroPad2d(1), nn.Flatten(), nn.Linear(100, 2))
    net = fold_batch_norm(nn.Sequential(*layers))
    names = [node.name for node in net.graph.nodes if node.op == "call_module"]
    grids = {name: ActivationQuant.covering(0.0, 1.0 + number) for number, name in enumerate(names)}
    plan, quantized = QuantPlan("min-max", grids, weight_scales(net)), set(names) - {names[0]}
    fake = with_fake_quantization(net, plan, quantized)
    assert len([module for module in fake.modules() if isinstance(module, LearnedGrid)]) == 2
    after = without_fake_quantization(fake, net, plan, quantized)[1].activations
    assert {after[name] for name in names[1:-1]} == {grids[names[1]]}
    assert after[names[-1]] == grids[names[-1]]


def test_what_only_moves_values_gets_no_grid_of_its_own_however_it_is_written() -> None:
    class Moves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.unsqueeze(self.conv(x).amax((2, 3)), 1)
            return self.head(torch.flatten(x.squeeze(1), 1))

    net = fold_batch_norm(Moves())
    names = [node.name for node in net.graph.nodes if node.op not in ("placeholder", "output")]
    plan = QuantPlan("min-max", {name: ActivationQuant(0.1, 0) for name in names}, weight_scales(net))
    fake = with_fake_quantization(net, plan, names)
    owned = [path.removeprefix("grid_of_") for path, module in fake.named_modules() if isinstance(module, LearnedGrid)]
    assert sorted(owned) == ["amax", "conv", "head"]
    assert lift_tiny_channels(
        net, replace(plan, activations={"x": ActivationQuant(0.1, 0), "amax": ActivationQuant(0.1, 0)})
    )


def test_reading_a_trained_grid_says_nothing_to_the_user() -> None:
    grid = LearnedGrid(ActivationQuant.covering(-1.0, 1.0))
    torch.set_warn_always(True)  # else torch says it once a process
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            learned = grid.grid()
    finally:
        torch.set_warn_always(False)
    assert learned == ActivationQuant.covering(-1.0, 1.0)


def test_only_the_time_that_judging_takes_is_held_back(case: Harsh, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_source(*arguments: object) -> loop.PixelSource:
        time.sleep(1.0)  # stands for pictures that take long to decode
        return PixelSource(*arguments)

    monkeypatch.setattr(loop, "PixelSource", slow_source)
    begun = time.monotonic()
    result = case.train(case.harsh, replace(CONFIG, epochs=10_000), deadline=begun + 6.0)
    assert result.history.precision.startswith("float32")
    assert 5.0 < time.monotonic() - begun < 7.0
