"""Types of command-line values that Click lacks."""

from __future__ import annotations

import math
from typing import Any

import click

SEED = click.IntRange(0, 2**32 - 1)
"""What every random generator takes."""


class NumberRange(click.FloatRange):
    """A finite number within bounds: ``nan`` compares with none and would pass :class:`click.FloatRange`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See :meth:`click.ParamType.convert`."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic since Click 8.3, and not before
    """A time above zero, as ``90s``, ``10m`` or ``2h``; a bare number is seconds. The value is seconds."""

    name = "duration"
    _UNITS = {"s": 1, "m": 60, "h": 3600}  # noqa: RUF012 -- never changed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See :meth:`click.ParamType.convert`."""
        text = str(value).strip().lower()
        unit = self._UNITS.get(text[-1:], None)
        try:
            seconds = float(text[:-1] if unit else text) * (unit or 1)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(f"{value} is no duration; write it as 90s, 10m or 2h.", param, ctx)
        return seconds


class Sweep(click.ParamType):  # type: ignore[type-arg]  # as above
    """Shares from one to another, as ``0.1:0.7:0.1``; the value is a tuple of them, ascending, both ends included."""

    name = "sweep"
    _MOST = 20

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """See :meth:`click.ParamType.convert`."""
        if isinstance(value, tuple):
            return value
        try:
            first, last, step = (float(part) for part in str(value).split(":"))
            count = math.floor((last - first) / step + 1e-6) + 1 if step > 0 else 0
        except (ValueError, OverflowError):
            first, last, step, count = math.nan, math.nan, math.nan, 0
        if not (0 < first <= last < 1) or not 1 <= count <= self._MOST:
            self.fail(
                f"{value} is no sweep; write it as 0.1:0.7:0.1, above 0 and below 1, {self._MOST} steps at most.",
                param,
                ctx,
            )
        return tuple(round(first + number * step, 6) for number in range(count))
