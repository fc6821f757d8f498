"""The trial on the user's own pictures: silencing is as removing, and each group goes by what hurts it least."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from hawklet.spec import PreprocessSpec
from hawklet_converter.judge import judge
from hawklet_converter.pruning.importance import CRITERIA, Examples
from hawklet_converter.pruning.sensitivity import Bench, Curve
from hawklet_converter.pruning.structure import Structure, find_structure, remove_channels
from hawklet_converter.pruning.trial import Trial, run_trial
from hawklet_trainer.models import MODELS
from tiny_networks import SPEC, TinyNet


@pytest.fixture(scope="module")
def trial(net: TinyNet, structure: Structure, examples: Examples) -> Trial:
    return run_trial(net, SPEC, structure, examples)


def _answers(net: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """With batch norms that take the statistics of these pictures."""
    tried = copy.deepcopy(net).eval()
    for module in tried.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    with torch.no_grad():
        return tried(inputs)


def _divergence_of_removing(
    net: nn.Module, spec: PreprocessSpec, inputs: torch.Tensor, gone: dict[str, list[int]]
) -> float:
    small = remove_channels(net, spec, gone)
    return judge(_answers(small, inputs).numpy(), _answers(net, inputs).numpy()).divergence


def test_a_silenced_group_answers_as_a_removed_one(net: TinyNet, structure: Structure, examples: Examples) -> None:
    bench = Bench(net, examples.inputs, structure)
    for gone in ({name: list(range(0, 16, 2))} for name in structure.widths()):
        expected = _divergence_of_removing(net, SPEC, examples.inputs, gone)
        assert expected > 1e-4
        assert bench.divergence(gone) == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_silencing_is_as_removing_where_channels_are_gated_by_squeeze_and_excite() -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(64, 64)
    net = MODELS["mobilenet_v3_small"].build(3, 64, 64).eval()
    inputs = torch.randn(8, 3, 64, 64)
    structure = find_structure(net, spec)
    gone = {group.name: list(range(8)) for group in structure.groups}
    found = Bench(net, inputs, structure).divergence(gone)
    assert found == pytest.approx(_divergence_of_removing(net, spec, inputs, gone), rel=1e-2, abs=1e-6)


def test_what_was_silenced_is_put_back(net: TinyNet, structure: Structure, examples: Examples) -> None:
    before = copy.deepcopy(net.state_dict())
    bench = Bench(net, examples.inputs, structure)
    assert bench.divergence({name: list(range(8)) for name in structure.widths()}) > 1e-3
    assert bench.divergence({}) == pytest.approx(0.0, abs=1e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_choosing_group_by_group_is_never_worse_than_one_criterion_for_all(trial: Trial) -> None:
    assert set(trial.totals) == set(CRITERIA)
    assert all(trial.mixed_total <= total + 1e-9 for total in trial.totals.values())
    assert sum(trial.counts().values()) == len(trial.chosen)


def test_what_is_removed_is_the_least_important_by_the_criterion_that_was_chosen(
    trial: Trial, structure: Structure
) -> None:
    removal = trial.removal(structure, {**structure.widths(), "block.2.0": 8})
    assert removal["down.0.0"] == []
    assert removal["block.2.0"] == sorted(trial.order["block.2.0"][:24])


def test_curves_begin_at_nothing_and_never_fall(trial: Trial, structure: Structure) -> None:
    for group in structure.groups:
        curve = trial.curves[group.name]
        assert curve.at(0.0) == 0.0
        assert list(curve.losses) == sorted(curve.losses)
        assert curve.shares[-1] <= 1 - group.fewest / group.channels
    steepest = max(trial.curves, key=lambda name: trial.curves[name].at(0.5))
    assert trial.most_sensitive(1) == [steepest]


def test_a_curve_is_steeper_beyond_what_was_tried() -> None:
    curve = Curve((0.0, 0.5, 0.75), (0.0, 1.0, 2.0))
    assert curve.at(0.25) == pytest.approx(0.5)
    assert curve.at(0.875) == pytest.approx(2.0 + 2 * 4.0 * 0.125)


def test_a_trial_survives_being_kept(trial: Trial, tmp_path: Path) -> None:
    kept = json.loads(json.dumps(trial.to_json()))
    again = Trial.from_json(kept)
    assert again == trial
    assert again.to_json() == kept
