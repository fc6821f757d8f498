"""Results for people: one line that is kept up to date on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from hawklet.outputs import Output
from hawklet.results import LiveResult, Summary, percentile

_PLAIN_INTERVAL = 0.5
"""Seconds between plain lines of a live source, so that a log stays readable."""


class ConsoleOutput(Output):
    """Prints results.

    Args:
        live: A live source: one updating line on a terminal, few lines elsewhere. Else a line for every picture.
        stream: Where to; None = stdout.
    """

    def __init__(self, *, live: bool, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._updates = live and self._stream.isatty()
        self._interval = _PLAIN_INTERVAL if live and not self._updates else 0.0
        self._next = 0.0
        self._previous: float | None = None
        self._per_second = 0.0

    def write(self, result: LiveResult) -> None:
        """See :meth:`Output.write`."""
        self._measure(result.finished_at)
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._interval
        line = self._line(result)
        if self._updates:
            self._stream.write(f"\r{line}\033[K")
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def _measure(self, moment: float) -> None:
        if self._previous is not None and moment > self._previous:
            rate = 1.0 / (moment - self._previous)
            self._per_second = 0.9 * self._per_second + 0.1 * rate if self._per_second else rate
        self._previous = moment

    def _line(self, result: LiveResult) -> str:
        classification = result.classification
        named = "  ".join(f"{p.label} {p.score:.0%}" for p in classification.predictions)
        if not classification.accepted:
            named = f"? ({named})"
        if result.frame.name:
            return f"{result.frame.name}: {named}"
        return f"{named}  |  {self._per_second:.1f} frames/s  age {result.age_ms:.0f} ms  dropped {result.dropped}"

    def finish(self, summary: Summary) -> None:
        """See :meth:`Output.finish`."""
        if self._updates:
            self._stream.write("\n")
        self._stream.write(describe(summary) + "\n")
        self._stream.flush()


def describe(summary: Summary) -> str:
    """A summary in one or two lines."""
    if not summary.frames:
        return "no frame was classified"
    text = f"{summary.frames} frames"
    if summary.frames_per_second:
        text += f" in {summary.seconds:.1f} s ({summary.frames_per_second:.1f}/s), {summary.dropped} dropped"
    text += f"; age p50 {percentile(summary.ages_ms, 50):.0f} ms, p90 {percentile(summary.ages_ms, 90):.0f} ms"
    text += f"; inference p50 {percentile(summary.infer_ms, 50):.1f} ms"
    if summary.shown is not None:
        text += f"\n{summary.named_rightly} of {summary.shown} shown cards named rightly"
    return text
