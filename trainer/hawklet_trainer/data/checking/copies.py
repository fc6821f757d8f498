"""Which pictures are copies of each other: equal files, and near duplicates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.gather import Facts
from hawklet_trainer.data.checking.similar import FORMS, Form, Positions, find_similar
from hawklet_trainer.data.disjoint_sets import DisjointSets

Sets = list[Positions]
"""Sets of positions, each ascending and of at least two."""


@dataclass(frozen=True)
class Copies:
    """Copies among the readable pictures."""

    equal: Sets
    """Equal files."""
    near: Sets
    """Near duplicates that lie alike, with the equal files of each."""
    turned: Sets
    """Pairs of which one is the other mirrored or turned, with the equal files of each."""

    def links(self) -> Iterator[tuple[int, int]]:
        """Pairs of positions that all the copies hang together by."""
        for members in (*self.equal, *self.near, *self.turned):
            yield from ((int(members[0]), int(member)) for member in members[1:])


def find_copies(
    facts: Facts, forms: Sequence[Form] = FORMS, step: Callable[[int], None] = lambda count: None
) -> Copies:
    """Find copies.

    Args:
        facts: Of the pictures; near duplicates are found where they were decoded.
        forms: In which pictures are looked up, see :func:`~hawklet_trainer.data.checking.similar.find_similar`.
        step: Called with the number of forms done since it was called last.
    """
    readable = np.flatnonzero(facts.readable())
    first, equal = _equal_files(facts.records, readable)
    near: Sets = []
    turned: Sets = []
    if facts.depth >= Depth.THUMB:
        pairs = find_similar(facts.records["thumb"], first, forms, step)
        found = [*zip(pairs.first.tolist(), pairs.second.tolist(), pairs.turned.tolist(), strict=True)]
        near = joined((one, other) for one, other, is_turned in found if not is_turned)
        turned = _apart([(one, other) for one, other, is_turned in found if is_turned], near)
    copies_of = {int(members[0]): members for members in equal}
    return Copies(equal, _with_copies(near, copies_of), _with_copies(turned, copies_of))


def _apart(pairs: Iterable[tuple[int, int]], near: Sets) -> Sets:
    """Pairs that are not near duplicates as they lie, too: a picture may be like its own mirror image."""
    set_of = {position: number for number, members in enumerate(near) for position in members.tolist()}
    return [np.array(pair) for pair in pairs if set_of.get(pair[0], -1) != set_of.get(pair[1], -2)]


def joined(pairs: Iterable[tuple[int, int]]) -> Sets:
    """Sets of positions that hang together by pairs."""
    sets = DisjointSets[int]()
    for one, other in pairs:
        sets.join(one, other)
    members: dict[int, list[int]] = defaultdict(list)
    for position in sets.ascending():
        members[sets.leader(position)].append(position)
    return [np.array(positions) for positions in members.values()]


def _equal_files(records: npt.NDArray[np.void], readable: Positions) -> tuple[Positions, Sets]:
    """The first picture of each digest, ascending, and the sets of several."""
    digests = np.ascontiguousarray(records["sha256"][readable]).view("S32").reshape(-1)
    order = np.argsort(digests, kind="stable")
    ends = np.flatnonzero(digests[order][1:] != digests[order][:-1]) + 1
    sets = [members for members in np.split(readable[order], ends) if len(members)]
    first = np.sort(np.array([members[0] for members in sets], np.int64))
    return first, sorted((members for members in sets if len(members) > 1), key=lambda members: int(members[0]))


def _with_copies(sets: Iterable[Positions], copies_of: dict[int, Positions]) -> Sets:
    return [
        np.sort(np.concatenate([copies_of.get(position, np.array([position])) for position in members.tolist()]))
        for members in sets
    ]
