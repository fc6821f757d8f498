"""Text from files and models that others made, made safe for a terminal."""

from __future__ import annotations


def printable(text: str, *, lines: bool = False) -> str:
    """The text without control characters: a file's name or a foreign model's label must not steer the terminal.

    Args:
        text: What is to be shown.
        lines: Whether it may have several.
    """
    return "".join(letter if letter.isprintable() or (lines and letter == "\n") else "?" for letter in text)
