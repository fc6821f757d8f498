"""One synthetic photo of a card, or of no card: pose, hand, light, lens and sensor.

The steps follow what happens to light on its way: the card hangs in space before a background, something covers part
of it, lamps and shadows fall on both, the lens blurs, the sensor adds noise, and the file is compressed.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from hawklet.cards.artwork import CARDS, draw_card, draw_paper, draw_sign
from hawklet.cards.scenery import draw_colour, draw_scenery, noise_field
from hawklet.errors import UsageError
from hawklet.spec import Pixels

BACKGROUND = "background"
"""The seventh class: no card is to be seen, so that a model at a camera can say so."""

CLASSES = (*CARDS, BACKGROUND)
"""The class names of the built-in data set."""

MIN_PIXELS = 48
"""Width of the smallest photo; on a smaller one nothing could be told apart."""

_Corners = NDArray[np.float64]
_Light = NDArray[np.floating[Any]]
_ARTWORK_PIXELS = 320
_DARKEST = 50.0  # mean level of the darkest photo, 0..255
_CLEAR = (255, 255, 255, 0)  # white, so that a blurred edge of paper does not turn grey


def photograph(name: str, rng: np.random.Generator, size: int) -> Pixels:
    """Take one synthetic photo.

    Args:
        name: One of :data:`CLASSES`.
        rng: Where all chances come from; the same state gives the same photo.
        size: Width and height of the photo, pixels.

    Returns:
        ``uint8 [size, size, 3]``, RGB.

    Raises:
        UsageError: there is no such class, or the photo would be smaller than :data:`MIN_PIXELS`.
    """
    if name not in CLASSES:
        raise UsageError(f"a photo must show one of {', '.join(CLASSES)}, got {name!r}")
    if size < MIN_PIXELS:
        raise UsageError(f"a photo of a card must be {MIN_PIXELS} pixels wide at least, got {size}")
    canvas = Image.fromarray(draw_scenery(rng, size, size))
    subject = _subject(name, rng)
    corners = random_corners(rng, size, size)
    if subject is not None:
        hang(canvas, subject, corners)
        if rng.random() < 0.5:
            _cover(canvas, corners, rng)
    lit = np.asarray(canvas).astype(np.float32) * light(rng, size, size)
    return _exposed(lit, _side(corners), rng)


def _side(corners: _Corners) -> float:
    """Mean side of a card in the picture, pixels."""
    return float(np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1).mean())


def _subject(name: str, rng: np.random.Generator) -> Image.Image | None:
    if name == BACKGROUND:
        # Sometimes a blank card or its back, so that neither paper nor a hand stands for a sign.
        return draw_paper(_ARTWORK_PIXELS) if rng.random() < 0.25 else None
    draw = draw_sign if rng.random() < 0.25 else draw_card
    return draw(name, _ARTWORK_PIXELS)


def project_card(
    centre: tuple[float, float], side: float, roll: float, yaw: float, pitch: float, distance: float = 3.0
) -> _Corners:
    """Place a square card in space and see where its corners fall in the picture.

    Args:
        centre: Where the card's centre falls, pixels.
        side: Width of the card if it faced the camera, pixels.
        roll: Turn in the picture's plane, radians, clockwise as seen.
        yaw: Turn about the vertical axis, radians.
        pitch: Turn about the horizontal axis, radians.
        distance: Camera to card, in card widths; small gives strong perspective.

    Returns:
        ``float64 [4, 2]``, x and y in pixels: top left, top right, bottom right, bottom left corner of the card.
    """
    card = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]])
    turned = card @ (_about_z(roll) @ _about_y(yaw) @ _about_x(pitch)).T
    nearness = distance / (distance + turned[:, 2:])
    return np.asarray(turned[:, :2] * nearness * side + np.array(centre))


def _about_x(angle: float) -> NDArray[np.float64]:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(angle: float) -> NDArray[np.float64]:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _about_z(angle: float) -> NDArray[np.float64]:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def random_corners(rng: np.random.Generator, width: int, height: int) -> _Corners:
    """Hold a card somewhere so that it fills 25 to 90 % of the shorter side and hardly leaves the picture."""
    short = min(width, height)
    side = short * rng.uniform(0.25, 0.9)
    room_x, room_y = max(0.0, (width - side) / 2), max(0.0, (height - side) / 2)
    centre = (width / 2 + rng.uniform(-1, 1) * room_x, height / 2 + rng.uniform(-1, 1) * room_y)
    roll, yaw, pitch = (math.radians(angle) for angle in (rng.uniform(-20, 20), *rng.uniform(-38, 38, 2)))
    return project_card(centre, side, roll, yaw, pitch, distance=rng.uniform(1.8, 5.0))


def hang(canvas: Image.Image, card: Image.Image, corners: _Corners) -> None:
    """Paste an RGBA ``card`` into the RGB ``canvas`` so that its corners fall on ``corners`` (``float64 [4, 2]``)."""
    patch, (left, top) = warp(card, corners)
    canvas.paste(patch, (left, top), patch)


def warp(card: Image.Image, corners: _Corners, margin: int = 1) -> tuple[Image.Image, tuple[int, int]]:
    """See an RGBA ``card`` in perspective.

    Returns:
        The smallest RGBA picture that holds it, with ``margin`` clear pixels around, and where its top left corner
        belongs (x, y; may be negative).
    """
    left, top = np.floor(corners.min(axis=0)).astype(int) - margin
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + margin
    longest = float(np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1).max())
    # Shrinking by area first keeps fine lines from flickering; the warp itself only interpolates.
    fitting = card.resize((max(8, round(longest)),) * 2, Image.Resampling.BOX) if longest < card.width * 0.7 else card
    return _seen(fitting, corners - (left, top), (int(right - left), int(bottom - top))), (int(left), int(top))


def _seen(card: Image.Image, corners: _Corners, size: tuple[int, int]) -> Image.Image:
    # A clear rim, so that the card's outer edge is interpolated too.
    rim = Image.new("RGBA", (card.width + 2, card.height + 2), _CLEAR)
    rim.paste(card, (1, 1))
    source = np.array([[1, 1], [card.width + 1, 1], [card.width + 1, card.height + 1], [1, card.height + 1]], float)
    mapping = _homography(corners, source)
    return rim.transform(size, Image.Transform.PERSPECTIVE, mapping, Image.Resampling.BILINEAR, fillcolor=_CLEAR)


def _homography(seen: _Corners, source: _Corners) -> list[float]:
    """Solve for the eight numbers with which Pillow maps a seen pixel back to its source."""
    rows = []
    for (x, y), (u, v) in zip(seen, source, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    return [float(number) for number in np.linalg.solve(np.array(rows), source.reshape(8))]


def _cover(canvas: Image.Image, corners: _Corners, rng: np.random.Generator) -> None:
    if rng.random() < 0.65:
        _hold(canvas, corners, rng)
    else:
        _cross(canvas, corners, rng)


def _hold(canvas: Image.Image, corners: _Corners, rng: np.random.Generator) -> None:
    """Draw fingers that hold the card by an edge, over at most a fifth of its width."""
    side = int(rng.integers(4))
    start, end = corners[side], corners[(side + 1) % 4]
    inward = corners.mean(axis=0) - (start + end) / 2
    thick = float(np.linalg.norm(end - start)) * rng.uniform(0.08, 0.16)
    skin = np.array([(236, 188, 160), (198, 134, 96), (141, 85, 54), (84, 54, 40), (90, 120, 60)][rng.integers(5)])
    draw = ImageDraw.Draw(canvas)
    at = rng.uniform(0.1, 0.7)
    for _ in range(rng.integers(1, 4)):
        root = start + (end - start) * at
        tip, outside = root + inward * rng.uniform(0.08, 0.34), root - inward * rng.uniform(0.4, 2.0)
        tone = tuple(int(level) for level in (skin * rng.uniform(0.85, 1.1)).clip(0, 255))
        draw.line([*map(tuple, (outside, tip))], fill=tone, width=max(2, round(thick)))
        draw.ellipse([*(tip - thick / 2), *(tip + thick / 2)], fill=tone)
        at += thick * 1.15 / float(np.linalg.norm(end - start))


def _cross(canvas: Image.Image, corners: _Corners, rng: np.random.Generator) -> None:
    """Draw a twig or a bar right across the card."""
    centre, reach = corners.mean(axis=0), float(np.linalg.norm(corners[2] - corners[0]))
    angle = rng.uniform(0, math.pi)
    along = np.array([math.cos(angle), math.sin(angle)])
    middle = centre + np.array([-along[1], along[0]]) * rng.uniform(-0.35, 0.35) * reach
    thick = max(2, round(reach * rng.uniform(0.02, 0.085)))
    ends = [tuple(middle - along * reach), tuple(middle + along * reach)]
    ImageDraw.Draw(canvas).line(ends, fill=draw_colour(rng), width=thick)


def light(rng: np.random.Generator, width: int, height: int) -> _Light:
    """Choose how much light falls where: ``float32 [H, W, 3]`` factors around 1, per colour."""
    across, down = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    angle, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.4)
    slope = 1 + strength * (math.cos(angle) * across[None] + math.sin(angle) * down[:, None])
    falling = slope * rng.uniform(0.5, 1.3)
    if rng.random() < 0.45:
        falling = falling * _shadow(rng, width, height)
    cast = 1 + rng.uniform(-0.16, 0.16, 3).astype(np.float32)
    return np.asarray(falling[..., None] * cast, np.float32)


def _shadow(rng: np.random.Generator, width: int, height: int) -> _Light:
    """Let a shadow fall: soft patches as under a tree, or the edge of something large."""
    if rng.random() < 0.4:
        cells = rng.uniform(2, 7)
        shade = noise_field(rng, width, height, cells, cells)
        return np.asarray(1 - rng.uniform(0.3, 0.7) * (shade > 0.5) * shade, np.float32)
    mask = Image.new("L", (width, height), 255)
    points = [tuple(rng.uniform(-0.4, 1.4, 2) * (width, height)) for _ in range(int(rng.integers(3, 6)))]
    ImageDraw.Draw(mask).polygon(points, fill=int(255 * rng.uniform(0.35, 0.8)))
    soft = mask.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 0.05 * width)))
    return np.asarray(soft).astype(np.float32) / 255


def _exposed(lit: _Light, detail: float, rng: np.random.Generator) -> Pixels:
    """Take the picture of a lit scene in which a card is ``detail`` pixels wide."""
    bent = 255 * (lit.clip(0, 255) / 255) ** math.exp(rng.normal(0, 0.22))
    # A camera exposes longer in the dark.
    exposed = (bent * max(1.0, _DARKEST / float(bent.mean()))).clip(0, 255)
    seen = _through_lens(Image.fromarray(exposed.astype(np.uint8)), detail, rng)
    noisy = np.asarray(seen).astype(np.float32) + _sensor_noise(rng, seen.width, seen.height)
    return _compressed(noisy.clip(0, 255).astype(np.uint8), int(rng.integers(35, 95)))


def _through_lens(picture: Image.Image, detail: float, rng: np.random.Generator) -> Image.Image:
    """Blur by focus or motion, at most so far that a person could still name a card ``detail`` pixels wide."""
    chance = rng.random()
    if chance < 0.35:
        return picture.filter(ImageFilter.GaussianBlur(0.022 * detail * rng.random()))
    if chance < 0.7:
        return smear(picture, 0.11 * detail * rng.random(), rng.uniform(0, math.pi))
    return picture


def smear(picture: Image.Image, length: float, angle: float) -> Image.Image:
    """Blur an RGB or RGBA picture along a line of ``length`` pixels at ``angle`` radians; its edges are repeated."""
    reach = math.ceil(length / 2) + 1
    pixels = np.asarray(picture)
    padded = np.pad(pixels, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    total = np.zeros(pixels.shape, np.uint16)
    shares = np.linspace(-0.5, 0.5, max(2, min(15, math.ceil(length) + 1)))
    for share in shares:
        x, y = reach + round(share * length * math.cos(angle)), reach + round(share * length * math.sin(angle))
        total += padded[y : y + pixels.shape[0], x : x + pixels.shape[1]]
    return Image.fromarray((total // len(shares)).astype(np.uint8))


def _sensor_noise(rng: np.random.Generator, width: int, height: int) -> _Light:
    strength = rng.uniform(0, 16) * (rng.random() < 0.8)
    grain = rng.standard_normal((height, width, 3), dtype=np.float32)
    # Part of a sensor's noise is common to the three colours.
    return np.asarray(strength * (0.6 * grain + 0.6 * grain[..., :1]), np.float32)


def _compressed(pixels: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.array(Image.open(stream).convert("RGB"), np.uint8)
