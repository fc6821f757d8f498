"""The six cards: traffic-sign-like artwork drawn by this module alone, so that it may be printed and passed on freely.

Coordinates here are shares of the sign's width: (0, 0) is the top left corner, (1, 1) the bottom right one.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw, ImageFont

from hawklet.errors import UsageError

_OVERSAMPLING = 4
_PAPER_MARGIN = 0.06
_Point = tuple[float, float]

_RED = (196, 22, 28, 255)
_BLUE = (18, 84, 172, 255)
_WHITE = (250, 250, 248, 255)
_BLACK = (22, 22, 24, 255)
_PAPER = (252, 251, 247, 255)
_CLEAR = (0, 0, 0, 0)
_Colour = tuple[int, int, int, int]


class _Pen:
    """Draws in shares of the sign's width on a picture that is larger than wanted, for smooth edges."""

    def __init__(self, pixels: int) -> None:
        self.scale = pixels * _OVERSAMPLING
        self.picture = Image.new("RGBA", (self.scale, self.scale), _CLEAR)
        self.draw = ImageDraw.Draw(self.picture)

    def disc(self, centre: _Point, radius: float, colour: _Colour) -> None:
        (x, y), r, s = centre, radius, self.scale
        self.draw.ellipse([(x - r) * s, (y - r) * s, (x + r) * s, (y + r) * s], fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, corner: float, colour: _Colour) -> None:
        s = self.scale
        self.draw.rounded_rectangle([left * s, top * s, right * s, bottom * s], radius=corner * s, fill=colour)

    def polygon(self, points: Sequence[_Point], colour: _Colour) -> None:
        self.draw.polygon([(x * self.scale, y * self.scale) for x, y in points], fill=colour)

    def limb(self, points: Sequence[_Point], width: float, colour: _Colour) -> None:
        """Draw a line through ``points`` with round joints and ends."""
        for start, end in itertools.pairwise(points):
            across = math.atan2(end[1] - start[1], end[0] - start[0]) + math.pi / 2
            dx, dy = math.cos(across) * width / 2, math.sin(across) * width / 2
            sides = [(start[0] + dx, start[1] + dy), (start[0] - dx, start[1] - dy)]
            self.polygon([*sides, (end[0] - dx, end[1] - dy), (end[0] + dx, end[1] + dy)], colour)
        for point in points:
            self.disc(point, width / 2, colour)

    def text(self, words: str, centre: _Point, width: float, weight: float, colour: _Colour) -> None:
        """Write ``words`` so wide, with strokes thickened by ``weight`` on each side."""
        s = self.scale
        stroke = round(weight * s)
        probe = ImageFont.load_default(100)
        natural = self.draw.textlength(words, font=probe) / 100
        font = ImageFont.load_default(max(1, round((width * s - 2 * stroke) / natural)))
        at = (centre[0] * s, centre[1] * s)
        self.draw.text(at, words, fill=colour, font=font, anchor="mm", stroke_width=stroke, stroke_fill=colour)

    def finished(self, pixels: int) -> Image.Image:
        return self.picture.resize((pixels, pixels), Image.Resampling.LANCZOS)


