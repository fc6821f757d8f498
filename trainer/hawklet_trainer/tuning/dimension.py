"""One option that is searched, and the values that it may take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Trial

Value = str | int | float | bool


def flag(name: str) -> str:
    """What the command line calls an option of this name."""
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True)
class Choice:
    """One of some values, in no order."""

    values: tuple[Value, ...]
    """At least one."""

    def suggest(self, trial: Trial, name: str) -> Value:
        """A value for a trial."""
        chosen = trial.suggest_categorical(name, self.values)
        return next(value for value in self.values if value == chosen)

    def holds(self, value: object) -> bool:
        """Whether it is one of them."""
        return value in self.values

    def listed(self) -> tuple[Value, ...]:
        """Every value."""
        return self.values

    def position(self, value: Value) -> float:
        """Where a value stands on an axis, 0..1."""
        return self.values.index(value) / max(1, len(self.values) - 1)

    @property
    def countable(self) -> bool:
        """Whether :meth:`listed` lists every value."""
        return True

    def plain(self) -> Any:
        """As a space file has it."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """A number between two, both included; whole if both are."""

    low: float
    high: float
    """Above ``low``."""
    log: bool = False
    """Spread evenly over orders of magnitude; ``low`` is then above 0."""
    step: float | None = None
    """Between neighbours; None: any number, or any whole one."""

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    def suggest(self, trial: Trial, name: str) -> Value:
        """A value for a trial."""
        if self.whole:
            number: int = trial.suggest_int(name, int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
            return number
        fraction: float = trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)
        return fraction

    def holds(self, value: object) -> bool:
        """Whether a trial may take it."""
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not self.low <= value <= self.high:
            return False
        if self.whole and not isinstance(value, int):
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    def listed(self) -> tuple[Value, ...]:
        """Every value, or the two ends where there are any number of them."""
        if self.step is None and not self.whole:
            return self.low, self.high
        step = self.step or 1
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        return tuple(self.low + number * step for number in range(count))

    @property
    def countable(self) -> bool:
        """Whether :meth:`listed` lists every value."""
        return self.whole or self.step is not None

    def position(self, value: Value) -> float:
        """Where a value stands on an axis, 0..1."""
        low, high, at = (self._scaled(float(number)) for number in (self.low, self.high, value))
        return (at - low) / (high - low)

    def _scaled(self, number: float) -> float:
        return math.log(number) if self.log else number

    def plain(self) -> Any:
        """As a space file has it."""
        more = {"log": True} if self.log else {}
        return {"low": self.low, "high": self.high, **more, **({} if self.step is None else {"step": self.step})}


Dimension = Choice | Range


def value_text(value: Value) -> str:
    """For a person."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def values_text(dimension: Dimension) -> str:
    """For a person: ``light, default, strong`` or ``5e-05 to 0.003 (log)``."""
    if isinstance(dimension, Choice):
        return ", ".join(map(str, dimension.values))
    step = "" if dimension.step is None else f" in steps of {dimension.step:g}"
    return f"{dimension.low:g} to {dimension.high:g}{step}{' (log)' if dimension.log else ''}"
