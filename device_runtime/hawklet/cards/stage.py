"""A stage on which cards are shown one after another: every frame of an endless film, by its number.

A scene has its background, light and card; it is drawn once, and a frame of it only pans, warps and blurs, so that a
board can draw it beside the model that watches.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from hawklet.cards.artwork import CARDS, draw_card
from hawklet.cards.photography import light, project_card, smear, warp
from hawklet.cards.scenery import draw_scenery
from hawklet.errors import UsageError
from hawklet.spec import Pixels

ENTRY_SECONDS = 0.35
"""How long a card takes to come in at a scene's start and to leave at its end; nothing is said to be shown then."""

_PAN = 0.06
_CARD_PIXELS = 400
_SHUTTER = 0.6  # share of the frame time for which the shutter is open; with it a moving card blurs


@dataclass(frozen=True)
class Programme:
    """What decides every pixel of every frame."""

    seed: int = 0
    seconds: float = 3.0
    """Length of a scene, seconds; each shows one card."""
    width: int = 640
    """Pixels."""
    height: int = 480
    """Pixels."""
    fps: float = 30.0
    """Frames per second."""

    def __post_init__(self) -> None:
        _require(self.seed >= 0, "seed must be 0 or more", self.seed)
        _require(1.0 <= self.seconds <= 3600, "seconds must be 1 to 3600", self.seconds)
        _require(
            64 <= self.width <= 4096 and 64 <= self.height <= 4096,
            "size must be 64x64 to 4096x4096",
            f"{self.width}x{self.height}",
        )
        _require(1 <= self.fps <= 240, "fps must be 1 to 240", self.fps)

    @property
    def frames_per_scene(self) -> int:
        return round(self.seconds * self.fps)

    def card(self, scene: int) -> str:
        """Name the card of a scene: six scenes show all six, and no card comes twice in a row."""
        cycle, turn = divmod(scene, len(CARDS))
        order = self._shuffled(cycle)
        if cycle and order[0] == self._shuffled(cycle - 1)[-1]:
            order[0], order[1] = order[1], order[0]
        return order[turn]

    def _shuffled(self, cycle: int) -> list[str]:
        return [str(name) for name in np.random.default_rng([self.seed, 0, cycle]).permutation(CARDS)]


def _require(holds: bool, rule: str, got: object) -> None:
    if not holds:
        raise UsageError(f"synthetic://: {rule}, got {got}")


class Stage:
    """Draws the frames of a :class:`Programme`; the same number always gives the same frame."""

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self._scene = functools.lru_cache(maxsize=2)(functools.partial(_Scene, programme))
        self._grain = _film_grain(programme)

    def frame(self, number: int) -> tuple[Pixels, str | None]:
        """Draw one frame.

        Returns:
            ``uint8 [height, width, 3]`` RGB, and the name of the card shown, or None while one comes or goes.
        """
        scene, position = divmod(number, self.programme.frames_per_scene)
        seen, truth = self._scene(scene).seen(position / self.programme.fps)
        grain = self._grain.crop(_window(number, self._grain.size, seen.size))
        return np.array(ImageChops.add(seen, grain, 1.0, -128), np.uint8), truth


def _film_grain(programme: Programme) -> Image.Image:
    rng = np.random.default_rng([programme.seed, 1])
    shape = (programme.height + 61, programme.width + 67, 3)
    return Image.fromarray((128 + 4.5 * rng.standard_normal(shape, np.float32)).clip(0, 255).astype(np.uint8))


def _window(number: int, large: tuple[int, int], small: tuple[int, int]) -> tuple[int, int, int, int]:
    # Steps of two primes visit the spare pixels in an order that the eye does not follow.
    left, top = number * 29 % (large[0] - small[0]), number * 37 % (large[1] - small[1])
    return left, top, left + small[0], top + small[1]


class _Sway:
    """A smooth to and fro about a middle value."""

    def __init__(self, rng: np.random.Generator, middle: float, reach: float, slowest: float, fastest: float) -> None:
        self.middle, self.reach = middle, reach
        self.speed = 2 * math.pi / rng.uniform(fastest, slowest)  # radians a second, of periods in seconds
        self.phase = rng.uniform(0, 2 * math.pi)

    def at(self, seconds: float) -> float:
        return self.middle + self.reach * math.sin(self.speed * seconds + self.phase)


