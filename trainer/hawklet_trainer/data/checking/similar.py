"""Near duplicates: pictures that were encoded anew, resized, cropped a little, brightened, mirrored or turned.

Every picture is looked up among the others as it is, cropped a little at any of its edges, mirrored and turned, by the
large shapes of its small grey picture; what is found is judged by registration. Pictures without contrast are left
alone, since they resemble each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from hawklet_trainer.data.checking.cells import Cells, Vectors
from hawklet_trainer.data.checking.registration import Stack, same_picture

Thumbs = npt.NDArray[np.uint8]
"""``uint8 [N, S, S]``, grey."""
Positions = npt.NDArray[np.int64]
"""``int64 [N]``."""

_COARSE = 8
"""Side that large shapes are compared at, pixels."""
_ALIKE = 0.93
"""Correlation of large shapes from which a pair is looked at more closely."""
_FLAT = 4.0
"""Standard deviation up to which a picture has no contrast, of 255 levels."""
_CROP = 0.045
"""Share of a side that is cropped from it."""
_BEST = 2
"""Pairs of one picture in one form that are judged, beside that with the first picture that is alike: so a set of many
pictures hangs together, and the number of pairs does not grow faster than that of pictures."""
_AT_ONCE, _JUDGED_AT_ONCE = 2048, 512


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures that show the same."""

    first: Positions
    """Always before the second."""
    second: Positions
    turned: npt.NDArray[np.bool_]
    """One is the other mirrored or turned."""


