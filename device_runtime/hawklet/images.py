"""Reading a picture file as an upright RGB array, with one stated rule for every awkward kind.

* EXIF orientation is applied.
* Grey becomes three equal channels; palette pictures take their palette's colours.
* Alpha is dropped and the stored colours are taken, as the training frameworks do; so models see what they learned.
  Where a fourth plane is asked for, alpha is that plane (near infrared, depth, a mask...), as it is stored; a picture
  without one is refused.
* CMYK is converted by Pillow's formula (no colour management).
* 16-bit samples keep their high byte; 32-bit integer greys are taken as 16-bit ones.
* An animation or multi-picture file gives its first picture.
* A large JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, where the caller says how small is still enough: the
  decoder then works out fewer coefficients, which is as if the picture had been taken with fewer pixels.
* Truncated data, pictures over :data:`MAX_PIXELS` and unreadable formats are refused with :class:`ImageError`.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from hawklet.errors import ImageError
from hawklet.spec import Pixels

MAX_PIXELS = 50_000_000
"""Largest picture read, pixels (about 350 MB while it is converted); larger ones are refused undecoded."""

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".avifs", ".heic", ".heif"}
)
"""File names that are taken for pictures when a folder is listed, lower case."""

# What Pillow's decoders raise for damaged data.
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,
    IndexError,
    KeyError,
    ArithmeticError,
    struct.error,
    zlib.error,
)
# The system's own words are kept for what is rarer.
_NOT_OPENED = {
    errno.ENOENT: "there is no such file",
    errno.EISDIR: "a picture file was expected, got a folder",
    errno.EACCES: "may not be read (no permission)",
    errno.EPERM: "may not be read (no permission)",
    errno.ELOOP: "a link that leads back to itself",
}
_HEIF_SUFFIXES = (".heic", ".heif", ".hif")
_EXTRA_SAMPLES = 338  # TIFF 6.0, section 18


def read_image(source: str | os.PathLike[str] | IO[bytes], at_least: int | None = None, planes: int = 3) -> Pixels:
    """Read one picture.

    Args:
        source: A path, or an open binary file.
        at_least: A JPEG may be decoded smaller, while both sides keep this many pixels; None: at its full size.
        planes: 3 for RGB; 4 for RGB and what is stored as alpha.

    Returns:
        ``uint8 [H, W, planes]``, RGB (and the fourth plane), 0..255, upright, C-contiguous.

    Raises:
        ImageError: the file is not a picture that can be read whole, or lacks the fourth plane that was asked for; the
            message is one line.
    """
    with open_image(source) as picture:
        return decode_image(picture, _name_of(source), at_least, planes)


def decode_image(picture: Image.Image, name: str, at_least: int | None = None, planes: int = 3) -> Pixels:
    """Decode what :func:`open_image` opened, within its block; for whoever wants to look at the file's header as well.

    Args:
        picture: The opened picture.
        name: What to call it in an error.
        at_least: As for :func:`read_image`.
        planes: Likewise.

    Returns:
        As :func:`read_image`.
    """
    if at_least is not None:
        picture.draft(None, (at_least, at_least))  # of JPEGs alone; others stay as they are
    if planes == 4 and not _holds_fourth_plane(picture):
        raise ImageError(
            f"{name}: a picture for 4 channels needs a fourth plane, stored as the alpha of a PNG, TIFF or WebP and "
            "not premultiplied; this one has none"
        )
    return np.ascontiguousarray(_upright(picture, name, planes))


def has_fourth_plane(source: str | os.PathLike[str] | IO[bytes]) -> bool:
    """Whether a picture has a fourth plane besides its colours, by its header; nothing is decoded.

    Raises:
        ImageError: as :func:`read_header`.
    """
    with open_image(source) as picture:
        return _holds_fourth_plane(picture)


def _holds_fourth_plane(picture: Image.Image) -> bool:
    # Of a TIFF Pillow divides the colours by an associated alpha (ExtraSamples 1), so that neither is what was stored.
    divided = picture.format == "TIFF" and 1 in getattr(picture, "tag_v2", {}).get(_EXTRA_SAMPLES, ())
    return picture.getbands()[-1] == "A" and not divided


class ImageHeader(NamedTuple):
    """What a picture file says of itself before it is decoded."""

    format: str
    """By its content, in Pillow's words: JPEG, PNG, WEBP, ..."""
    height: int
    """Upright, pixels."""
    width: int
    """Likewise."""


