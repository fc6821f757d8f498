"""How much of a model's accuracy is left when pictures are made worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data import Photo, load_pixels
from hawklet_trainer.evaluation.answers import Model
from hawklet_trainer.evaluation.corruptions import CORRUPTIONS, STRENGTHS, Corruption, corrupted

MOST_PICTURES = 200
"""Every one is shown to the model 31 times."""
_CHUNK = 32


@dataclass(frozen=True)
class CorruptionCurve:
    """Accuracy under one kind of corruption."""

    name: str
    unit: str
    """Of the levels, in words."""
    levels: tuple[float, ...]
    """One for each strength, the weakest first."""
    top1: tuple[float, ...]
    """At each, percent."""

    @property
    def mean(self) -> float:
        """Over the strengths, percent."""
        return float(np.mean(self.top1))


@dataclass(frozen=True)
class Robustness:
    """What corruptions did."""

    pictures: int
    """How many it was measured on."""
    out_of: int
    """How many there were."""
    clean: float
    """Top-1 on the same pictures as they are, percent."""
    curves: tuple[CorruptionCurve, ...]

    @property
    def mean(self) -> float:
        """Top-1 over all kinds and strengths, percent."""
        return float(np.mean([curve.top1 for curve in self.curves]))

    @property
    def relative(self) -> float:
        """:attr:`mean` as a share of :attr:`clean`, percent; 0 where nothing is named rightly even so, and 100 where
        the mean is higher, which is chance."""
        return min(100.0, 100 * self.mean / self.clean) if self.clean else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "mean": self.mean, "relative": self.relative}


def measure_robustness(
    model: Model,
    photos: Sequence[Photo],
    spec: PreprocessSpec,
    done: Callable[[int], None] = lambda more: None,
) -> Robustness:
    """Show pictures to a model as they are and made worse in every way.

    Args:
        model: Takes prepared pictures.
        photos: At least one; :data:`MOST_PICTURES` at most are taken, of every class its share.
        spec: How they are prepared; they are made worse after that.
        done: Told how many more pictures are done.
    """
    chosen = _some(photos)
    right = np.zeros((len(CORRUPTIONS), STRENGTHS), dtype=np.int64)
    clean = 0
    for begin in range(0, len(chosen), _CHUNK):
        pixels, truth = load_pixels(chosen[begin : begin + _CHUNK], spec)
        clean += _right(model, pixels, truth)
        for row, kind in enumerate(CORRUPTIONS):
            for strength in range(STRENGTHS):
                right[row, strength] += _right(model, _all_corrupted(pixels, kind, strength, begin), truth)
        done(len(pixels))
    shares = 100 * right / len(chosen)
    curves = tuple(
        CorruptionCurve(kind.name, kind.unit, kind.levels, tuple(map(float, row)))
        for kind, row in zip(CORRUPTIONS, shares, strict=True)
    )
    return Robustness(len(chosen), len(photos), 100 * clean / len(chosen), curves)


def _some(photos: Sequence[Photo]) -> list[Photo]:
    by_class = sorted(photos, key=lambda photo: photo.label_index)
    if len(by_class) <= MOST_PICTURES:
        return by_class
    return [by_class[i] for i in np.linspace(0, len(by_class) - 1, MOST_PICTURES).round().astype(int)]


def _all_corrupted(pixels: Pixels, kind: Corruption, strength: int, first: int) -> Pixels:
    return np.stack([corrupted(one, kind, strength, first + number) for number, one in enumerate(pixels)])


def _right(model: Model, pixels: Pixels, truth: npt.NDArray[np.int64]) -> int:
    return int((model(pixels).argmax(axis=1) == truth).sum())
