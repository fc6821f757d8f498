"""The learning-rate range test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hawklet.errors import TrainingError
from hawklet_trainer.data import read_photos
from hawklet_trainer.training.find_lr import FoundRate, _rising, find_lr
from hawklet_trainer.training.learner import Batch, Learned
from hawklet_trainer.training.terms import Balance, Optimizer, Progress, Step, TrainConfig
from tiny_networks import SCALE, SPEC, ZERO_POINT, TinyNet


@pytest.mark.parametrize("optimizer", Optimizer)
def test_the_rate_found_is_a_tenth_of_the_highest_at_which_the_loss_was_lowest_and_the_network_stays(
    colour_photos: Path, optimizer: Optimizer
) -> None:
    torch.manual_seed(0)
    net = TinyNet(3)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    random = torch.get_rng_state()
    photos = read_photos(colour_photos)
    config = TrainConfig(batch=8, optimizer=optimizer)
    found = find_lr(net, photos, SPEC, ZERO_POINT, SCALE, config)
    assert found is not None
    rates = [rate for rate, _ in found.points]
    best = min(found.points, key=lambda point: point[1])
    assert best[0] <= found.highest <= rates[-1] and rates == sorted(rates)
    assert found.lr == pytest.approx(found.highest / 10)
    assert best[1] < found.points[0][1] - 0.1
    assert f"{found.lr:.2g}" in found.describe() and f"{found.highest:.2g}" in found.describe()
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert find_lr(net, photos, SPEC, ZERO_POINT, SCALE, config) == found


PLAIN = TrainConfig(batch=8)


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAIN, layer_decay=0.1),
        replace(PLAIN, dropout=0.5),
        replace(PLAIN, accumulate=2),
        replace(PLAIN, balance=Balance.SAMPLING),
        replace(PLAIN, balance=Balance.WEIGHTS),
        replace(PLAIN, freeze_batch_norm=True),
        replace(PLAIN, clip=0.01),
    ],
    ids=lambda config: ", ".join(key for key, value in vars(config).items() if value != getattr(PLAIN, key)),
)
def test_the_test_learns_as_the_training_will(uneven_photos: Path, other: TrainConfig) -> None:
    found = [_found(uneven_photos, config) for config in (PLAIN, PLAIN, other)]
    assert found[0] == found[1] and found[0].points != found[2].points


@pytest.fixture(scope="module")
def uneven_photos(colour_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one class fewer than of the others."""
    folder = tmp_path_factory.mktemp("uneven") / "colours"
    shutil.copytree(colour_photos, folder)
    for path in sorted(next(path for path in sorted(folder.iterdir()) if path.is_dir()).iterdir())[4:]:
        path.unlink()
    return folder


def _found(photos: Path, config: TrainConfig) -> FoundRate:
    torch.manual_seed(0)
    net = TinyNet(3)
    blocks = [list(module.parameters()) for module in net.children()]
    found = find_lr(net, read_photos(photos), SPEC, ZERO_POINT, SCALE, config, blocks=blocks)
    assert found is not None
    return found


class _Flat:
    """Learns nothing, until the rate is too high for it."""

    def __init__(self, draw: Callable[[np.random.Generator], float], too_high: float, seed: int):
        self._draw, self._too_high, self._lr = draw, too_high, 0.0
        self._rng = np.random.default_rng(seed)

    def gradients(self, batches: list[Batch]) -> Learned:
        risen = 1.0 + 3.0 * max(0.0, np.log10(self._lr / self._too_high + 1e-9))
        return Learned(loss=self._draw(self._rng) * risen, pictures=1)

    def step(self, lr: float) -> None:
        self._lr = lr


def _highest(learner: _Flat) -> float:
    found = _rising(learner, _nothing(), Optimizer.ADAMW)  # type: ignore[arg-type]
    assert found is not None
    return found.highest


def _few_are_wrong(rng: np.random.Generator) -> float:
    return float(np.mean(np.where(rng.random(32) < 0.05, rng.exponential(2.5, 32), rng.exponential(0.02, 32))))


@pytest.mark.parametrize("draw", [lambda rng: abs(rng.normal(0.5, 0.1)), _few_are_wrong], ids=["normal", "few wrong"])
def test_where_the_loss_does_not_fall_before_it_rises_chance_does_not_decide(
    draw: Callable[[np.random.Generator], float],
) -> None:
    for too_high in (1e-4, 1e-3):
        found = [_highest(_Flat(draw, too_high, seed)) for seed in range(100)]
        assert np.quantile(found, 0.05) > too_high / 5 and np.median(found) < too_high * 10


def test_what_comes_after_a_rise_is_no_guide_and_not_said() -> None:
    losses = iter([*[0.5] * 30, *[2.0] * 8, *[0.05] * 22])
    found = _rising(_Flat(lambda rng: next(losses), 1.0, 0), _nothing(), Optimizer.ADAMW)  # type: ignore[arg-type]
    assert found is not None and found.lowest == pytest.approx(0.5) and "0.500" in found.describe()
    assert found.highest <= found.points[30][0]


def test_asked_to_stop_it_finds_nothing_and_the_network_is_as_it_was(colour_photos: Path) -> None:
    class Stops(Progress):
        steps = 0

        def step(self, step: Step) -> None:
            self.steps += 1

        def should_stop(self) -> bool:
            return self.steps == 3

    net = TinyNet(3)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    stops = Stops()
    assert find_lr(net, read_photos(colour_photos), SPEC, ZERO_POINT, SCALE, PLAIN, progress=stops) is None
    assert stops.steps == 3 and all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_loss_that_is_no_number_ends_the_test(colour_photos: Path) -> None:
    losses = iter([0.5, 0.4, 0.3, float("inf")])
    flat = _Flat(lambda rng: next(losses), 1.0, 0)
    found = _rising(flat, _nothing(), Optimizer.ADAMW)  # type: ignore[arg-type]
    assert found is not None and len(found.points) == 3 and found.highest == found.points[-1][0]
    with pytest.raises(TrainingError, match="first loss must be a number, got inf"):
        _rising(_Flat(lambda rng: float("inf"), 1.0, 0), _nothing(), Optimizer.ADAMW)  # type: ignore[arg-type]


def _nothing() -> Iterator[list[Batch]]:
    while True:
        yield []
