"""How far figures measured on few pictures may be off: Wilson's interval of a share, and the bootstrap.

Top-1 and the recall of a class are shares of pictures that stand alone, which have a formula that holds for few of them
too. Macro F1 has none, nor has anything where pictures belong together: these are bootstrapped. A resample draws as
many pictures as there are, with replacement, and computes the figure anew; the interval holds the middle 95 % of the
resamples' figures (the percentile method of B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993).
Pictures of one group (a person, a plant, a recording) resemble each other, so whole groups are drawn where there are
any. A bootstrapped figure that no picture speaks against has an interval without width: what was never seen cannot be
drawn.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 1000
_PERCENTILES = (2.5, 97.5)
_AT_A_TIME = 4_000_000
"""Numbers of a block of resamples."""

_Z = 1.959963984540054  # the normal distribution's 97.5 % quantile

_Counts = npt.NDArray[np.int64]
_Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, percent."""

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """Those of the figures of one measurement."""

    top1: Interval
    macro_f1: Interval
    recall: tuple[Interval | None, ...]
    """By class; None where there are no pictures of it."""
    resampled: int
    """How many were drawn from: pictures, or groups of them."""
    grouped: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, each interval as ``[low, high]``."""
        return {
            "top1": _pair(self.top1),
            "macro_f1": _pair(self.macro_f1),
            "recall": [_pair(interval) for interval in self.recall],
            "resamples": RESAMPLES,
            "resampled": self.resampled,
            "grouped": self.grouped,
        }


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def wilson(right: float, count: int) -> Interval:
    """Where the true share lies, by Wilson's score interval (1927): unlike the textbook's, it stays within 0..100 and
    keeps its promise for few pictures and for shares near 100 %.

    Args:
        right: Pictures named rightly.
        count: Pictures; at least one.
    """
    share, squared = right / count, _Z**2
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    half = _Z / (1 + squared / count) * math.sqrt(share * (1 - share) / count + squared / (4 * count**2))
    return Interval(100 * max(0.0, middle - half), 100 * min(1.0, middle + half))


def measure_intervals(
    truth: _Indices, named: _Indices, classes: int, groups: Sequence[Hashable] | None = None, seed: int = 0
) -> Intervals:
    """Intervals of top-1, macro F1 and the recall of each class.

    Args:
        truth: True label indices, ``int64 [N]``, N at least 1.
        named: What the pictures were named, ``int64 [N]``.
        classes: Number of classes.
        groups: What each picture belongs to; None, or one for all: every picture stands alone.
        seed: Of the drawing.
    """
    groups = groups if groups is not None and len(set(groups)) > 1 else None
    cells, cell_of = np.unique(truth * classes + named, return_inverse=True)
    sources = _sources(cell_of, groups)
    top1, macro_f1, *recall = _bootstrap(sources, cells, classes, seed)
    support = np.bincount(truth, minlength=classes).tolist()
    if groups is None:
        right = np.bincount(truth[truth == named], minlength=classes).tolist()
        top1 = wilson(sum(right), len(truth))
        recall = [wilson(*counts) if counts[1] else Interval(0.0, 0.0) for counts in zip(right, support, strict=True)]
    some = tuple(interval if count else None for interval, count in zip(recall, support, strict=True))
    return Intervals(top1, macro_f1, some, sources.drawn, groups is not None)


def _bootstrap(sources: _Sources, cells: _Counts, classes: int, seed: int) -> list[Interval]:
    """Of top-1, macro F1 and the recall of each class. Only how often each class was named each way matters, so
    resamples are drawn of these counts, all at once, and not of pictures."""
    random = np.random.default_rng(seed)
    block = max(1, _AT_A_TIME // max(len(sources.copies), len(cells)))
    figures = [
        _figures(sources.resampled(random, min(block, RESAMPLES - begin)), cells, classes)
        for begin in range(0, RESAMPLES, block)
    ]
    return [Interval(float(low), float(high)) for low, high in zip(*_bounds(np.concatenate(figures)), strict=True)]


@dataclass(frozen=True)
class _Sources:
    """What is drawn from: groups of several pictures, and for each cell the pictures that stand alone."""

    pictures: Any
    """Pictures of each cell in each source, ``scipy.sparse.csr_array [sources, cells]``: a group is of few cells."""
    copies: _Counts
    """How many alike a source stands for, ``int64 [sources]``: 1 of a group, all lone pictures of a cell."""

    @property
    def drawn(self) -> int:
        """How many are drawn for a resample."""
        return int(self.copies.sum())

    def resampled(self, random: np.random.Generator, resamples: int) -> npt.NDArray[np.float64]:
        """Pictures of each cell in each resample, ``float64 [resamples, cells]``."""
        drawn = random.multinomial(self.drawn, self.copies / self.drawn, resamples)
        product: npt.NDArray[np.float64] = drawn.astype(np.float64) @ self.pictures
        return product


def _sources(cell_of: _Counts, groups: Sequence[Hashable] | None) -> _Sources:
    from scipy.sparse import csr_array

    source_of = _numbers(groups) if groups is not None else np.arange(len(cell_of))
    sizes = np.bincount(source_of)
    lone = sizes[source_of] == 1
    source_of = np.where(lone, cell_of, source_of + len(cell_of))  # lone pictures of a cell are all alike
    _, first, source_of = np.unique(source_of, return_index=True, return_inverse=True)
    copies = np.where(lone[first], np.bincount(source_of), 1)
    kept = ~lone
    kept[first] = True
    return _Sources(csr_array((np.ones(kept.sum()), (source_of[kept], cell_of[kept]))), copies)


def _numbers(groups: Sequence[Hashable]) -> _Counts:
    number_of = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return np.array([number_of[group] for group in groups], dtype=np.int64)


def _figures(counts: npt.NDArray[np.float64], cells: _Counts, classes: int) -> npt.NDArray[np.float64]:
    """Top-1, macro F1 and the recalls of each resample, percent, ``float64 [resamples, 2 + classes]``; NaN where a
    resample has no picture of a class."""
    truth, named = cells // classes, cells % classes
    support, said = _summed(counts, truth, classes), _summed(counts, named, classes)
    right = _summed(counts * (truth == named), truth, classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = 100 * right / np.where(support > 0, support, np.nan)
        f1 = np.where(support > 0, 200 * right / (support + said), np.nan)
    top1 = 100 * right.sum(axis=1) / support.sum(axis=1)
    return np.column_stack([top1, np.nanmean(f1, axis=1), recall])


def _summed(counts: npt.NDArray[np.float64], of: _Counts, classes: int) -> npt.NDArray[np.float64]:
    """``counts`` summed over the cells of each class, ``float64 [resamples, classes]``."""
    order = np.argsort(of, kind="stable")
    present, starts = np.unique(of[order], return_index=True)
    sums = np.zeros((len(counts), classes))
    sums[:, present] = np.add.reduceat(counts[:, order], starts, axis=1)
    return sums


def _bounds(figures: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    bounds = np.zeros((2, figures.shape[1]))
    some = ~np.isnan(figures).all(axis=0)
    bounds[:, some] = np.nanpercentile(figures[:, some], _PERCENTILES, axis=0)
    return bounds[0], bounds[1]
