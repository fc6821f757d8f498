"""What an importer tells, and where it puts pictures that are no files yet."""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hawklet.errors import DataError
from hawklet.spec import Pixels
from hawklet_trainer.data.tally import escaped

FIRST = 5
"""How many of those left out for one reason are named."""
_LONGEST_NAME = 200
"""Bytes; file systems take 255, of which a temporary name needs some."""


class LeftOut:
    """Counts of what was left out, by reason, and the first few of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, list[str]] = {}

    def add(self, reason: str, name: str) -> None:
        """One more."""
        self.counts[reason] += 1
        if self.counts[reason] <= FIRST:
            self.first.setdefault(reason, []).append(escaped(name))

    def to_list(self) -> list[dict[str, Any]]:
        """Plain JSON types, what is left out most first; see :func:`left_out_lines`."""
        return [
            {"reason": reason, "count": count, "first": self.first[reason]}
            for reason, count in self.counts.most_common()
        ]


def left_out_lines(left_out: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence for each reason of :meth:`LeftOut.to_list`."""
    return [
        f"left out {left['count']}: {left['reason']} ({', '.join(left['first'])}"
        f"{', ...' if left['count'] > len(left['first']) else ''})"
        for left in left_out
    ]


class Intake:
    """Who an importer tells what it left out and guessed, and where it writes pictures.

    Args:
        pictures: Folder that pictures are written below; made when there is one.
        say: Called with one line for each guess.
    """

    def __init__(self, pictures: Path, say: Callable[[str], None] = lambda line: None) -> None:
        self.pictures = pictures
        self.left_out = LeftOut()
        self.notes: list[str] = []
        self._say = say

    def leave_out(self, reason: str, name: object) -> None:
        """Count a picture, box or file that is not taken; ``reason`` is one of a few, ``name`` says which it is."""
        self.left_out.add(reason, str(name))

    def note(self, line: str) -> None:
        """Say a guess, or what else is worth knowing, once."""
        line = escaped(line)
        if line not in self.notes:
            self.notes.append(line)
            self._say(line)

    def keep(self, parts: Sequence[str], data: bytes) -> Path:
        """Write a picture as a file.

        Args:
            parts: Folders and name, from the folder of pictures on; what could lead elsewhere is replaced.
            data: The file's bytes.

        Raises:
            DataError: there is one of that name already.
        """
        path = self.pictures.joinpath(*map(_harmless, parts))
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as stream:
                stream.write(data)
        except FileExistsError as error:
            raise DataError(f"pictures must differ by name, got two that would be written as {path.name}") from error
        return path


def png_bytes(pixels: Pixels) -> bytes:
    """``uint8 [H, W, 3]`` RGB as a PNG file, which loses nothing."""
    return _encoded(pixels, "PNG")


def jpeg_bytes(pixels: Pixels) -> bytes:
    """``uint8 [H, W, 3]`` RGB as a JPEG file of quality 95 with its colours at full resolution."""
    return _encoded(pixels, "JPEG", quality=95, subsampling=0)


def _encoded(pixels: Pixels, kind: str, **options: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, kind, **options)
    return stream.getvalue()


def _harmless(part: str) -> str:
    """A name that stays in its folder, on any file system: no separators, no leading dot, not too long."""
    name = re.sub(r"[^\w .,()+=@&'-]", "_", part).strip(" ")
    name = re.sub(r"^\.+", "_", name).rstrip(".") or "_"
    return name if len(name.encode()) <= _LONGEST_NAME else _shortened(name)


def _shortened(name: str) -> str:
    """The beginning of a name, a digest in place of the rest, and its suffix."""
    suffix = Path(name).suffix if len(Path(name).suffix) < 8 else ""
    begin = name.encode()[: _LONGEST_NAME - 20].decode(errors="ignore")
    return f"{begin}-{hashlib.sha256(name.encode()).hexdigest()[:8]}{suffix}"
