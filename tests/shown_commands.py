"""Finds the commands and snippets that the documentation shows, so that tests can parse and run them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks_of(page: Path, *languages: str) -> Iterator[str]:
    """The bodies of a page's fenced blocks in any of ``languages``."""
    for language, body in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield body


def commands_of(page: Path) -> Iterator[list[str]]:
    """The ``hawklet`` commands that a page shows, as words, without ``hawklet`` itself.

    In ``sh`` blocks every line is a command; in ``console`` blocks those after ``$``. Comments and continuation lines
    are understood.
    """
    for body in blocks_of(page, "sh", "console"):
        typed = body if "\n$ " not in "\n" + body else "\n".join(re.findall(r"^\$ ((?:.*\\\n)*.*)", body, re.MULTILINE))
        for line in typed.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == "hawklet":
                yield words[1:]
