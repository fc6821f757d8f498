"""The Pareto sheet: every network that was made, accuracy against measured latency and size, and which one to take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hawklet_converter.table import aligned

UNPRUNED, PRUNED, SMALLER_INPUT, NARROWER = KINDS = ("unpruned", "pruned", "smaller input", "narrower")
"""What a network is in a comparison."""
_FLOAT = "float32-tflite"
EQUAL = 1.08
"""Latencies within this factor count as equal: a baseline is found to be within 5 %, and measured anew at the end."""


@dataclass(frozen=True)
class Point:
    """One file of one network."""

    network: str
    """Name of its run."""
    kind: str
    """One of :data:`KINDS`."""
    variant: str
    ms: float | None
    """Milliseconds of one inference, all of the sheet measured in turns; None: it does not run there."""
    val: float
    """Top-1 on the validation pictures, percent."""
    test: float | None
    """Top-1 on the test pictures, percent."""
    bytes: int
    macs: int
    """Multiply-accumulate operations of one picture."""
    side: int
    """Height of the input, pixels."""
    width: float
    """Width multiplier."""
    run: str
    """Folder of its run."""
    train_seconds: float
    """What it was trained beyond the unpruned run; a narrower network, from random weights."""
    chosen: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """Which of the networks of equal latency does best on the validation pictures."""

    winner: Point
    pruned: Point
    sure: bool
    """Whether the difference is more than chance on so many pictures."""

    def words(self, command: str) -> str:
        """For a reader; ``command`` makes the winner's bundle."""
        pruned, best = self.pruned, self.winner
        if best is pruned:
            return f"{pruned.network} does best of the networks of its latency on the validation pictures"
        told = "" if self.sure else " (within chance on so many pictures)"
        return (
            f"at the latency of {pruned.network} the {best.kind} network does better{told}: {best.val:.1f} against "
            f"{pruned.val:.1f} % of the validation pictures, {best.ms:.2f} against {pruned.ms:.2f} ms; recommended: "
            f"{command}"
        )


def verdict_of(points: Sequence[Point], pictures: int, *, searched: bool = False) -> Verdict | None:
    """Compare the chosen network with those that are no slower; None where nothing can be compared.

    Args:
        points: Of the sheet, the chosen one marked.
        pictures: Validation pictures.
        searched: The chosen one's file is not that of the first attempt, as those of the others are; so it is float
            files that are compared.
    """
    if searched:
        plain = {point.network: point.val for point in points if point.variant == _FLOAT}
        points = [replace(point, val=plain.get(point.network, point.val)) for point in points]
    pruned = next((point for point in points if point.chosen), None)
    if pruned is None or pruned.ms is None:
        return None
    rivals = [
        point
        for point in points
        if point.variant == pruned.variant
        and point.kind not in (UNPRUNED, PRUNED)
        and point.ms is not None
        and point.ms <= pruned.ms * EQUAL
    ]
    if not rivals:
        return None
    best = max(rivals, key=lambda point: point.val)
    winner = best if best.val > pruned.val else pruned
    return Verdict(winner, pruned, abs(best.val - pruned.val) > 2 * _standard_error(best.val, pruned.val, pictures))


def _standard_error(first: float, second: float, pictures: int) -> float:
    """Of a difference of two shares in percent, as of independent pictures."""
    return math.sqrt(sum(share * (100 - share) for share in (first, second)) / max(1, pictures))


def pareto_front(points: Iterable[Point]) -> set[tuple[str, str]]:
    """Networks and variants that no other beats in both accuracy on val and latency."""
    timed = sorted((p for p in points if p.ms is not None), key=lambda point: (point.ms or 0.0, -point.val))
    front, best = set(), -1.0
    for point in timed:
        if point.val > best:
            front.add((point.network, point.variant))
            best = point.val
    return front


_HEAD = ("network", "file", "ms", "val %", "test %", "MB", "M MACs", "trained s")


def sheet_table(points: Sequence[Mapping[str, Any]]) -> str:
    """The quantized files of every network, for a terminal; the chosen one has a star.

    Args:
        points: As :meth:`Point.to_json` has them.
    """
    shown = [point for point in points if not point["variant"].startswith("float32")] or list(points)
    return aligned([_HEAD, *(_cells(point) for point in shown)], left=2)


def _cells(point: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{point['network']} ({point['kind']}){' *' if point['chosen'] else ''}",
        str(point["variant"]),
        "-" if point["ms"] is None else f"{point['ms']:.2f}",
        f"{point['val']:.1f}",
        "-" if point["test"] is None else f"{point['test']:.1f}",
        f"{point['bytes'] / 1e6:.2f}",
        f"{point['macs'] / 1e6:.0f}",
        f"{point['train_seconds']:.0f}",
    )
