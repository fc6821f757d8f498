"""Where a picture's bytes are: a file of their own, or a span of a file that holds many (a shard)."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from hawklet.errors import ImageError
from hawklet.images import ImageHeader, has_fourth_plane, not_opened, read_header, read_image
from hawklet.safefiles import sha256_of
from hawklet.spec import Pixels


class Span(NamedTuple):
    """A part of a file."""

    offset: int
    """Bytes before it."""
    size: int
    """Bytes of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """One picture, of which nothing is known yet but where it is."""

    path: Path
    span: Span | None = None
    """None: the whole file."""
    group: str = ""
    """Pictures of one group (a person, a plant, a recording) go into one split together; empty: it stands alone."""

    def name_below(self, folder: Path) -> str:
        """Its path from ``folder`` on with forward slashes, and what tells it from others in the same file."""
        path = self.path.relative_to(folder).as_posix()
        return path if self.span is None else f"{path}@{self.span.offset}"

    def is_there(self) -> bool:
        """Whether its file is, and is long enough."""
        if self.span is None:
            return self.path.is_file()
        try:
            return self.path.stat().st_size >= sum(self.span)
        except OSError:
            return False

    def sha256(self) -> str:
        """Of its bytes, hexadecimal."""
        return sha256_of(self.path) if self.span is None else hashlib.sha256(self._bytes(self.span)).hexdigest()

    def read(self, at_least: int | None = None, planes: int = 3) -> Pixels:
        """Decode it, see :func:`hawklet.images.read_image`.

        Args:
            at_least: Pixels that both sides keep, where a JPEG may be decoded smaller.
            planes: 3 for RGB; 4 for RGB and what is stored as alpha.

        Raises:
            ImageError: it cannot be read whole, or has no fourth plane where one is asked for.
        """
        return read_image(self._source(), at_least, planes)

    def header(self) -> ImageHeader:
        """Its format and size, see :func:`hawklet.images.read_header`.

        Raises:
            ImageError: it is no picture.
        """
        return read_header(self._source())

    def has_fourth_plane(self) -> bool:
        """Whether there is one besides its colours, see :func:`hawklet.images.has_fourth_plane`.

        Raises:
            ImageError: it is no picture.
        """
        return has_fourth_plane(self._source())

    def open(self) -> IO[bytes]:
        """Its bytes as a stream that can be read again from its beginning, and that is named after its file.

        Raises:
            ImageError: its file cannot be opened.
        """
        if self.span is not None:
            stream = _NamedBytes(self._bytes(self.span))
            stream.name = f"{self.path.name}@{self.span.offset}"
            return stream
        try:
            return self.path.open("rb")
        except OSError as error:
            raise not_opened(self.path.name, error) from error

    def _source(self) -> Path | IO[bytes]:
        return self.path if self.span is None else self.open()

    def _bytes(self, span: Span) -> bytes:
        try:
            with self.path.open("rb") as stream:
                if stream.seek(0, os.SEEK_END) < sum(span):
                    raise ImageError(f"{self.path.name}@{span.offset}: the shard is shorter than its index says")
                stream.seek(span.offset)
                return stream.read(span.size)
        except OSError as error:
            raise not_opened(self.path.name, error) from error


class _NamedBytes(io.BytesIO):
    name: str
