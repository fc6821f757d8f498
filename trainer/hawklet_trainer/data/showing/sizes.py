"""Sizes, shapes and formats of pictures, by what their files say before they are decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.images import ImageHeader

SHORT_SIDES = (0, 32, 64, 128, 160, 224, 256, 320, 480, 640, 1024, 2048, 4096)
"""Edges of the histogram of shorter sides, pixels; the last bin is open."""
SHAPES = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.11, 1.25, 1.43, 1.67, 2.0, 2.5)
"""Edges of the histogram of width over height; the last bin is open."""


def megapixels(value: float) -> str:
    """With two decimals, and of small pictures two digits."""
    if value >= 0.1:
        return f"{value:.2f}"
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")


@dataclass(frozen=True)
class Spread:
    """The ends and the middle of a figure."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: npt.NDArray[np.float64]) -> Spread:
        """Of at least one value."""
        return cls(float(values.min()), float(np.median(values)), float(values.max()))


@dataclass(frozen=True)
class Bin:
    """One bar of a histogram."""

    begin: float
    end: float | None
    """None: open."""
    count: int


@dataclass(frozen=True)
class Sizes:
    """Figures of pictures that could be opened."""

    pictures: int
    width: Spread
    """Upright, pixels; as is the height."""
    height: Spread
    megapixels: Spread
    shape: Spread
    """Width over height."""
    formats: dict[str, int]
    """The most frequent first."""
    short_sides: tuple[Bin, ...]
    shapes: tuple[Bin, ...]

    @classmethod
    def of(cls, headers: Sequence[ImageHeader]) -> Sizes:
        """Of at least one picture."""
        heights, widths = (np.array([getattr(h, name) for h in headers], float) for name in ("height", "width"))
        return cls(
            len(headers),
            Spread.of(widths),
            Spread.of(heights),
            Spread.of(widths * heights / 1e6),
            Spread.of(widths / heights),
            dict(Counter(header.format for header in headers).most_common()),
            _histogram(np.minimum(widths, heights), SHORT_SIDES),
            _histogram(widths / heights, SHAPES),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "pictures": self.pictures,
            **{name: vars(getattr(self, name)) for name in ("width", "height", "megapixels", "shape")},
            "formats": self.formats,
            "short_sides": [vars(bar) for bar in self.short_sides],
            "shapes": [vars(bar) for bar in self.shapes],
        }


def _histogram(values: npt.NDArray[np.float64], edges: Sequence[float]) -> tuple[Bin, ...]:
    """From the first bin that holds something to the last."""
    where = np.searchsorted(edges, values, side="right") - 1
    counts = np.bincount(where, minlength=len(edges))
    used = np.flatnonzero(counts)
    return tuple(
        Bin(float(edges[i]), float(edges[i + 1]) if i + 1 < len(edges) else None, int(counts[i]))
        for i in range(used[0], used[-1] + 1)
    )
