"""What one training came to, and when one training reached what another did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from training_clock import Spent


@dataclass(frozen=True)
class Point:
    """Who stopped here would have this."""

    spent: Spent
    top1: float
    """On the test pictures, percent, of the weights that would be kept."""


@dataclass(frozen=True)
class Outcome:
    """One training, from the start of its process."""

    curve: tuple[Point, ...]
    """In order of time."""
    top1: float
    """Of the test pictures, percent, in the end."""
    whole: Spent
    """Until everything was written, the measuring of the curve left out."""
    note: str = ""
    """What it was computed in."""
    load: float = 0.0
    """Mean number of runnable processes when it began."""

    def to_plain(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @classmethod
    def from_plain(cls, kept: Mapping[str, Any]) -> Outcome:
        """Read :meth:`to_plain` back."""
        curve = tuple(Point(Spent(*point["spent"]), point["top1"]) for point in kept["curve"])
        return cls(curve, kept["top1"], Spent(*kept["whole"]), kept["note"], kept["load"])


def mean_curve(outcomes: Sequence[Outcome]) -> list[Point]:
    """The mean of several seeds, point by point; a training that ended early stays where it ended.

    A single seed crosses a line by the luck of one or two pictures; the mean of three does so less.
    """
    longest = max(len(outcome.curve) for outcome in outcomes)
    return [_mean_point([_at(outcome, index) for outcome in outcomes]) for index in range(longest)]


def _at(outcome: Outcome, index: int) -> Point:
    return outcome.curve[min(index, len(outcome.curve) - 1)]


def _mean_point(points: Sequence[Point]) -> Point:
    spent = Spent(mean(point.spent.wall for point in points), mean(point.spent.cpu for point in points))
    return Point(spent, mean(point.top1 for point in points))


def first_time(curve: Sequence[Point], top1: float) -> Spent | None:
    """When a curve reaches an accuracy for the first time; None: it does not."""
    return _first(curve, lambda index: _reaches(curve[index], top1))


def lasting_time(curve: Sequence[Point], top1: float) -> Spent | None:
    """When a curve reaches an accuracy and is not below it afterwards; None: it ends below it."""
    return _first(curve, lambda index: all(_reaches(point, top1) for point in curve[index:]))


def _first(curve: Sequence[Point], holds: Callable[[int], bool]) -> Spent | None:
    return next((point.spent for index, point in enumerate(curve) if holds(index)), None)


def _reaches(point: Point, top1: float) -> bool:
    return point.top1 >= top1 - 1e-6