def read_header(source: str | os.PathLike[str] | IO[bytes]) -> ImageHeader:
    """Read a picture's format and size without decoding it; that it can be decoded whole is not said thereby.

    Raises:
        ImageError: as :func:`read_image`, as far as the beginning of the file tells.
    """
    with open_image(source) as picture:
        return header_of(picture)


def header_of(picture: Image.Image) -> ImageHeader:
    """Of what :func:`open_image` opened, within its block and before it is decoded."""
    width, height = picture.size
    # Of a TIFF newer versions of Pillow give the upright size themselves.
    as_stored = picture.format != "TIFF" or picture.size == tuple(map(picture.getexif().get, (0x0100, 0x0101)))
    if as_stored and _is_sideways(picture):
        width, height = height, width
    return ImageHeader(picture.format or "", height, width)


@contextmanager
def open_image(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[Image.Image]:
    """The picture, not yet decoded; whatever Pillow raises of it in the meantime becomes an ImageError."""
    name = _name_of(source)
    if name.lower().endswith(_HEIF_SUFFIXES):
        _register_heif(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd EXIF and sizes; the checks below decide
            with Image.open(source) as picture:
                _refuse_oversize(picture, name)
                yield picture
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        what = "the file is empty" if _is_empty(source) else "not a picture in a format that can be read here"
        raise ImageError(f"{name}: {what}") from error
    except Image.DecompressionBombError as error:
        raise _too_large(name, _pixels_in(str(error))) from error
    except MemoryError as error:
        raise ImageError(f"{name}: there is not enough memory to decode it; shrink it first") from error
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:  # the system's; Pillow's have no number
            raise not_opened(name, error) from error
        raise ImageError(f"{name}: the picture is damaged or cut short ({_one_line(error)})") from error


def not_opened(name: str, error: OSError) -> ImageError:
    """What to raise of a picture's file that cannot be opened or read, whatever is in it."""
    return ImageError(f"{name}: {_NOT_OPENED.get(error.errno or 0) or error.strerror or error}")


def _name_of(source: str | os.PathLike[str] | IO[bytes]) -> str:
    if isinstance(source, (str, os.PathLike)):
        return Path(source).name
    return Path(str(getattr(source, "name", "picture"))).name


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:160] or type(error).__name__


def _register_heif(name: str) -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise ImageError(f"{name}: HEIC pictures need pillow-heif; run: pip install pillow-heif") from error
    pillow_heif.register_heif_opener()


def _refuse_oversize(picture: Image.Image, name: str) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _too_large(name, f"{width}x{height}")
    if width < 1 or height < 1:
        raise ImageError(f"{name}: the picture is empty ({width}x{height})")


def _too_large(name: str, size: str) -> ImageError:
    return ImageError(
        f"{name}: a picture may have {MAX_PIXELS // 1_000_000} million pixels at most, got {size}; shrink it first"
    )


def _pixels_in(message: str) -> str:
    """How many pixels Pillow's refusal names; it refuses before the size can be asked for."""
    found = re.search(r"\((\d+) pixels\)", message)
    return f"{int(found[1]) / 1e6:.0f} million" if found else "more"


def _is_empty(source: str | os.PathLike[str] | IO[bytes]) -> bool:
    if isinstance(source, (str, os.PathLike)):
        return Path(source).stat().st_size == 0
    return source.seek(0, os.SEEK_END) == 0


def _upright(picture: Image.Image, name: str, planes: int) -> Image.Image:
    picture.load()
    upright = ImageOps.exif_transpose(picture) if _has_orientation(picture) else picture
    return upright.convert("RGBA") if planes == 4 else _to_rgb(upright, name)


def _has_orientation(picture: Image.Image) -> bool:
    try:
        return bool(picture.getexif().get(0x0112, 1) != 1)
    except (SyntaxError, ValueError, TypeError, KeyError, OSError):
        return False  # broken EXIF says nothing about orientation; the pixels are still good


def _is_sideways(picture: Image.Image) -> bool:
    if picture.format == "PNG" and "exif" not in picture.info:
        return False  # Pillow would decode all of it to look for one behind the pixels
    try:
        return picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except (SyntaxError, ValueError, TypeError, KeyError, OSError):
        return False  # as in _has_orientation


def _to_rgb(picture: Image.Image, name: str) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    if picture.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I"):
        high_byte = (np.asarray(picture).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8)
        return Image.fromarray(high_byte).convert("RGB")
    if picture.mode == "F":
        raise ImageError(f"{name}: float pictures have no stated range; save it as 8-bit first")
    return picture.convert("RGB")
