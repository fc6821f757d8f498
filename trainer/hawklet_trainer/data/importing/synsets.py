"""Names of ImageNet's classes: WordNet synsets such as ``n02012849``, by ``LOC_synset_mapping.txt``."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from hawklet.errors import DataError

MAPPING = "LOC_synset_mapping.txt"
_LINE = re.compile(r"(n\d{8})\s+(.+)")
_SYNSET = re.compile(r"n\d{8}")


def is_synset(name: str) -> bool:
    """Whether it is an ``n`` and eight digits."""
    return _SYNSET.fullmatch(name) is not None


def read_mapping(path: Path) -> dict[str, str]:
    """Synset -> name of its class: its first synonym, and the synset too where several have the same one.

    ImageNet has two kinds each of ``crane`` and ``maillot``, and a ``Cardigan`` beside a ``cardigan``.

    Raises:
        DataError: a line is not ``n02012849 crane``, or a synset is in two lines.
    """
    first: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = _LINE.fullmatch(line.strip())
        if match is None or match[1] in first:
            wanted = "a synset and its names in every line, each synset once"
            raise DataError(f"{path} must have {wanted}, got {line[:60]!r} in line {number}")
        first[match[1]] = match[2].split(",")[0].strip()
    alike = Counter(name.casefold() for name in first.values())
    return {synset: name if alike[name.casefold()] == 1 else f"{name} ({synset})" for synset, name in first.items()}
