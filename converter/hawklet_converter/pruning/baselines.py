"""The honest baselines: other networks that take as long as the pruned one, which nobody had to prune.

The unpruned network at a smaller input, and the narrower network of the family, where it has one (a width multiplier).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hawklet.spec import PreprocessSpec
from hawklet_converter.pruning.sheet import NARROWER, SMALLER_INPUT
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.models.registry import model_entry

_SIDE_STEP = 8
"""Pixels."""
_WIDTH_STEP = 0.05
_TRIES = 5
_NEAR = 1.05
"""A baseline may be slower by this factor: steps are coarse."""


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


Measure = Callable[[Architecture, PreprocessSpec], float | None]
"""Milliseconds of the int8 file of a network at an input's size; None where it does not run."""


def kinds_of_baselines(architecture: Architecture) -> int:
    """How many baselines such a network has at most: a smaller input, and a narrower network of some families."""
    return 1 + int(_has_widths(architecture))


def _has_widths(architecture: Architecture) -> bool:
    return model_entry(architecture.model).build_width is not None and not architecture.channels


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

    def time_at(steps: int) -> float | None:
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
    if not _has_widths(architecture):
        return None
    most = round(architecture.width / _WIDTH_STEP)

    def of(steps: int) -> Architecture:
        return replace(architecture, width=round(steps * _WIDTH_STEP, 2))

    def time_at(steps: int) -> float | None:
        return measure(of(steps), spec)

    start = most * (wanted_ms / whole_ms) ** 0.75  # MACs go with the square of the width, time with less
    found = _nearest(round(start), (2, most - 1), time_at, wanted_ms)
    return None if found is None else Baseline(NARROWER, of(found[0]), spec, found[1])


def with_height(spec: PreprocessSpec, height: int) -> PreprocessSpec:
    """The same preparation for a smaller input of the same shape."""
    return replace(spec, height=height, width=max(_SIDE_STEP, round(spec.width * height / spec.height / 8) * 8))


def _nearest(
    start: int, bounds: tuple[int, int], time_at: Callable[[int], float | None], wanted: float
) -> tuple[int, float] | None:
    """Walk from a guess to the largest step that still counts as equally fast, or else the fastest that was met.

    Times grow with steps; a step that cannot be timed is passed over.
    """
    low, high = bounds
    if high < low:
        return None
    times: dict[int, float | None] = {}
    step, down = min(max(start, low), high), True
    for _ in range(_TRIES):
        times[step] = time_at(step)
        taken = times[step]
        down = down if taken is None else taken > wanted * _NEAR
        step += -1 if down else 1
        if step in times or not low <= step <= high:
            break
    timed = {step: taken for step, taken in times.items() if taken is not None}
    if not timed:
        return None
    equal = [step for step, taken in timed.items() if taken <= wanted * _NEAR]
    best = max(equal) if equal else min(timed, key=lambda step: timed[step])
    return best, timed[best]
