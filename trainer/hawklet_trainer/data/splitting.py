"""Pictures into train, val and test: seeded, stratified by class, and what belongs together into one of them."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence

from hawklet.errors import DataError
from hawklet_trainer.data.disjoint_sets import DisjointSets
from hawklet_trainer.data.listing import UNSPLIT
from hawklet_trainer.data.place import Place

VAL_SHARE = 0.15
TEST_SHARE = 0.15

ByClass = dict[str, list[Place]]
_Labelled = tuple[Place, str]
"""A picture and its class."""


def complete_splits(
    found: Mapping[str, ByClass], labels: Sequence[str], seed: int, identity: Mapping[Place, str]
) -> dict[str, ByClass]:
    """Fill the splits that a listing lacks and a training needs: val and test of what is not split at all, else val.

    Args:
        found: A listing's pictures, the readable ones.
        labels: Classes that must be learned.
        seed: Of the shuffling.
        identity: What is the same for copies of one picture.

    Returns:
        ``train``, ``val`` and, where there are such pictures, ``test`` -> class -> pictures.

    Raises:
        DataError: a class has too few pictures.
    """
    shares = {"val": VAL_SHARE, "test": TEST_SHARE} if UNSPLIT in found else {"val": VAL_SHARE}
    return fill_splits(found, labels, seed, identity, shares)


def fill_splits(
    found: Mapping[str, ByClass],
    labels: Sequence[str],
    seed: int,
    identity: Mapping[Place, str],
    shares: Mapping[str, float],
    across: bool = False,
) -> dict[str, ByClass]:
    """Take the splits of ``shares`` that a listing lacks out of its training pictures, or of those in no split.

    Splits that are there stay as they are. For the rest see :func:`split_photos`.
    """
    wanted = {split: share for split, share in shares.items() if split not in found}
    given = {split: dict(classes) for split, classes in found.items() if split != UNSPLIT}
    made = split_photos(found["train" if "train" in found else UNSPLIT], labels, seed, identity, wanted, across)
    return {**given, **made}


def split_photos(
    pictures: Mapping[str, list[Place]],
    labels: Sequence[str],
    seed: int,
    identity: Mapping[Place, str],
    shares: Mapping[str, float],
    across: bool = False,
) -> dict[str, ByClass]:
    """Take the splits named in ``shares`` out of the pictures; the rest is train.

    The copies of a picture and the pictures of a group go into one split together, whatever their classes. Where there
    are groups, or with ``across``, all classes are split together; else each by itself, or with those that it has
    copies in common with.

    Raises:
        DataError: a class has too few pictures for every split to get one, or too few groups.
    """
    _refuse_scarce(pictures, labels, identity, shares)
    if across or any(place.group for places in pictures.values() for place in places):
        return _split_groups(pictures, labels, seed, identity, shares)
    splits: dict[str, ByClass] = {split: {label: [] for label in labels} for split in ("train", *shares)}
    for some in _sharing(pictures, labels, identity):
        split_some = _split_groups if len(some) > 1 else _split_class
        for split, classes in split_some(pictures, some, seed, identity, shares).items():
            splits[split] |= classes
    return splits


def _sharing(
    pictures: Mapping[str, list[Place]], labels: Sequence[str], identity: Mapping[Place, str]
) -> list[list[str]]:
    """The classes, those together that hang together by copies of one picture."""
    first: dict[str, str] = {}
    sets = DisjointSets[str]()
    for label in labels:
        for place in pictures[label]:
            sets.join(first.setdefault(identity[place], label), label)
    some: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        some[sets.leader(label)].append(label)
    return list(some.values())


def _copies(places: Sequence[Place], identity: Mapping[Place, str]) -> dict[str, list[Place]]:
    copies: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        copies[identity[place]].append(place)
    return copies


def _refuse_scarce(
    pictures: Mapping[str, list[Place]],
    labels: Sequence[str],
    identity: Mapping[Place, str],
    shares: Mapping[str, float],
) -> None:
    for label in labels:
        different = len({identity[place] for place in pictures.get(label, [])})
        if different < 1 + len(shares):
            raise DataError(
                f"class {label!r} has {different} different readable picture(s) to split into train"
                f"{''.join(f' and {split}' for split in shares)}; every class needs at least {1 + len(shares)}"
            )


def _split_class(
    pictures: Mapping[str, list[Place]],
    labels: Sequence[str],
    seed: int,
    identity: Mapping[Place, str],
    shares: Mapping[str, float],
) -> dict[str, ByClass]:
    """The one class that ``labels`` names, which has nothing in common with others."""
    (label,) = labels
    places = pictures[label]
    shuffled = list(_copies(places, identity).values())
    # Seeded by the class's name too, so that adding a class does not reshuffle the others.
    random.Random(_bytes(f"{seed}/{label}")).shuffle(shuffled)
    groups = deque(shuffled)
    result: dict[str, list[Place]] = {}
    for left, (split, share) in zip(range(len(shares), 0, -1), shares.items(), strict=True):
        result[split] = []
        while len(result[split]) < max(1, round(len(places) * share)) and len(groups) > left:
            result[split] += groups.popleft()
    result["train"] = [place for group in groups for place in group]
    return {split: {label: of_split} for split, of_split in result.items()}


def _split_groups(
    pictures: Mapping[str, list[Place]],
    labels: Sequence[str],
    seed: int,
    identity: Mapping[Place, str],
    shares: Mapping[str, float],
) -> dict[str, ByClass]:
    """Whole groups, the large ones first, each to where its pictures are missed most."""
    every = [(place, label) for label in labels for place in pictures[label]]
    groups = [_by_class(group) for group in _joined(every, seed, identity)]
    share_of = {"train": 1.0 - sum(shares.values()), **shares}
    missed = _Missed(share_of, groups)
    splits: dict[str, ByClass] = {split: {label: [] for label in labels} for split in share_of}
    for group in groups:
        split = missed.most(group)
        for label, places in group.items():
            splits[split][label] += places
        missed.take(split, group)
    _refuse_absent(splits, pictures)
    return splits


class _Missed:
    """How many pictures of each class a split is still to get."""

    def __init__(self, share_of: Mapping[str, float], groups: Sequence[ByClass]) -> None:
        self._total: Counter[str] = Counter()
        self._groups_left = Counter(label for group in groups for label in group)
        for group in groups:
            self._total.update({label: len(places) for label, places in group.items()})
        self._count = {
            split: {label: share * total for label, total in self._total.items()} for split, share in share_of.items()
        }
        self._empty = {label: set(share_of) for label in self._total}

    def most(self, group: ByClass) -> str:
        """The split to which a group brings the shares nearest to what is wanted, by their squared errors.

        Where a class has no more groups left than splits without any, it goes into one of those.
        """
        needy = [self._empty[label] for label in group if self._groups_left[label] <= len(self._empty[label])]
        covers = {split: sum(split in empty for empty in needy) for split in self._count}
        return max(self._count, key=lambda split: (covers[split], self._gain(split, group)))

    def take(self, split: str, group: ByClass) -> None:
        """Count a group as one of a split's."""
        for label, places in group.items():
            self._count[split][label] -= len(places)
            self._groups_left[label] -= 1
            self._empty[label].discard(split)

    def _gain(self, split: str, group: ByClass) -> float:
        # The square of a class's error falls by 2 * missed * new - new ** 2, of which the last is every split's.
        count, total = self._count[split], self._total
        return sum(count[label] * len(places) / total[label] ** 2 for label, places in group.items())


