"""Vectors sorted into cells, so that each is compared with those of its neighbourhood alone.

The inverted file of H. Jégou, M. Douze and C. Schmid, "Product quantization for nearest neighbor search", 2011: cells
are those of a rough k-means. With about the root of their number of cells, n vectors cost n ** 1.5 comparisons, all of
them within matrix products.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""``float32 [N, D]``, each of length 1."""

_ROUNDS = 4
_SAMPLE = 64
"""Vectors for each cell that cells are worked out from."""
_FEW = 2048
"""Up to so many vectors all are compared with all."""
_HOMES = 3
"""Cells that a vector is kept in: those nearest to it, since a near duplicate may lie across a border."""
_BLOCK = 8192


class Cells:
    """Cells of some vectors, in which others are looked up.

    Args:
        vectors: What is kept.
        seed: Of the first centres.
    """

    def __init__(self, vectors: Vectors, seed: int = 0) -> None:
        self._centres = _centres(vectors, seed)
        homes = _nearest(vectors, self._centres, min(_HOMES, len(self._centres)))
        order = np.argsort(homes, axis=None, kind="stable")
        self._members = order // homes.shape[1]
        self._ends = np.searchsorted(homes.reshape(-1)[order], np.arange(len(self._centres) + 1))

    def __len__(self) -> int:
        return len(self._centres)

    def members(self, cell: int) -> npt.NDArray[np.int64]:
        """Positions of the vectors kept in a cell, ascending."""
        members: npt.NDArray[np.int64] = self._members[self._ends[cell] : self._ends[cell + 1]]
        return members

    def cell_of(self, vectors: Vectors) -> npt.NDArray[np.int64]:
        """The one cell to look each vector up in, ``int64 [N]``."""
        return _nearest(vectors, self._centres, 1)[:, 0]


def _centres(vectors: Vectors, seed: int) -> Vectors:
    if len(vectors) <= _FEW:
        return np.zeros((1, vectors.shape[1]), np.float32)
    generator = np.random.default_rng(seed)
    count = round((_HOMES * len(vectors)) ** 0.5)
    sample = vectors[generator.choice(len(vectors), min(len(vectors), _SAMPLE * count), replace=False)]
    centres: Vectors = sample[:count].copy()
    for _ in range(_ROUNDS):
        nearest = _nearest(sample, centres, 1)[:, 0]
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        filled = np.bincount(nearest, minlength=count) > 0
        centres[filled] = sums[filled] / np.maximum(np.linalg.norm(sums[filled], axis=1, keepdims=True), 1e-6)
    return centres


def _nearest(vectors: Vectors, centres: Vectors, count: int) -> npt.NDArray[np.int64]:
    """The ``count`` centres nearest to each vector, in no order."""
    found = np.empty((len(vectors), count), np.int64)
    if len(centres) == count:
        found[:] = np.arange(count)
        return found
    for begin in range(0, len(vectors), _BLOCK):
        likeness = vectors[begin : begin + _BLOCK] @ centres.T
        found[begin : begin + _BLOCK] = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
    return found
