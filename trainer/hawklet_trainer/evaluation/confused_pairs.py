"""Which two classes are taken for each other most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_MOST = 20


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes, in both directions."""

    first: str
    """The one of whose pictures more were named the other."""
    second: str
    first_as_second: int
    """Pictures of ``first`` that were named ``second``."""
    second_as_first: int
    first_pictures: int
    """All pictures of ``first``."""
    second_pictures: int

    @property
    def pictures(self) -> int:
        """Confused in either direction."""
        return self.first_as_second + self.second_as_first


def confused_pairs(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], most: int = _MOST
) -> tuple[ConfusedPair, ...]:
    """The pairs with the most pictures confused, the worst first; those without any are left out.

    Args:
        confusion: ``confusion[true][named]``, pictures.
        labels: Class names, by their order.
        most: So many pairs at most.
    """
    counts = np.array(confusion, dtype=np.int64)
    both = np.triu(counts + counts.T, 1)
    order = np.argsort(-both, axis=None, kind="stable")[:most]
    places = [divmod(int(place), len(labels)) for place in order if both.flat[place]]
    return tuple(
        _pair(counts, labels, i, j) if counts[i, j] >= counts[j, i] else _pair(counts, labels, j, i) for i, j in places
    )


def _pair(counts: np.ndarray, labels: Sequence[str], i: int, j: int) -> ConfusedPair:
    return ConfusedPair(
        labels[i], labels[j], int(counts[i, j]), int(counts[j, i]), int(counts[i].sum()), int(counts[j].sum())
    )
