"""Lines of words: broken between words where a person reads them, whole where a program does."""

from __future__ import annotations

import re

from rich.console import Console

_COPIED = re.compile(r"\bhawklet \w|/")
"""Commands and paths."""


def print_line(console: Console, line: str) -> None:
    """Print a line without markup. One with a command or a path is left to the terminal to break, so that it can be
    copied whole."""
    is_prose = console.is_terminal and not _COPIED.search(line)
    console.print(line, markup=False, highlight=False, soft_wrap=not is_prose)
