"""WebDataset shards: tar archives whose neighbouring members make samples, read without unpacking.

Format: https://github.com/webdataset/webdataset. ``n02012849/001.jpg`` and ``n02012849/001.cls`` are one sample: the
key is the name up to the first dot of its last part, what follows the dot is the extension.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hawklet.errors import DataError
from hawklet_trainer.data.place import Span

_NAME = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)")
_META = re.compile(r"__[^/]*__($|/)")
_BLOCK = 512
_LARGEST_TEXT = 1 << 20


@dataclass(frozen=True)
class Sample:
    """Neighbouring members of one key."""

    key: str
    shard: Path
    stream: IO[bytes]
    """The shard, open while it is read."""
    members: dict[str, Span] = field(default_factory=dict)
    """Extension, lower case -> where its bytes are."""

    def text(self, extension: str) -> str:
        """A member's bytes as UTF-8 text; empty where there is none, or none that is text."""
        span = self.members.get(extension)
        if span is None or span.size > _LARGEST_TEXT:
            return ""
        self.stream.seek(span.offset)
        try:
            return self.stream.read(span.size).decode("utf-8").strip()
        except UnicodeDecodeError:
            return ""


def samples(path: Path) -> Iterator[Sample]:
    """The samples of a shard, in its order; each is good until the next one is asked for.

    Raises:
        DataError: the shard is compressed, damaged or cut short, or has two members of one name in a sample.
    """
    with path.open("rb") as stream, path.open("rb") as beside:
        sample = Sample("", path, beside)
        for name, span in _members(path, stream):
            match = _NAME.fullmatch(name)
            if match is None or _META.match(name):
                continue
            key, extension = match[1], match[2].lower()
            if key != sample.key:
                if sample.members:
                    yield sample
                sample = Sample(key, path, beside)
            if extension in sample.members:
                raise DataError(f"a sample's members must differ by extension, got {name} twice in {path}")
            sample.members[extension] = span
        if sample.members:
            yield sample


def _members(path: Path, stream: IO[bytes]) -> Iterator[tuple[str, Span]]:
    """Name and place of every ordinary file."""
    count = 0
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # or every header of a shard stays in memory
                count += 1
                if member.isreg() and not member.issparse():
                    yield member.name, Span(member.offset_data, member.size)
            # An archive that breaks off between two members, or in a header, ends without an error.
            stream.seek(archive.offset)
            whole = stream.read(_BLOCK) == bytes(_BLOCK)
    except tarfile.TarError as error:
        raise DataError(f"{_what_is_wrong(path, count)} ({' '.join(str(error).split())[:80]})") from error
    if not whole:
        raise DataError(_what_is_wrong(path, count))


def _what_is_wrong(path: Path, count: int) -> str:
    if count:
        return f"the shard {path} is cut short or damaged after {count} members; fetch it again"
    with path.open("rb") as stream:
        begin = stream.read(4)
    if begin[:2] == b"\x1f\x8b" or begin in (b"\x28\xb5\x2f\xfd", b"BZh9", b"\xfd7zX"):
        return f"a shard must be an uncompressed tar, whose pictures can be read in place, got {path}; unpack it first"
    return f"a shard must be a tar archive, got {path}"
