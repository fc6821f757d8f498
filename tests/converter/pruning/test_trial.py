"""The trial on the user's own pictures: not reading is as removing, and each group goes by what hurts it least."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from hawklet.spec import Floats, PreprocessSpec
from hawklet_converter.judge import judge
from hawklet_converter.pruning.importance import CRITERIA, Examples
from hawklet_converter.pruning.least_squares import Moments, gather_moments, made_up_for, readers_of
from hawklet_converter.pruning.sensitivity import Bench, Curve, _means_of_these_pictures
from hawklet_converter.pruning.structure import Structure, find_structure, remove_channels
from hawklet_converter.pruning.trial import Trial, run_trial
from hawklet_converter.reestimate_batch_norm import reestimate_batch_norm
from hawklet_trainer.models.registry import MODELS
from tiny_networks import SPEC, TinyNet


@pytest.fixture(scope="module")
def trial(net: TinyNet, structure: Structure, examples: Examples) -> Trial:
    return run_trial(net, SPEC, structure, examples)


def _really_gone(
    net: nn.Module, spec: PreprocessSpec, structure: Structure, moments: dict[str, Moments], gone: dict[str, list[int]]
) -> nn.Module:
    """Without the channels, what read them with the weights that make up for them."""
    small = remove_channels(net, spec, gone)
    lost: dict[str, list[int]] = {}
    unmade: dict[str, set[int]] = {}
    for name, members in gone.items():
        group = structure.group(name)
        for layer, columns in readers_of(group, net).items():
            lost.setdefault(layer, []).extend(columns[members].flatten().tolist())
        for span in (span for span in group.spans if span.makes):
            unmade.setdefault(span.layer, set()).update(span.channels_of(members))
    for name, inputs in lost.items():
        weight = net.get_parameter(f"{name}.weight").detach().flatten(1)
        made, shift = made_up_for(moments[name], weight, torch.tensor(inputs))
        outputs = [c for c in range(len(weight)) if c not in unmade.get(name, ())]
        left = [c for c in range(weight.shape[1]) if c not in inputs]
        after = small.get_submodule(name)
        with torch.no_grad():
            after.weight.copy_(made[outputs][:, left].reshape(after.weight.shape))
            if after.bias is not None:
                after.bias.add_(shift[outputs])
    return small


def _answers(net: nn.Module, inputs: torch.Tensor) -> Floats:
    with torch.no_grad(), _means_of_these_pictures(net):
        answers: Floats = net(inputs).numpy()
    return answers


def _divergence(small: nn.Module, whole: nn.Module, inputs: torch.Tensor) -> float:
    return judge(_answers(small, inputs), _answers(copy.deepcopy(whole), inputs)).divergence


@pytest.mark.parametrize("group", ["project.0", "block.2.0", "down.0.0"])
def test_a_group_that_nobody_reads_answers_as_a_removed_and_made_up_for_one(
    group: str, net: TinyNet, structure: Structure, examples: Examples, moments: dict[str, Moments]
) -> None:
    gone = {group: list(range(structure.widths()[group] - 8))}
    expected = _divergence(_really_gone(net, SPEC, structure, moments, gone), net, examples.inputs)
    assert expected > 1e-5
    assert Bench(net, examples.inputs, structure, moments).divergence(gone) == pytest.approx(expected, rel=1e-3)


def test_several_groups_that_nobody_reads_answer_as_removed_ones_too(
    net: TinyNet, structure: Structure, examples: Examples, moments: dict[str, Moments]
) -> None:
    gone = {name: list(range(0, 16, 2)) for name in structure.widths()}
    expected = _divergence(_really_gone(net, SPEC, structure, moments, gone), net, examples.inputs)
    assert Bench(net, examples.inputs, structure, moments).divergence(gone) == pytest.approx(expected, rel=1e-3)


def test_not_reading_is_as_removing_where_channels_are_gated_by_squeeze_and_excite() -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(64, 64)
    net = MODELS["mobilenet_v3_small"].build(3, 64, 64).eval()
    inputs = torch.randn(8, 3, 64, 64)
    reestimate_batch_norm(net, inputs)
    structure = find_structure(net, spec)
    moments = gather_moments(net, structure, inputs)
    gone = {group.name: list(range(8)) for group in structure.groups}
    expected = _divergence(_really_gone(net, spec, structure, moments, gone), net, inputs)
    assert Bench(net, inputs, structure, moments).divergence(gone) == pytest.approx(expected, rel=1e-2)


def test_a_layer_without_moments_loses_its_inputs_and_makes_up_for_nothing(
    net: TinyNet, structure: Structure, examples: Examples, moments: dict[str, Moments]
) -> None:
    gone = {"down.0.0": list(range(16))}
    found = Bench(net, examples.inputs, structure, {}).divergence(gone)
    expected = _divergence(remove_channels(net, SPEC, gone), net, examples.inputs)
    assert found == pytest.approx(expected, rel=1e-3)
    assert Bench(net, examples.inputs, structure, moments).divergence(gone) < 0.5 * found


def test_what_was_not_read_is_read_again_afterwards(
    net: TinyNet, structure: Structure, examples: Examples, moments: dict[str, Moments]
) -> None:
    before = copy.deepcopy(net.state_dict())
    bench = Bench(net, examples.inputs, structure, moments)
    gone = {name: list(range(8)) for name in structure.widths()}
    first = bench.divergence(gone)
    assert first > 1e-4
    assert bench.divergence({}) == pytest.approx(0.0, abs=1e-6)
    assert bench.divergence(gone) == first
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


def test_means_are_taken_over_only_while_the_block_runs() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2)).eval()
    x = torch.tensor([[1.0, 4.0], [3.0, 8.0]])
    with torch.no_grad():
        with _means_of_these_pictures(net):
            answers = net(x)
        net(x + 5.0)
    assert torch.allclose(answers.mean(0), torch.zeros(2), atol=1e-5)
    assert net.state_dict()["0.running_mean"].tolist() == pytest.approx([2.0, 6.0])
    assert net.state_dict()["0.running_var"].tolist() == [1.0, 1.0]
