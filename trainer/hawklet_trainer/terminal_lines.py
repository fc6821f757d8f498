"""Lines of words: broken between words where a person reads them, whole where a program does."""

from __future__ import annotations

import textwrap

from rich.console import Console


def print_line(console: Console, line: str) -> None:
    """Print a line as it is, without markup; a word longer than the terminal is wide, such as a path, stays whole."""
    if console.is_terminal:
        line = textwrap.fill(
            line, console.width, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
        )
    console.print(line, markup=False, highlight=False, soft_wrap=True)