class _Scene:
    """One card before one background, under one light."""

    def __init__(self, programme: Programme, number: int) -> None:
        rng = np.random.default_rng([programme.seed, 2, number])
        self.programme = programme
        self.name = programme.card(number)
        self.size = (programme.width, programme.height)
        self.card = draw_card(self.name, _CARD_PIXELS)
        lamps = light(rng, round(programme.width * (1 + 2 * _PAN)), round(programme.height * (1 + 2 * _PAN)))
        lamps = lamps.clip(0.45, 1.5)
        scenery = draw_scenery(rng, lamps.shape[1], lamps.shape[0])
        self.background = Image.fromarray((scenery * lamps).clip(0, 255).astype(np.uint8))
        self.lamps = lamps[::16, ::16].copy()
        self._set_in_motion(rng)

    def _set_in_motion(self, rng: np.random.Generator) -> None:
        short = min(self.size)
        side = short * rng.uniform(0.38, 0.62)
        room = (short - 1.1 * side) / 2
        self.side = _Sway(rng, side, 0.08 * side, 8, 3)
        self.x = _Sway(rng, self.size[0] / 2 + rng.uniform(-0.2, 0.2) * room, 0.7 * room, 5, 1.6)
        self.y = _Sway(rng, self.size[1] / 2 + rng.uniform(-0.2, 0.2) * room, 0.6 * room, 5, 1.8)
        self.roll = _Sway(rng, rng.uniform(-0.1, 0.1), 0.16, 7, 2.5)
        self.yaw = _Sway(rng, rng.uniform(-0.15, 0.15), 0.35, 7, 3)
        self.pitch = _Sway(rng, rng.uniform(-0.1, 0.1), 0.25, 7, 3)
        self.pan_x, self.pan_y = _Sway(rng, 0, _PAN, 12, 5), _Sway(rng, 0, _PAN, 12, 5)
        angle = rng.uniform(0, 2 * math.pi)
        self.away = np.array([math.cos(angle), math.sin(angle)]) * 0.75 * math.hypot(*self.size)

    def seen(self, seconds: float) -> tuple[Image.Image, str | None]:
        canvas = self._panned(seconds)
        centre, absence = self._centre(seconds), self._absence(seconds)
        corners = project_card(
            (float(centre[0]), float(centre[1])),
            self.side.at(seconds),
            self.roll.at(seconds),
            self.yaw.at(seconds),
            self.pitch.at(seconds),
        )
        self._paste(canvas, corners, self._moved(seconds))
        return canvas, self.name if absence == 0 else None

    def _panned(self, seconds: float) -> Image.Image:
        width, height = self.size
        left = round((_PAN + self.pan_x.at(seconds)) * width * 0.98)
        top = round((_PAN + self.pan_y.at(seconds)) * height * 0.98)
        return self.background.crop((left, top, left + width, top + height))

    def _centre(self, seconds: float) -> NDArray[np.float64]:
        resting = np.array([self.x.at(seconds), self.y.at(seconds)])
        return np.asarray(resting + self.away * self._absence(seconds))

    def _absence(self, seconds: float) -> float:
        """How far off the stage the card is, 0 (in its place) to 1 (out of sight)."""
        before, after = ENTRY_SECONDS - seconds, seconds - (self.programme.seconds - ENTRY_SECONDS)
        return max(0.0, before, after) ** 2 / ENTRY_SECONDS**2

    def _moved(self, seconds: float) -> NDArray[np.float64]:
        """The card's way while the shutter is open, pixels (x, y)."""
        return self._centre(seconds) - self._centre(seconds - _SHUTTER / self.programme.fps)

    def _paste(self, canvas: Image.Image, corners: NDArray[np.float64], moved: NDArray[np.float64]) -> None:
        length = min(float(np.hypot(*moved)), 0.25 * min(self.size))
        if not _touches(corners, length, self.size):
            return
        patch, (left, top) = warp(self.card, corners, margin=2 + math.ceil(length / 2))
        patch = patch.point(self._brightness(corners.mean(axis=0)))
        if length >= 1.0:
            patch = smear(patch, length, math.atan2(moved[1], moved[0]))
        canvas.paste(patch, (left, top), patch)

    def _brightness(self, at: NDArray[np.float64]) -> list[int]:
        """Tables of 256 levels for red, green, blue and alpha, for the light where the card is."""
        rows, columns = self.lamps.shape[:2]
        row = int(np.clip(at[1] / self.size[1] * rows, 0, rows - 1))
        column = int(np.clip(at[0] / self.size[0] * columns, 0, columns - 1))
        levels = np.arange(256)
        lit = [(levels * factor).clip(0, 255).astype(int) for factor in self.lamps[row, column]]
        return [int(level) for level in np.concatenate([*lit, levels])]


def _touches(corners: NDArray[np.float64], spare: float, size: tuple[int, int]) -> bool:
    low, high = corners.min(axis=0) - spare, corners.max(axis=0) + spare
    return bool(high[0] > 0 and high[1] > 0 and low[0] < size[0] and low[1] < size[1])
