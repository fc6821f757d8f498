"""What a picture file holds by its content, against what its name says."""

from __future__ import annotations

from pathlib import PurePath

_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
_SUFFIXES = {
    "": (),
    "JPEG": _JPEG,
    "MPO": (*_JPEG, ".mpo"),
    "PNG": (".png",),
    "BMP": (".bmp", ".dib"),
    "DIB": (".bmp", ".dib"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heif", ".hif"),
}
FORMATS = tuple(_SUFFIXES)
"""In Pillow's words; the first stands for any other."""
_KNOWN = frozenset(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
# ISO 14496-12 files say their brand after "ftyp". A phone's HEIC that was renamed to .jpg is what is met most.
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1")


def number_of(name: str) -> int:
    """Position in :data:`FORMATS`."""
    return FORMATS.index(name) if name in _SUFFIXES else 0


def suffix_fits(path: PurePath, name: str) -> bool:
    """Whether a file's name may end so for a format; names that say nothing of a known format fit every one."""
    suffix = path.suffix.lower()
    return not name or name not in _SUFFIXES or suffix not in _KNOWN or suffix in _SUFFIXES[name]


def is_heif(head: bytes) -> bool:
    """Whether a file begins as HEIC and HEIF do; at least 12 bytes are needed."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS
