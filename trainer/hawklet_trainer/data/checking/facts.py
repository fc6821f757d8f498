"""What is known of each picture after one look: a small record, so that many pictures need little memory."""

from __future__ import annotations

import io
from enum import IntEnum
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from hawklet.errors import ImageError
from hawklet.images import decode_image, header_of, not_opened, open_image
from hawklet.safefiles import sha256_of_stream
from hawklet.spec import Pixels
from hawklet_trainer.data.checking.exif import exif_state
from hawklet_trainer.data.checking.formats import FORMATS, is_heif, number_of, suffix_fits
from hawklet_trainer.data.checking.photometry import ENOUGH, Photometry, photometry
from hawklet_trainer.data.place import Place

THUMB = 32
"""Side of the small grey picture that near duplicates are found by, pixels."""
_ENOUGH_FOR_THUMB = 64
_TAIL = 64
"""Zero bytes at a JPEG's end that are taken for a hole, where its end marker is missing."""


class Depth(IntEnum):
    """How closely pictures are looked at; each level knows all that those before it know."""

    HEADER = 0
    """Bytes and header; nothing is decoded."""
    THUMB = 1
    """Decoded, and shrunk to what near duplicates are found by."""
    PIXELS = 2
    """Measured too: light, sharpness, colour."""


FACTS = np.dtype(
    [
        ("sha256", np.uint8, 32),  # of the bytes
        ("format", np.uint8),  # position in FORMATS, by content
        ("suffix_fits", np.bool_),
        ("height", np.uint32),  # upright, pixels
        ("width", np.uint32),
        ("exif", np.uint8),  # ExifState
        ("hole", np.bool_),  # a JPEG that ends in zero bytes instead of its end marker
        *((name, np.float32) for name in Photometry._fields),
        ("thumb", np.uint8, (THUMB, THUMB)),  # grey, squeezed into a square
    ]
)
"""One picture's record, 1.1 kB; what was not looked at is 0."""


def look(place: Place, depth: Depth) -> tuple[np.void, str]:
    """Look at one picture.

    Returns:
        A record of :data:`FACTS`, and why it cannot be read: empty where it can be.
    """
    record = np.zeros(1, FACTS)[0]
    try:
        with place.open() as stream:
            record["sha256"] = np.frombuffer(sha256_of_stream(stream), np.uint8)
            stream.seek(0)
            try:
                _look_inside(stream, place, depth, record)
            except ImageError:
                stream.seek(0)
                record["format"] = number_of("HEIF" if is_heif(stream.read(12)) else "")
                record["suffix_fits"] = suffix_fits(place.path, FORMATS[record["format"]])
                raise
    except ImageError as error:
        return record, str(error)
    except OSError as error:
        return record, str(not_opened(place.path.name, error))
    return record, ""


def _look_inside(stream: IO[bytes], place: Place, depth: Depth, record: np.void) -> None:
    pixels = None
    with open_image(stream) as picture:
        header, stored = header_of(picture), picture.size
        record["format"] = number_of(header.format)
        record["suffix_fits"] = suffix_fits(place.path, header.format)
        record["height"], record["width"] = header.height, header.width
        if depth is not Depth.HEADER:
            pixels = decode_image(picture, place.path.name, ENOUGH if depth is Depth.PIXELS else _ENOUGH_FOR_THUMB)
        # After decoding, since of a PNG Pillow would decode everything to find it.
        if pixels is not None or header.format != "PNG" or "exif" in picture.info:
            record["exif"] = exif_state(picture, stored)
    if pixels is not None:
        record["hole"] = header.format in ("JPEG", "MPO") and _ends_in_a_hole(stream)
        _look_at_pixels(pixels, depth, record)


def _look_at_pixels(pixels: Pixels, depth: Depth, record: np.void) -> None:
    grey = Image.fromarray(pixels).convert("L")
    record["thumb"] = np.asarray(grey.resize((THUMB, THUMB), Image.Resampling.BOX))
    if depth is Depth.PIXELS:
        for name, value in photometry(pixels, grey)._asdict().items():
            record[name] = value


def _ends_in_a_hole(stream: IO[bytes]) -> bool:
    """Whether a file's last bytes are zeros that no end marker stands before: part of it was never written.

    Decoders take the zeros for data and say nothing. Some cameras pad their files, behind the end marker.
    """
    stream.seek(-min(_TAIL, stream.seek(0, io.SEEK_END)), io.SEEK_END)
    if any(stream.read()):
        return False
    stream.seek(0)
    return not stream.read().rstrip(b"\0").endswith(b"\xff\xd9")


def digest_of(records: npt.NDArray[np.void], index: int) -> str:
    """SHA-256 of one picture's bytes, hexadecimal."""
    digest: npt.NDArray[Any] = records["sha256"][index]
    return digest.tobytes().hex()