def _ring(corners: int, radius: float, turn: float = 0.0, centre: _Point = (0.5, 0.5)) -> list[_Point]:
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    return [(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in angles]


def _rounded(pen: _Pen, points: Sequence[_Point], radius: float, colour: _Colour) -> None:
    pen.polygon(points, colour)
    pen.limb([*points, points[0]], 2 * radius, colour)


def _stop(pen: _Pen) -> None:
    eighth = math.pi / 8
    pen.polygon(_ring(8, 0.535, eighth), _WHITE)
    pen.polygon(_ring(8, 0.495, eighth), _RED)
    pen.text("STOP", (0.5, 0.5), 0.74, 0.014, _WHITE)


def _no_entry(pen: _Pen) -> None:
    pen.disc((0.5, 0.5), 0.495, _WHITE)
    pen.disc((0.5, 0.5), 0.465, _RED)
    pen.box(0.16, 0.42, 0.84, 0.58, 0.015, _WHITE)


def _speed_30(pen: _Pen) -> None:
    pen.disc((0.5, 0.5), 0.495, _RED)
    pen.disc((0.5, 0.5), 0.385, _WHITE)
    pen.text("30", (0.5, 0.5), 0.56, 0.012, _BLACK)


def _turn(pen: _Pen, forward: Callable[[float], float]) -> None:
    pen.disc((0.5, 0.5), 0.495, _WHITE)
    pen.disc((0.5, 0.5), 0.465, _BLUE)
    # A shaft that rises and bends towards the side that is meant, and its head.
    pen.limb([(forward(0.34), 0.76), (forward(0.34), 0.50), (forward(0.40), 0.44), (forward(0.62), 0.44)], 0.11, _WHITE)
    pen.polygon([(forward(0.58), 0.24), (forward(0.84), 0.44), (forward(0.58), 0.64)], _WHITE)


def _turn_right(pen: _Pen) -> None:
    _turn(pen, lambda x: x)


def _turn_left(pen: _Pen) -> None:
    _turn(pen, lambda x: 1.0 - x)


def _pedestrians(pen: _Pen) -> None:
    _rounded(pen, [(0.5, 0.09), (0.955, 0.875), (0.045, 0.875)], 0.045, _RED)
    _rounded(pen, [(0.5, 0.25), (0.815, 0.79), (0.185, 0.79)], 0.02, _WHITE)
    pen.disc((0.515, 0.365), 0.045, _BLACK)
    pen.limb([(0.50, 0.46), (0.485, 0.59)], 0.085, _BLACK)
    pen.limb([(0.485, 0.60), (0.545, 0.68), (0.575, 0.775)], 0.05, _BLACK)
    pen.limb([(0.48, 0.60), (0.455, 0.69), (0.395, 0.765)], 0.05, _BLACK)
    pen.limb([(0.515, 0.45), (0.56, 0.53), (0.615, 0.555)], 0.034, _BLACK)
    pen.limb([(0.485, 0.45), (0.435, 0.515), (0.415, 0.585)], 0.034, _BLACK)


_ARTWORK: dict[str, Callable[[_Pen], None]] = {
    "stop": _stop,
    "no-entry": _no_entry,
    "speed-30": _speed_30,
    "turn-left": _turn_left,
    "turn-right": _turn_right,
    "pedestrians": _pedestrians,
}

CARDS = tuple(_ARTWORK)
"""Names of the six cards. ``turn-left`` and ``turn-right`` mirror each other, so training must not flip pictures."""


@functools.lru_cache(maxsize=64)
def _drawn_sign(name: str, pixels: int) -> Image.Image:
    pen = _Pen(pixels)
    _ARTWORK[name](pen)
    return pen.finished(pixels)


def draw_sign(name: str, pixels: int) -> Image.Image:
    """Draw a sign without its paper, as if cut out along its edge.

    Args:
        name: One of :data:`CARDS`.
        pixels: Width and height of the picture.

    Returns:
        An RGBA picture, transparent around the sign; alpha is straight, not premultiplied.

    Raises:
        UsageError: there is no such card.
    """
    if name not in _ARTWORK:
        raise UsageError(f"a card must be one of {', '.join(CARDS)}, got {name!r}")
    return _drawn_sign(name, pixels).copy()


@functools.lru_cache(maxsize=64)
def _drawn_paper(pixels: int) -> Image.Image:
    pen = _Pen(pixels)
    pen.box(0.0, 0.0, 1.0, 1.0, 0.035, _PAPER)
    return pen.finished(pixels)


def draw_paper(pixels: int) -> Image.Image:
    """Draw the blank square of paper that a card is printed on: RGBA, its corners rounded and transparent."""
    return _drawn_paper(pixels).copy()


def draw_card(name: str, pixels: int) -> Image.Image:
    """Draw a sign on its square of white paper, as it is printed: RGBA, ``pixels`` wide and high.

    Raises:
        UsageError: there is no such card.
    """
    margin = round(pixels * _PAPER_MARGIN)
    card = draw_paper(pixels)
    card.alpha_composite(draw_sign(name, pixels - 2 * margin), (margin, margin))
    return card
