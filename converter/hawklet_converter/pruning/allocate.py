"""How many channels each group keeps: as few answers moved as can be for the time that is wanted."""

from __future__ import annotations

from collections.abc import Mapping

from hawklet.errors import BudgetError
from hawklet_converter.pruning.cost import CostModel
from hawklet_converter.pruning.sensitivity import Curve, eights
from hawklet_converter.pruning.structure import ROUND_TO, ChannelGroup, Structure

_STEPS = 16
"""A group gives way in about so many steps."""


def allocate(structure: Structure, cost: CostModel, curves: Mapping[str, Curve], wanted: float) -> dict[str, int]:
    """Take channels where a millisecond costs the answers least, step by step, until the time is reached.

    Args:
        structure: The groups.
        cost: What widths take.
        curves: What removing costs, group by group; they are taken to add up.
        wanted: Of ``cost``.

    Returns:
        Group name -> channels that remain.

    Raises:
        BudgetError: it takes longer with the fewest channels everywhere.
    """
    widths = structure.widths()
    now = cost.ms(widths)
    while now > wanted:
        best: tuple[float, str, int, float] | None = None
        for group in structure.groups:
            fewer = _one_step_less(group, widths[group.name])
            if fewer < group.fewest:
                continue
            then = cost.ms({**widths, group.name: fewer})
            if now - then <= 1e-9 * now:
                continue
            curve = curves[group.name]
            lost = curve.at(1 - fewer / group.channels) - curve.at(1 - widths[group.name] / group.channels)
            price = lost / (now - then)
            if best is None or price < best[0]:
                best = (price, group.name, fewer, then)
        if best is None:
            raise BudgetError(
                f"no pruning makes this network that fast: with {ROUND_TO} channels everywhere it still takes "
                f"{now:.3g} of the {cost.ms(structure.widths()):.3g} it took, {wanted:.3g} were wanted; ask for less"
            )
        _, name, widths[name], now = best
    return _given_back(structure, cost, curves, wanted, widths)


def _given_back(
    structure: Structure, cost: CostModel, curves: Mapping[str, Curve], wanted: float, widths: dict[str, int]
) -> dict[str, int]:
    """Put back, eight by eight, what the time allows: the last step often took more than was missing."""
    while True:
        best: tuple[float, str, int] | None = None
        for group in structure.groups:
            width = widths[group.name]
            more = min(group.channels, width + ROUND_TO)
            if more == width or cost.ms({**widths, group.name: more}) > wanted:
                continue
            curve = curves[group.name]
            gained = curve.at(1 - width / group.channels) - curve.at(1 - more / group.channels)
            if best is None or gained > best[0]:
                best = (gained, group.name, more)
        if best is None:
            return widths
        widths[best[1]] = best[2]


def of_share(group: ChannelGroup, share: float) -> int:
    """A share of a group's channels, in eights, at least the fewest."""
    return max(group.fewest, min(group.channels, eights(group.channels * share)))


def _one_step_less(group: ChannelGroup, width: int) -> int:
    step = max(ROUND_TO, eights(group.channels / _STEPS))
    return (width - step) // ROUND_TO * ROUND_TO
