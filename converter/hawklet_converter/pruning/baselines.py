"""The honest baselines: other networks that take as long as the pruned one, which nobody had to prune.

The unpruned network at a smaller input, and the narrower network of the family, where it has one (a width multiplier).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hawklet.spec import PreprocessSpec
from hawklet_converter.pruning.sheet import NARROWER, SMALLER_INPUT
from hawklet_trainer.architecture import Architecture
from hawklet_trainer.models import model_entry

_SIDE_STEP = 8
"""Pixels."""
_WIDTH_STEP = 0.05
_TRIES = 5


@dataclass(frozen=True)
class Baseline:
    """A network of about the wanted latency."""

    kind: str
    """:data:`SMALLER_INPUT` or :data:`NARROWER`."""
    architecture: Architecture
    spec: PreprocessSpec
    ms: float
    """Milliseconds of its int8 file."""

    @property
    def suffix(self) -> str:
        """What tells its run from others, for names."""
        return f"{self.spec.height}px" if self.kind == SMALLER_INPUT else f"width{self.architecture.width:.2f}"

    def to_json(self) -> dict[str, Any]:
        """What tells it from the unpruned network, in plain JSON types."""
        size = {"height": self.spec.height, "width": self.spec.width}
        return {"kind": self.kind, "multiplier": self.architecture.width, "ms": self.ms, **size}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], architecture: Architecture, spec: PreprocessSpec) -> Baseline:
        """Read :meth:`to_json` back, given the unpruned network."""
        itself = replace(architecture, width=data["multiplier"])
        return cls(data["kind"], itself, replace(spec, height=data["height"], width=data["width"]), data["ms"])


Measure = Callable[[Architecture, PreprocessSpec], float]
"""Milliseconds of the int8 file of a network at an input's size."""


def smaller_input(
    architecture: Architecture, spec: PreprocessSpec, wanted_ms: float, whole_ms: float, measure: Measure
) -> Baseline | None:
    """The unpruned network at the input size whose latency is nearest; None where it has the smallest already.

    Args:
        architecture: Of the unpruned network.
        spec: Its input.
        wanted_ms: Of the pruned network.
        whole_ms: Of the unpruned one.
        measure: Makes and times a file.
    """
    least = model_entry(architecture.model).least_side
    most = spec.height // _SIDE_STEP

    def time_at(steps: int) -> float:
        return measure(architecture, with_height(spec, steps * _SIDE_STEP))

    lowest = max(1, -(-least // _SIDE_STEP))
    start = most * (wanted_ms / whole_ms) ** 0.5  # time goes with the area, or nearly
    found = _nearest(round(start), (lowest, most - 1), time_at, wanted_ms)
    if found is None:
        return None
    return Baseline(SMALLER_INPUT, architecture, with_height(spec, found[0] * _SIDE_STEP), found[1])


def narrower(
    architecture: Architecture, spec: PreprocessSpec, wanted_ms: float, whole_ms: float, measure: Measure
) -> Baseline | None:
    """The narrower network of the family whose latency is nearest; None where the family has no width multiplier.

    Args: as of :func:`smaller_input`.
    """
    entry = model_entry(architecture.model)
    if entry.build_width is None or architecture.channels:
        return None
    most = round(architecture.width / _WIDTH_STEP)

    def of(steps: int) -> Architecture:
        return replace(architecture, width=round(steps * _WIDTH_STEP, 2))

    def time_at(steps: int) -> float:
        return measure(of(steps), spec)

    start = most * (wanted_ms / whole_ms) ** 0.75  # MACs go with the square of the width, time with less
    found = _nearest(round(start), (2, most - 1), time_at, wanted_ms)
    return None if found is None else Baseline(NARROWER, of(found[0]), spec, found[1])


def with_height(spec: PreprocessSpec, height: int) -> PreprocessSpec:
    """The same preparation for a smaller input of the same shape."""
    return replace(spec, height=height, width=max(_SIDE_STEP, round(spec.width * height / spec.height / 8) * 8))


def _nearest(
    start: int, bounds: tuple[int, int], time_at: Callable[[int], float], wanted: float
) -> tuple[int, float] | None:
    """Walk from a guess to the step whose time is nearest; times grow with steps."""
    low, high = bounds
    if high < low:
        return None
    times: dict[int, float] = {}
    step = min(max(start, low), high)
    for _ in range(_TRIES):
        times[step] = time_at(step)
        following = step + (1 if times[step] < wanted else -1)
        if following in times or not low <= following <= high:
            break
        step = following
    best = min(times, key=lambda tried: abs(times[tried] - wanted))
    return best, times[best]