def _by_class(group: Sequence[_Labelled]) -> ByClass:
    members: ByClass = defaultdict(list)
    for place, label in group:
        members[label].append(place)
    return dict(members)


def _refuse_absent(splits: Mapping[str, ByClass], pictures: Mapping[str, list[Place]]) -> None:
    for split, classes in splits.items():
        absent = [label for label, places in classes.items() if not places]
        if absent:
            count = len({place.group or str(place) for place in pictures[absent[0]]})
            raise DataError(
                f"class {absent[0]!r} has too few groups to be in {', '.join(splits)}: {count}, and {split} got none "
                "of them; take more recordings of it, or fewer splits"
            )


def _joined(every: Sequence[_Labelled], seed: int, identity: Mapping[Place, str]) -> list[list[_Labelled]]:
    """Pictures joined by group or by identity, the large groups first.

    Groups of about one size (up to twice as large) are shuffled, by a digest of seed and name, so that groups that are
    added or taken away leave the order of the others alone.
    """

    def order(group: Sequence[_Labelled]) -> tuple[int, bytes]:
        name = min(place.group or identity[place] for place, _ in group)
        return -len(group).bit_length(), _digest(f"{seed}/{name}")

    return sorted(_groups(every, identity), key=order)


def _digest(text: str) -> bytes:
    return hashlib.sha256(_bytes(text)).digest()


def _bytes(text: str) -> bytes:
    """Names of folders need not be UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def _groups(every: Sequence[_Labelled], identity: Mapping[Place, str]) -> list[list[_Labelled]]:
    """Pictures joined by group or by identity, in the order of their first."""
    joined: dict[str, list[_Labelled]] = defaultdict(list)
    for labelled, key in zip(every, belonging_together([place for place, _ in every], identity), strict=True):
        joined[key].append(labelled)
    return list(joined.values())


def belonging_together(places: Sequence[Place], identity: Mapping[Place, str]) -> list[str]:
    """For each picture a key that only those have which must stay with it: its copies, and its group's pictures."""
    sets = DisjointSets[str]()
    for place in places:
        if place.group:
            sets.join(f"group {place.group}", f"copy {identity[place]}")
    return [sets.leader(f"copy {identity[place]}") for place in places]