@dataclass(frozen=True)
class Form:
    """How a picture is changed before it is looked up."""

    crop: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Off the left, right, top and bottom; shares of the side."""
    quarters: int = 0
    """Quarter turns."""
    mirrored: bool = False

    @property
    def turned(self) -> bool:
        """Whether it lies otherwise."""
        return self.mirrored or self.quarters > 0

    def is_corner(self) -> bool:
        """Whether it is cropped at one edge of each axis."""
        left, right, top, bottom = map(bool, self.crop)
        return left != right and top != bottom

    def turn(self, thumbs: Thumbs) -> Thumbs:
        """Mirrored and turned, not cropped."""
        return np.rot90(thumbs[:, :, ::-1] if self.mirrored else thumbs, self.quarters, axes=(1, 2))

    def alignment(self) -> npt.NDArray[np.float32]:
        """The crop as :func:`~hawklet_trainer.data.checking.registration.same_picture` takes it."""
        left, right, top, bottom = self.crop
        return np.array([1 - left - right, (left - right) / 2, 1 - top - bottom, (top - bottom) / 2], np.float32)


_CROPPED = [Form((left, right, top, bottom)) for left, right, top, bottom in product((0.0, _CROP), repeat=4)]
_TURNED = [Form(quarters=q, mirrored=m) for m in (False, True) for q in range(4) if m or q]
FORMS = (*_CROPPED, *_TURNED)
"""As it is, cropped at any of the edges, mirrored, turned, and both."""
FEW_FORMS = tuple(form for form in _CROPPED if sum(map(bool, form.crop)) in (0, 4) or form.is_corner())
"""As it is, cropped all round, and cropped into each corner: half the time for :data:`FORMS` without turns, and finds
about 1 % less of what was cropped."""


def find_similar(
    thumbs: Thumbs, among: Positions, forms: Sequence[Form] = FORMS, step: Callable[[int], None] = lambda count: None
) -> Pairs:
    """Find pairs of near duplicates.

    Args:
        thumbs: Small grey pictures; :data:`~hawklet_trainer.data.checking.facts.THUMB` pixels are enough.
        among: Positions of those that are looked at, ascending.
        forms: How each is changed before it is looked up among the others; the first must be no change.
        step: Called with the number of forms done since it was called last.

    Returns:
        Pairs of positions in ``thumbs``.
    """
    kept = among[_contrast(thumbs, among) > _FLAT]
    found: list[npt.NDArray[np.float64]] = []
    if len(kept) > 1:
        vectors = _vectors(thumbs, kept, forms[0])
        cells = Cells(vectors)
        for number, form in enumerate(forms):
            queries = vectors if number == 0 else _vectors(thumbs, kept, form)
            found += [
                np.column_stack((*pair, np.full(len(pair[0]), number))) for pair in _alike(queries, vectors, cells)
            ]
            step(1)
    return _judged(thumbs, kept, forms, np.concatenate(found) if found else np.empty((0, 4)))


def _contrast(thumbs: Thumbs, among: Positions) -> npt.NDArray[np.float64]:
    blocks = [thumbs[among[i : i + _AT_ONCE]].std(axis=(1, 2)) for i in range(0, len(among), _AT_ONCE)]
    return np.concatenate(blocks) if blocks else np.empty(0)


def _vectors(thumbs: Thumbs, kept: Positions, form: Form) -> Vectors:
    """Large shapes: the changed picture at :data:`_COARSE` pixels a side, without its brightness and contrast."""
    left, right, top, bottom = form.crop
    rows, columns = (_averaging(thumbs.shape[1], *edges) for edges in ((top, bottom), (left, right)))
    vectors = np.empty((len(kept), _COARSE**2), np.float32)
    for begin in range(0, len(kept), _AT_ONCE):
        block = form.turn(thumbs[kept[begin : begin + _AT_ONCE]]).astype(np.float32)
        flat = (rows @ block @ columns.T).reshape(len(block), -1)
        flat -= flat.mean(axis=1, keepdims=True)
        vectors[begin : begin + _AT_ONCE] = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return vectors


def _averaging(side: int, before: float, after: float) -> npt.NDArray[np.float32]:
    """Means over equal parts of an axis without its ends, as a matrix ``[COARSE, side]``."""
    edges = np.linspace(before * side, (1 - after) * side, _COARSE + 1)
    pixels = np.arange(side)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = covered.clip(0)
    matrix: npt.NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix


def _alike(queries: Vectors, vectors: Vectors, cells: Cells) -> Iterator[tuple[Positions, Positions, Vectors]]:
    """Queried and found positions and their likeness, cell by cell."""
    where = cells.cell_of(queries)
    order = np.argsort(where, kind="stable")
    ends = np.searchsorted(where[order], np.arange(len(cells) + 1))
    for cell in range(len(cells)):
        members, asked = cells.members(cell), order[ends[cell] : ends[cell + 1]]
        for begin in range(0, len(asked) if len(members) else 0, _AT_ONCE):
            block = asked[begin : begin + _AT_ONCE]
            likeness = queries[block] @ vectors[members].T
            itself = np.searchsorted(members, block).clip(max=len(members) - 1)
            here = np.flatnonzero(members[itself] == block)
            likeness[here, itself[here]] = -1.0
            yield from _chosen(block, members, likeness)


def _chosen(asked: Positions, members: Positions, likeness: Vectors) -> Iterator[tuple[Positions, Positions, Vectors]]:
    some = np.flatnonzero(likeness.max(axis=1) >= _ALIKE)
    if not len(some):
        return
    likeness = likeness[some]
    best = np.argpartition(-likeness, min(_BEST, len(members)) - 1, axis=1)[:, :_BEST]
    columns = np.column_stack((best, (likeness >= _ALIKE).argmax(axis=1)))
    values = np.take_along_axis(likeness, columns, axis=1)
    good = values >= _ALIKE
    yield np.broadcast_to(asked[some][:, None], good.shape)[good], members[columns][good], values[good]


def _judged(thumbs: Thumbs, kept: Positions, forms: Sequence[Form], found: npt.NDArray[np.float64]) -> Pairs:
    """The pairs that are the same picture; ``found`` is ``[M, 4]``: queried, found, likeness, position of the form."""
    asked, answer, number = (found[:, column].astype(np.int64) for column in (0, 1, 3))
    turned = np.array([form.turned for form in forms])[number]
    low, high = np.minimum(asked, answer), np.maximum(asked, answer)
    order = np.lexsort((-found[:, 2], turned, high, low))  # the likest way of laying a pair first
    keys = np.column_stack((low, high, turned))[order]
    new = np.ones(len(order), bool)
    new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    one = order[new]
    one = one[_same(thumbs, forms, kept[asked[one]], kept[answer[one]], number[one])]
    return Pairs(kept[low[one]], kept[high[one]], turned[one])


def _same(
    thumbs: Thumbs, forms: Sequence[Form], asked: Positions, answer: Positions, number: Positions
) -> npt.NDArray[np.bool_]:
    alignments = np.stack([form.alignment() for form in forms])
    lies = np.array([form.quarters + 4 * form.mirrored for form in forms])[number]
    same = np.zeros(len(asked), bool)
    for way in np.unique(lies):
        likewise = np.flatnonzero(lies == way)
        for begin in range(0, len(likewise), _JUDGED_AT_ONCE):
            block = likewise[begin : begin + _JUDGED_AT_ONCE]
            moved: Stack = forms[number[block[0]]].turn(thumbs[asked[block]]).astype(np.float32)
            same[block] = same_picture(moved, thumbs[answer[block]].astype(np.float32), alignments[number[block]])
    return same
