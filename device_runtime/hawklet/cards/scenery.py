"""Backgrounds: walls, woods, grass, rooms out of focus and clutter, drawn from random numbers.

Everything returns ``uint8 [H, W, 3]`` RGB unless it says otherwise, and takes its chances from the generator it is
given, so that the same seed draws the same picture.
"""

from __future__ import annotations

import colorsys
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from hawklet.spec import Pixels

_Field = NDArray[np.floating[Any]]
_Rgb = tuple[int, int, int]


def draw_scenery(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Draw one background, without any card: a texture, or two that meet, with clutter, blurred as by distance."""
    picture = _texture(rng, width, height)
    if rng.random() < 0.45:
        picture = _join(picture, _texture(rng, width, height), rng)
    if rng.random() < 0.75:
        picture = _add_clutter(picture, rng)
    if rng.random() < 0.5:
        radius = rng.uniform(0.5, 0.012 * width + 0.6)
        picture = picture.filter(ImageFilter.GaussianBlur(radius))
    return np.array(picture, np.uint8)


def draw_colour(rng: np.random.Generator, saturation: float = 0.7) -> _Rgb:
    """Choose a colour; most are rather dull, as most things are, and none is more saturated than ``saturation``."""
    return _rgb(rng.random(), saturation * rng.random() ** 1.4, rng.uniform(0.12, 0.98))


def _rgb(hue: float, saturation: float, value: float) -> _Rgb:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(1.0, saturation), min(1.0, value))
    return round(red * 255), round(green * 255), round(blue * 255)


def noise_field(rng: np.random.Generator, width: int, height: int, cells_x: float, cells_y: float) -> _Field:
    """Draw smooth noise with about so many cells across and down: ``float32 [H, W]``, 0..1."""
    grid = rng.random((max(2, round(cells_y) + 1), max(2, round(cells_x) + 1)), dtype=np.float32)
    field = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(field).clip(0.0, 1.0)


def _octaves(rng: np.random.Generator, width: int, height: int, cells: float, count: int) -> _Field:
    """Add noise of ever finer cells, each half as strong as the one before (Perlin's fractal sum)."""
    total = np.zeros((height, width), np.float32)
    for octave in range(count):
        fine = cells * 2**octave
        total += noise_field(rng, width, height, fine, fine * height / width) * 0.5**octave
    return total / sum(0.5**octave for octave in range(count))


def _blend(share: _Field, low: _Rgb, high: _Rgb) -> Image.Image:
    first, second = np.array(low, np.float32), np.array(high, np.float32)
    mixed = first + np.asarray(share, np.float32)[..., None].clip(0.0, 1.0) * (second - first)
    return Image.fromarray(mixed.astype(np.uint8))


def _plain(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    across, down = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    angle = rng.uniform(0, 2 * math.pi)
    slope = 0.5 + 0.35 * (math.cos(angle) * across[None] + math.sin(angle) * down[:, None])
    rough = slope + 0.08 * (_octaves(rng, width, height, 24, 2) - 0.5)
    return _blend(rough, draw_colour(rng), draw_colour(rng))


def _clouds(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    field = _octaves(rng, width, height, rng.uniform(2, 10), 5)
    contrast = rng.uniform(1.0, 2.4)
    return _blend((field - 0.5) * contrast + 0.5, draw_colour(rng), draw_colour(rng))


def _grass(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    blades = noise_field(rng, width, height, width / rng.uniform(1.5, 4), height / rng.uniform(8, 22))
    patches = _octaves(rng, width, height, 4, 3)
    hue = rng.uniform(0.15, 0.38)
    dark, light = _rgb(hue, 0.75, rng.uniform(0.12, 0.3)), _rgb(hue - 0.03, 0.55, rng.uniform(0.5, 0.85))
    return _blend(0.6 * blades + 0.5 * patches - 0.05, dark, light)


def _wood(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    grain = noise_field(rng, width, height, rng.uniform(1.5, 5), height / rng.uniform(2, 5))
    rings = noise_field(rng, width, height, 3, rng.uniform(8, 20))
    picture = _blend(0.55 * grain + 0.45 * rings, _rgb(0.07, 0.6, 0.25), _rgb(rng.uniform(0.06, 0.11), 0.5, 0.8))
    draw = ImageDraw.Draw(picture)
    plank = rng.uniform(0.12, 0.4) * height
    for line in np.arange(rng.uniform(0, plank), height, plank):
        draw.line([(0, float(line)), (width, float(line))], fill=(40, 26, 16), width=max(1, round(height / 150)))
    return picture.rotate(90) if rng.random() < 0.4 and width == height else picture


def _bricks(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    mortar, hue = draw_colour(rng, 0.15), rng.choice([0.02, 0.05, 0.09, 0.6])
    picture = Image.new("RGB", (width, height), mortar)
    draw = ImageDraw.Draw(picture)
    tall = rng.uniform(0.04, 0.14) * height
    wide, gap = tall * rng.uniform(1.0, 2.8), max(1.0, tall * 0.08)
    value, saturation = rng.uniform(0.35, 0.8), rng.uniform(0.05, 0.65)
    for row in range(int(height / tall) + 1):
        shift = -wide * (0.5 * (row % 2))
        for column in range(int(width / wide) + 2):
            x, y = column * wide + shift, row * tall
            colour = _rgb(hue + rng.normal(0, 0.01), saturation, value * rng.uniform(0.8, 1.15))
            draw.rectangle([x, y, x + wide - gap, y + tall - gap], fill=colour)
    rough = _octaves(rng, width, height, 40, 2)[..., None] * 0.4 + 0.8
    return Image.fromarray((np.asarray(picture) * rough).clip(0, 255).astype(np.uint8))


def _stripes(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, period = rng.uniform(0, math.pi), rng.uniform(0.03, 0.3) * width
    phase = (x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / period)
    wave = np.sin(phase) * rng.uniform(0.6, 8.0)
    return _blend(wave * 0.5 + 0.5, draw_colour(rng), draw_colour(rng))


def _lights(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Draw what a room or street out of focus looks like: large soft discs over darkness or daylight."""
    picture = _clouds(rng, width, height)
    layer = ImageDraw.Draw(picture, "RGBA")
    for _ in range(rng.integers(10, 40)):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.02, 0.13) * width
        layer.ellipse([x - r, y - r, x + r, y + r], fill=(*draw_colour(rng, 0.9), int(rng.integers(50, 200))))
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.004, 0.03) * width))


_TEXTURES = (_plain, _plain, _clouds, _clouds, _grass, _wood, _bricks, _stripes, _lights, _lights)


def _texture(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    return _TEXTURES[rng.integers(len(_TEXTURES))](rng, width, height)


def _join(above: Image.Image, below: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Let two textures meet at a slanting edge: a wall and a floor, a meadow and a house."""
    width, height = above.size
    left, right = rng.uniform(0.15, 0.85) * height, rng.uniform(0.15, 0.85) * height
    mask = Image.new("L", above.size, 0)
    ImageDraw.Draw(mask).polygon([(0, left), (width, right), (width, height), (0, height)], fill=255)
    if rng.random() < 0.3 and width == height:
        mask = mask.rotate(90)
    return Image.composite(below, above, mask.filter(ImageFilter.GaussianBlur(1.0)))


def _add_clutter(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    draw = ImageDraw.Draw(picture, "RGBA")
    shapes = (_clutter_box, _clutter_disc, _clutter_polygon, _clutter_pole, _clutter_writing)
    for _ in range(rng.integers(2, 14)):
        shapes[rng.integers(len(shapes))](draw, rng, picture.size)
    return picture


def _place(rng: np.random.Generator, size: tuple[int, int], least: float, most: float) -> tuple[float, float, float]:
    width, height = size
    return rng.uniform(0, width), rng.uniform(0, height), rng.uniform(least, most) * min(width, height)


def _ink(rng: np.random.Generator, saturation: float = 0.9) -> tuple[int, int, int, int]:
    return (*draw_colour(rng, saturation), int(rng.integers(150, 256)))


def _clutter_box(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int]) -> None:
    x, y, side = _place(rng, size, 0.04, 0.4)
    tall = side * rng.uniform(0.4, 2.2)
    draw.rounded_rectangle([x, y, x + side, y + tall], radius=side * rng.uniform(0, 0.2), fill=_ink(rng))


def _clutter_disc(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int]) -> None:
    x, y, r = _place(rng, size, 0.02, 0.2)
    rim = round(r * rng.uniform(0.05, 0.4)) if rng.random() < 0.4 else 0
    draw.ellipse([x - r, y - r, x + r, y + r], fill=_ink(rng, 1.0), outline=_ink(rng, 1.0), width=rim)


def _clutter_polygon(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int]) -> None:
    x, y, r = _place(rng, size, 0.03, 0.22)
    corners, turn = int(rng.choice([3, 3, 4, 5, 6, 8])), rng.uniform(0, 2 * math.pi)
    wobble = rng.uniform(0.8, 1.2, corners)
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    points = [(x + r * w * math.cos(a), y + r * w * math.sin(a)) for a, w in zip(angles, wobble, strict=True)]
    draw.polygon(points, fill=_ink(rng, 1.0))


def _clutter_pole(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int]) -> None:
    x, _, thick = _place(rng, size, 0.01, 0.07)
    lean = rng.normal(0, 0.15) * size[1]
    draw.line([(x, 0), (x + lean, size[1])], fill=_ink(rng, 0.4), width=max(1, round(thick)))


def _clutter_writing(draw: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int]) -> None:
    """Draw a page with lines of text, so that white paper alone says nothing."""
    x, y, side = _place(rng, size, 0.12, 0.45)
    draw.rectangle([x, y, x + side, y + side * 1.2], fill=(245, 244, 238, 255))
    ink = _ink(rng, 0.6)
    for line in range(int(rng.integers(2, 9))):
        top = y + side * (0.1 + 0.12 * line)
        draw.rectangle([x + side * 0.1, top, x + side * rng.uniform(0.4, 0.9), top + side * 0.05], fill=ink)
