"""Whether a file's EXIF says rightly how its picture is to be turned.

Tags by CIPA DC-008 (Exif 2.32): Orientation 0x0112 (1: as it is, 2-4: mirrored or upside down, 5-8: lying on a side),
PixelXDimension 0xA002, PixelYDimension 0xA003.
"""

from __future__ import annotations

from enum import IntEnum

from PIL import ExifTags, Image

_ON_A_SIDE = (5, 6, 7, 8)


class ExifState(IntEnum):
    """What EXIF says of a picture's orientation."""

    UPRIGHT = 0
    """Nothing, or that it is as it should be."""
    TURNED = 1
    """That it is to be turned; programs that do not look at EXIF show it otherwise."""
    TURNED_ALREADY = 2
    """That it is to be turned, but it has been: the picture has the width and height that EXIF gives the other way
    round."""
    IMPOSSIBLE = 3
    """An orientation other than 1 to 8."""
    BROKEN = 4
    """It cannot be read."""


def exif_state(picture: Image.Image, size: tuple[int, int]) -> ExifState:
    """Judge an opened picture's EXIF.

    Args:
        picture: As Pillow opened it.
        size: Width and height as stored in the file, pixels.
    """
    try:
        exif = picture.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        if orientation == 1:
            return ExifState.UPRIGHT
        if orientation not in range(1, 9):
            return ExifState.IMPOSSIBLE
        if orientation in _ON_A_SIDE and _gives_size(exif, size[::-1]) and size[0] != size[1]:
            return ExifState.TURNED_ALREADY
        return ExifState.TURNED
    except (SyntaxError, ValueError, TypeError, KeyError, OSError):
        return ExifState.BROKEN


def _gives_size(exif: Image.Exif, size: tuple[int, int]) -> bool:
    tags = exif.get_ifd(ExifTags.IFD.Exif)
    return (tags.get(ExifTags.Base.ExifImageWidth), tags.get(ExifTags.Base.ExifImageHeight)) == size
