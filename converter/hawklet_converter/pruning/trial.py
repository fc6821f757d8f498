"""The short trial on the user's own pictures: by which criterion each group's channels go, and what that costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from hawklet.spec import PreprocessSpec
from hawklet_converter.pruning.importance import CRITERIA, Examples, in_order, score_channels
from hawklet_converter.pruning.least_squares import gather_moments
from hawklet_converter.pruning.sensitivity import Bench, Curve, eights
from hawklet_converter.pruning.structure import ChannelGroup, Structure

_HALF = 0.5
_OTHER_SHARES = (0.25, 0.75)
_MOST_PICTURES, _FEWEST_PICTURES = 64, 16
_MACS = 1.5e12
"""What trying may take, in multiplications: about a minute of two cores; large networks look at fewer pictures."""


@dataclass(frozen=True)
class Trial:
    """What was learned of a network's groups."""

    chosen: Mapping[str, str]
    """Group name -> criterion whose order moves the answers least when half of the group goes."""
    totals: Mapping[str, float]
    """Criterion -> divergence summed over the groups, each alone at half, nats."""
    mixed_total: float
    """The same when every group goes by its own criterion."""
    order: Mapping[str, Sequence[int]]
    """Group name -> positions, the least important first."""
    curves: Mapping[str, Curve]
    pictures: int
    """That were looked at."""

    def removal(self, structure: Structure, widths: Mapping[str, int]) -> dict[str, list[int]]:
        """Group name -> positions that go, where groups keep ``widths`` channels."""
        return {g.name: sorted(self.order[g.name][: g.channels - widths[g.name]]) for g in structure.groups}

    def most_sensitive(self, count: int) -> list[str]:
        """The groups whose half costs most."""
        return sorted(self.curves, key=lambda name: -self.curves[name].at(_HALF))[:count]

    def counts(self) -> dict[str, int]:
        """How many groups go by each criterion, the most first."""
        return dict(Counter(self.chosen.values()).most_common())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        curves = {name: [list(curve.shares), list(curve.losses)] for name, curve in self.curves.items()}
        return {**vars(self), "curves": curves}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trial:
        """Read :meth:`to_json` back."""
        curves = {name: Curve(tuple(shares), tuple(losses)) for name, (shares, losses) in data["curves"].items()}
        return cls(**{**data, "curves": curves})


def run_trial(net: nn.Module, spec: PreprocessSpec, structure: Structure, examples: Examples) -> Trial:
    """Try every criterion on every group, and removals of several sizes by the best.

    Args:
        net: The network; left alone.
        spec: The input's shape.
        structure: Its groups.
        examples: Training pictures of all classes in mixed order; one half scores, the other judges.
    """
    half = len(examples.inputs) // 2
    scored_on = Examples(examples.inputs[:half], examples.truth[:half])
    judged_on = examples.inputs[half : half + _affordable(structure)]
    moments = gather_moments(net, structure, scored_on.inputs[:_MOST_PICTURES])
    bench = Bench(net, judged_on, structure, moments)
    scored = {criterion: score_channels(criterion, net, spec, structure, scored_on, moments) for criterion in CRITERIA}
    orders = {criterion: {name: in_order(scores) for name, scores in its.items()} for criterion, its in scored.items()}
    totals = dict.fromkeys(CRITERIA, 0.0)
    chosen: dict[str, str] = {}
    curves: dict[str, Curve] = {}
    for group in structure.groups:
        tried = {
            c: bench.divergence({group.name: order[group.name][: _count(group, _HALF)]}) for c, order in orders.items()
        }
        chosen[group.name] = min(tried, key=lambda criterion: tried[criterion])
        totals = {criterion: totals[criterion] + tried[criterion] for criterion in totals}
        order = orders[chosen[group.name]][group.name]
        curves[group.name] = _curve(bench, group, order, min(tried.values()))
    order_of = {name: orders[criterion][name] for name, criterion in chosen.items()}
    mixed = sum(curve.at(_HALF) for curve in curves.values())
    return Trial(chosen, totals, mixed, order_of, curves, len(judged_on))


def _affordable(structure: Structure) -> int:
    """How many pictures can be looked at for every trial; decided by counting, so that a seed decides all."""
    trials = len(structure.groups) * (len(CRITERIA) + len(_OTHER_SHARES))
    each = sum(layer.macs for layer in structure.layers)
    return max(_FEWEST_PICTURES, min(_MOST_PICTURES, int(_MACS / (trials * each))))


def _count(group: ChannelGroup, share: float) -> int:
    """Channels that go for a trial: a multiple of eight, at least eight, and some must remain."""
    return max(8, min(eights(group.channels * share), group.channels - group.fewest))


def _curve(bench: Bench, group: ChannelGroup, order: Sequence[int], at_half: float) -> Curve:
    losses = {0: 0.0, _count(group, _HALF): at_half}
    for share in _OTHER_SHARES:
        count = _count(group, share)
        if count not in losses:
            losses[count] = bench.divergence({group.name: order[:count]})
    counts = sorted(losses)
    rising = [max(losses[c] for c in counts[: position + 1]) for position in range(len(counts))]
    return Curve(tuple(count / group.channels for count in counts), tuple(rising))
