"""Saying what is being done, and how long it took."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

import click

_WIDTH = 74


class Steps:
    """Prints one line a step on stderr; on a terminal the line stands there while the step runs."""

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent
        self._start = time.monotonic()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, run the block, say its seconds."""
        start = time.monotonic()
        self._announce(title)
        yield
        self._conclude(title, time.monotonic() - start)

    @property
    def elapsed(self) -> float:
        """Seconds since the first step could begin."""
        return time.monotonic() - self._start

    def note(self, text: str) -> None:
        """Say something that happened within a step."""
        if not self._silent:
            click.echo(f"    {text}", err=True)

    def table(self, text: str) -> None:
        """Show a table of what a step came to."""
        if not self._silent:
            click.echo(f"\n{text}\n", err=True)

    def _announce(self, title: str) -> None:
        if not self._silent and sys.stderr.isatty():
            click.echo(f"  {title} ...\r", err=True, nl=False)

    def _conclude(self, title: str, seconds: float) -> None:
        if not self._silent:
            click.echo(f"  {title:<{_WIDTH}} {seconds:6.1f} s", err=True)
