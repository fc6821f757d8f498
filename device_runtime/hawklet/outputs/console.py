"""Results for people: one line that is kept up to date on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import shutil
import sys
import time
import unicodedata
from typing import TextIO

from hawklet.outputs import Output
from hawklet.printable import printable
from hawklet.results import LiveResult, Summary, percentile

_PLAIN_INTERVAL = 0.5
"""Seconds between plain lines of a live source, so that a log stays readable."""
_BAR = 10
"""Length of the score's bar, characters."""


class ConsoleOutput(Output):
    """Prints results.

    Args:
        live: A live source: one updating line on a terminal, few lines elsewhere. Else a line for every picture.
        stream: Where to; None = stdout.
    """

    def __init__(self, *, live: bool, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        if isinstance(self._stream, io.TextIOWrapper):
            self._stream.reconfigure(errors="replace")  # a label in letters the terminal lacks must not end the run
        self._updates = live and self._stream.isatty()
        self._interval = _PLAIN_INTERVAL if live and not self._updates else 0.0
        self._next = 0.0
        self._line_is_open = False
        self._previous: float | None = None
        self._per_second = 0.0

    def write(self, result: LiveResult) -> None:
        """See :meth:`Output.write`."""
        self._measure(result.finished_at)
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._interval
        if self._updates:
            self._stream.write(f"\r{_fitted(self._updating_line(result))}\033[K")
            self._line_is_open = True
        else:
            self._stream.write(printable(self._line(result)) + "\n")
        self._stream.flush()

    def _measure(self, moment: float) -> None:
        if self._previous is not None and moment > self._previous:
            rate = 1.0 / (moment - self._previous)
            self._per_second = 0.9 * self._per_second + 0.1 * rate if self._per_second else rate
        self._previous = moment

    def _line(self, result: LiveResult) -> str:
        classification = result.classification
        named = "  ".join(f"{p.label} {p.score:.0%}" for p in classification.predictions)
        if classification.rejection:
            named = f"? {classification.rejection.value} ({named})"
        if result.frame.name:
            return f"{result.frame.name}: {named}"
        rate = f"{self._per_second:.1f} frames/s  " if self._per_second else ""
        return f"{named}  |  {rate}age {result.age_ms:.0f} ms  dropped {result.dropped}"

    def _updating_line(self, result: LiveResult) -> str:
        """Numbers first, in columns that stay where they are; what the line cannot hold is cut from the runners-up."""
        classification = result.classification
        top, *others = classification.predictions
        bar = ("#" * round(top.score * _BAR)).ljust(_BAR, ".")
        named = f"? {classification.rejection.value} ({top.label})" if classification.rejection else top.label
        numbers = f"{self._per_second:5.1f}/s  age {result.age_ms:4.0f} ms  dropped {result.dropped:<4}"
        return "  ".join([numbers, f"[{bar}] {top.score:4.0%}", named, *(f"{p.label} {p.score:.0%}" for p in others)])

    def finish(self, summary: Summary) -> None:
        """See :meth:`Output.finish`."""
        self.close()
        self._stream.write(describe(summary) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """End the line that was kept up to date, so that what comes next has its own."""
        if self._line_is_open:
            self._stream.write("\n")
            self._stream.flush()
            self._line_is_open = False


def _fitted(line: str) -> str:
    """As much of the line as the terminal is wide: a wrapped line could not be updated in place."""
    room = shutil.get_terminal_size().columns - 1
    kept = ""
    for letter in printable(line):
        room -= 2 if unicodedata.east_asian_width(letter) in "FW" else 1
        if room < 0:
            break
        kept += letter
    return kept


def describe(summary: Summary) -> str:
    """A summary in one or two lines."""
    if not summary.frames:
        return "no frame was classified"
    text = f"{summary.frames} frame" + ("s" if summary.frames > 1 else "")
    if summary.frames_per_second:
        text += f" in {summary.seconds:.1f} s ({summary.frames_per_second:.1f}/s), {summary.dropped} dropped"
    text += f"; age p50 {percentile(summary.ages_ms, 50):.0f} ms, p90 {percentile(summary.ages_ms, 90):.0f} ms"
    text += f"; inference p50 {percentile(summary.infer_ms, 50):.1f} ms"
    if summary.shown is not None:
        text += f"\n{summary.named_rightly} of {summary.shown} shown cards named rightly"
    return text
