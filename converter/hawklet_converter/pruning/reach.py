"""Find the widths whose emitted int8 file takes the time that is wanted, by measuring files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hawklet.errors import BudgetError
from hawklet_converter.pruning.allocate import allocate, of_share
from hawklet_converter.pruning.cost import CostModel, Widths, Workload, fit_cost
from hawklet_converter.pruning.sensitivity import Curve
from hawklet_converter.pruning.structure import Structure

_TRIES = 5
_SLACK = 0.015
"""A network may be faster than wanted by this share of the whole time."""
_OVER = 0.004
"""And slower by this: less than times can be told apart."""

Measure = Callable[[Widths], float]
"""Milliseconds of the int8 file of these widths."""


@dataclass(frozen=True)
class Reached:
    """Widths that were measured."""

    widths: Mapping[str, int]
    """Group name -> channels that remain."""
    share: float
    """Of the unpruned network's time, or of its MACs where those were asked for."""
    tries: Sequence[float]
    """Every share that was measured on the way."""


def learn_cost(structure: Structure, measure: Measure, whole_ms: float) -> CostModel:
    """Fit the cost model to a few files of very different widths."""
    workload = Workload(structure)
    groups = structure.groups
    middle = len(groups) // 2
    halves = {group.name: of_share(group, 0.5) for group in groups}
    whole = structure.widths()
    shapes = [
        halves,
        whole | {group.name: halves[group.name] for group in groups[:middle]},
        whole | {group.name: halves[group.name] for group in groups[middle:]},
        whole | {group.name: halves[group.name] for group in groups[::2]},
    ]
    return fit_cost(workload, [(whole, whole_ms), *((shape, measure(shape)) for shape in shapes)])


def reach_latency(
    structure: Structure, cost: CostModel, curves: Mapping[str, Curve], wanted: float, base_ms: float, measure: Measure
) -> Reached:
    """Allocate, measure, and correct what the model got wrong, until the file takes the wanted share of the time.

    Args:
        structure: The groups.
        cost: Says what widths should take.
        curves: What removing costs.
        wanted: Share of ``base_ms``, 0..1.
        base_ms: Milliseconds of the unpruned network's int8 file.
        measure: Makes and times a file.

    Raises:
        BudgetError: it is not that fast with the fewest channels, or nothing that was measured is.
    """
    aim = wanted - _SLACK / 3
    model_aim, tried = aim * base_ms, list[float]()
    best: Reached | None = None
    for _ in range(_TRIES):
        try:
            widths = allocate(structure, cost, curves, model_aim)
        except BudgetError:
            if not tried:
                raise
            break  # measured, even the fewest channels are slower than reckoned
        share = measure(widths) / base_ms
        tried.append(share)
        if share <= wanted + _OVER and (best is None or share > best.share):
            best = Reached(widths, share, ())
        if wanted - _SLACK <= share <= wanted + _OVER:
            break
        model_aim *= aim / share
    if best is None:
        raise BudgetError(
            f"pruning must cut {1 - wanted:.0%} of the measured latency, and the nearest of {len(tried)} networks cut "
            f"{1 - min(tried):.1%}; ask for less, or for MACs with --prune-macs"
        )
    return replace(best, tries=tuple(tried))


def reach_macs(structure: Structure, cost: CostModel, curves: Mapping[str, Curve], wanted_macs: float) -> Reached:
    """Allocate until no more than ``wanted_macs`` remain (of :func:`hawklet_converter.pruning.cost.macs_alone`)."""
    widths = allocate(structure, cost, curves, wanted_macs)
    return Reached(widths, cost.ms(widths), ())
