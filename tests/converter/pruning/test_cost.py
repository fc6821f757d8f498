"""What widths take, and how many channels go where for a time that is wanted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from hawklet.errors import BudgetError
from hawklet.spec import PreprocessSpec
from hawklet_converter.pruning.allocate import allocate
from hawklet_converter.pruning.cost import CostModel, Workload, fit_cost, macs_alone
from hawklet_converter.pruning.reach import learn_cost, reach_latency, reach_macs
from hawklet_converter.pruning.sensitivity import Curve
from hawklet_converter.pruning.structure import Structure, find_structure, macs_of, remove_channels
from hawklet_trainer.models.registry import MODELS

MOBILE = PreprocessSpec(64, 64)
WEIGHTS = np.array([0.05, 0.4, 2.0, 0.3])
"""Milliseconds: of the call, of a million dense and depthwise MACs, of a million numbers put out."""


@pytest.fixture(scope="module")
def mobile() -> Structure:
    return find_structure(MODELS["mobilenet_v2"].build(3, 64, 64), MOBILE)


def _flat(structure: Structure, steep: str = "") -> dict[str, Curve]:
    """Every group costs the same for its half, but one."""
    return {
        group.name: Curve((0.0, 0.5, 0.75), (0.0, 50.0, 100.0) if group.name == steep else (0.0, 0.1, 0.3))
        for group in structure.groups
    }


def _random_widths(structure: Structure, seed: int) -> dict[str, int]:
    random = np.random.default_rng(seed)
    return {group.name: int(random.integers(1, group.channels // 8 + 1)) * 8 for group in structure.groups}


@pytest.mark.parametrize(("family", "side"), [("mobilenet_v2", 64), ("resnet18", 64), ("mobilenet_v3_small", 64)])
def test_multiplications_are_counted_as_those_of_the_network_that_is_really_cut(family: str, side: int) -> None:
    spec = PreprocessSpec(side, side)
    net = MODELS[family].build(3, side, side).eval()
    structure = find_structure(net, spec)
    workload = Workload(structure)
    for widths in (structure.widths(), _random_widths(structure, 0), _random_widths(structure, 1)):
        gone = {group.name: range(widths[group.name], group.channels) for group in structure.groups}
        assert workload.macs(widths) * 1e6 == pytest.approx(macs_of(remove_channels(net, spec, gone), spec), rel=1e-6)


def test_what_a_processor_takes_for_each_kind_of_work_is_found_from_times(mobile: Structure) -> None:
    true = CostModel(Workload(mobile), WEIGHTS)
    measured = [(widths, true.ms(widths)) for widths in (_random_widths(mobile, seed) for seed in range(8))]
    found = fit_cost(true.workload, measured)
    assert found.weights == pytest.approx(WEIGHTS, rel=1e-3)


def test_few_files_are_enough_to_reckon_others(mobile: Structure) -> None:
    true = CostModel(Workload(mobile), WEIGHTS)
    found = learn_cost(mobile, true.ms, true.ms(mobile.widths()))
    for seed in range(5):
        widths = _random_widths(mobile, seed)
        assert found.ms(widths) == pytest.approx(true.ms(widths), rel=0.1)


@pytest.mark.parametrize("share", [0.9, 0.6, 0.35])
def test_channels_go_in_eights_until_the_wanted_time_is_reached(mobile: Structure, share: float) -> None:
    cost = CostModel(Workload(mobile), WEIGHTS)
    whole = mobile.widths()
    widths = allocate(mobile, cost, _flat(mobile), share * cost.ms(whole))
    assert cost.ms(widths) == pytest.approx(share * cost.ms(whole), rel=0.1)
    assert cost.ms(widths) <= share * cost.ms(whole)
    assert all(width % 8 == 0 and 8 <= width <= whole[name] for name, width in widths.items())


def test_no_group_keeps_fewer_channels_than_the_time_allows(mobile: Structure) -> None:
    cost = macs_alone(Workload(mobile))
    wanted = 0.7 * cost.ms(mobile.widths())
    widths = allocate(mobile, cost, _flat(mobile), wanted)
    assert cost.ms(widths) <= wanted
    for group in mobile.groups:
        more = min(group.channels, widths[group.name] + 8)
        assert more == widths[group.name] or cost.ms({**widths, group.name: more}) > wanted, group.name


def test_a_group_that_the_answers_depend_on_is_spared(mobile: Structure) -> None:
    cost = CostModel(Workload(mobile), WEIGHTS)
    wanted = 0.6 * cost.ms(mobile.widths())
    name = "features.3.conv.1.0"
    assert allocate(mobile, cost, _flat(mobile), wanted)[name] < mobile.group(name).channels
    assert allocate(mobile, cost, _flat(mobile, steep=name), wanted)[name] == mobile.group(name).channels


def test_what_the_fewest_channels_do_not_reach_is_refused(mobile: Structure) -> None:
    cost = CostModel(Workload(mobile), WEIGHTS)
    with pytest.raises(BudgetError, match=r"with 8 channels everywhere it still takes.*ask for less"):
        allocate(mobile, cost, _flat(mobile), 0.04)


def test_a_file_that_takes_otherwise_than_reckoned_is_corrected_until_it_is_fast_enough(mobile: Structure) -> None:
    cost = CostModel(Workload(mobile), WEIGHTS)
    true = CostModel(cost.workload, np.array([0.4, 0.7, 1.0, 0.5]))
    base = true.ms(mobile.widths())
    reached = reach_latency(mobile, cost, _flat(mobile), 0.6, base, true.ms)
    assert 0.6 - 0.03 <= reached.share <= 0.6 + 0.004
    assert true.ms(reached.widths) / base == pytest.approx(reached.share)
    assert reached.tries[-1] == reached.share
    assert abs(reached.tries[0] - 0.6) > 0.03, "the model was right at once, and nothing was corrected"


def test_the_slowest_network_that_is_fast_enough_is_taken(mobile: Structure) -> None:
    """Times that jump, as those of a library that switches kernels do, leave no network within the slack."""
    cost = CostModel(Workload(mobile), WEIGHTS)
    base = cost.ms(mobile.widths())

    def measure(widths: Mapping[str, int]) -> float:
        share = cost.ms(widths) / base
        return base * (0.5 if share < 0.6 else 0.8)

    reached = reach_latency(mobile, cost, _flat(mobile), 0.6, base, measure)
    assert reached.share == 0.5
    assert set(reached.tries) <= {0.5, 0.8}


@pytest.mark.parametrize("stays", [1.0, 0.72])
def test_a_network_that_gets_no_faster_is_refused_with_how_near_it_came(mobile: Structure, stays: float) -> None:
    cost = CostModel(Workload(mobile), WEIGHTS)
    base = cost.ms(mobile.widths())
    words = rf"must cut 50% of the measured latency, and the nearest of \d networks cut {1 - stays:.1%}.*--prune-macs"
    with pytest.raises(BudgetError, match=words):
        reach_latency(mobile, cost, _flat(mobile), 0.5, base, lambda widths: stays * base)


def test_multiplications_are_cut_without_measuring(mobile: Structure) -> None:
    cost = macs_alone(Workload(mobile))
    whole = cost.ms(mobile.widths())
    reached = reach_macs(mobile, cost, _flat(mobile), 0.5 * whole)
    assert 0.45 * whole <= reached.share <= 0.5 * whole
    assert cost.ms(reached.widths) == reached.share
    assert reached.tries == ()
