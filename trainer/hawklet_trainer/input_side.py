"""``--imgsz auto``: which input side suits the pictures and the board, and why.

The network's own, which its weights were pretrained with; less where the pictures are so small that they would be
enlarged more than three times, and less where the board's processor is slow, since time goes with the square of the
side. docs/decisions/0120 has the figures.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hawklet.errors import ImageError, UsageError
from hawklet_trainer.data import Photo, PhotoSet
from hawklet_trainer.data.photo_set import SPLITS
from hawklet_trainer.imgsz_option import HOST
from hawklet_trainer.models.entry import STRIDE, ModelEntry

LEAST_PROPOSED = 96
"""Pixels; a network that halves its input five times has three places a side to look at there."""
MOST_ENLARGED = 3
"""Pretrained features of a small picture get better the more it is enlarged; most of that is had by then."""
_MOST_LOOKED_AT = 500
"""Pictures whose size is looked at; more tell no more."""


@dataclass(frozen=True)
class _SlowBoard:
    parts: int
    """Of seven parts of the network's native side: 192 of 224 pixels are six, 160 are five."""
    why: str


_SLOW_BOARDS = {
    "pizero2": _SlowBoard(5, "its Cortex-A53 cores are small, without int8 dot products"),
    "pi3": _SlowBoard(5, "its Cortex-A53 cores are small, without int8 dot products"),
    "pi4": _SlowBoard(6, "its Cortex-A72 cores have no int8 dot products"),
    "jetson-nano": _SlowBoard(6, "its Cortex-A57 cores have no int8 dot products"),
}
"""By the name that ``--target`` takes; other boards take the native side."""


@dataclass(frozen=True)
class Proposal:
    """An input side, and the reason for it."""

    side: int
    """Pixels; one that the network takes."""
    reason: str
    """For a person, half a line."""


def propose_side(photos: PhotoSet, entry: ModelEntry, target: str = HOST, seen: float = 1.0) -> Proposal:
    """Propose the side of a square input.

    Args:
        photos: What is trained on; the sizes of some of them are read, not their pixels.
        entry: The network; its native side is the most that is proposed.
        target: The board, as ``--target`` names it; a slow one is given five or six sevenths of the native side.
        seen: Share of a picture's shorter side that the network is shown.

    Returns:
        The native side, or a smaller multiple of 32.
    """
    board, pictures = _for_board(target, entry), _for_pictures(photos, entry, seen)
    return pictures if pictures.side < board.side else board


def _for_board(target: str, entry: ModelEntry) -> Proposal:
    slow = _SLOW_BOARDS.get(target)
    if slow is None:
        return Proposal(entry.side, f"the side that {entry.name} is made for")
    side = max(_multiple(entry.side * slow.parts / 7), _least(entry))
    share = (side / entry.side) ** 2
    return Proposal(side, f"for {target} {share:.2f} of the time that {entry.side} takes, since {slow.why}")


def _for_pictures(photos: PhotoSet, entry: ModelEntry, seen: float) -> Proposal:
    shown = median_short_side([photo for split in SPLITS for photo in photos.items(split)]) * seen
    side = max(_multiple(MOST_ENLARGED * shown), _least(entry))
    pixels = f"the {shown:.0f} pixels that the middle one of the pictures shows of its shorter side"
    return Proposal(side, f"{side / shown:.1f} times {pixels}")


def _least(entry: ModelEntry) -> int:
    return max(LEAST_PROPOSED, entry.least_multiple)


def _multiple(pixels: float) -> int:
    return round(pixels / STRIDE) * STRIDE


def median_short_side(photos: Sequence[Photo]) -> float:
    """The middle one of the shorter sides of some pictures, evenly chosen, pixels.

    Raises:
        UsageError: none of them says its size.
    """
    step = -(-len(photos) // _MOST_LOOKED_AT) or 1
    sides = [side for photo in photos[::step] if (side := _short_side(photo)) is not None]
    if not sides:
        raise UsageError("--imgsz auto needs pictures that say their size, and none does; give --imgsz in pixels")
    return statistics.median(sides)


def _short_side(photo: Photo) -> int | None:
    try:
        header = photo.place.header()
    except ImageError:
        return None
    return min(header.width, header.height)
