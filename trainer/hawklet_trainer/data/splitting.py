"""Pictures into train, val and test: seeded, stratified by class, and what belongs together into one of them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from hawklet.errors import DataError
from hawklet_trainer.data.listing import UNSPLIT
from hawklet_trainer.data.place import Place

VAL_SHARE = 0.15
TEST_SHARE = 0.15

ByClass = dict[str, list[Place]]


def complete_splits(
    found: Mapping[str, ByClass], labels: Sequence[str], seed: int, identity: Mapping[Place, str]
) -> dict[str, ByClass]:
    """Fill the splits that a listing lacks: val and test of what is not split at all, else val from train.

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
    if UNSPLIT in found:
        return split_photos(found[UNSPLIT], labels, seed, identity, {"val": VAL_SHARE, "test": TEST_SHARE})
    if "val" in found:
        _refuse_scarce(found["train"], labels, identity, {})
        return {split: dict(classes) for split, classes in found.items()}
    made = split_photos(found["train"], labels, seed, identity, {"val": VAL_SHARE})
    return {**{split: dict(classes) for split, classes in found.items()}, **made}


def split_photos(
    pictures: Mapping[str, list[Place]],
    labels: Sequence[str],
    seed: int,
    identity: Mapping[Place, str],
    shares: Mapping[str, float],
) -> dict[str, ByClass]:
    """Take the splits named in ``shares`` out of the pictures; the rest is train.

    Copies of a picture go into one split together, as do the pictures of a group, whatever their classes.

    Raises:
        DataError: a class has too few pictures for every split to get one, or too few groups.
    """
    _refuse_scarce(pictures, labels, identity, shares)
    if any(place.group for places in pictures.values() for place in places):
        return _split_groups(pictures, labels, seed, identity, shares)
    splits: dict[str, ByClass] = {split: {} for split in ("train", *shares)}
    for label in labels:
        for split, places in _split_class(pictures[label], label, seed, identity, shares).items():
            splits[split][label] = places
    return splits


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
    places: Sequence[Place], label: str, seed: int, identity: Mapping[Place, str], shares: Mapping[str, float]
) -> dict[str, list[Place]]:
    groups = list(_copies(places, identity).values())
    # Seeded by the class's name too, so that adding a class does not reshuffle the others.
    random.Random(f"{seed}/{label}").shuffle(groups)
    result: dict[str, list[Place]] = {}
    for left, (split, share) in zip(range(len(shares), 0, -1), shares.items(), strict=True):
        result[split] = []
        while len(result[split]) < max(1, round(len(places) * share)) and len(groups) > left:
            result[split] += groups.pop(0)
    return {**result, "train": [place for group in groups for place in group]}


def _split_groups(
    pictures: Mapping[str, list[Place]],
    labels: Sequence[str],
    seed: int,
    identity: Mapping[Place, str],
    shares: Mapping[str, float],
) -> dict[str, ByClass]:
    """Whole groups, the largest first, each to where its classes are missed most."""
    label_of = {place: label for label in labels for place in pictures[label]}
    groups = _groups(list(label_of), identity)
    random.Random(seed).shuffle(groups)
    groups.sort(key=len, reverse=True)
    wanted = {
        split: {label: share * len(pictures[label]) for label in labels}
        for split, share in {**shares, "train": 1.0 - sum(shares.values())}.items()
    }
    splits: dict[str, ByClass] = {split: {label: [] for label in labels} for split in wanted}
    for group in groups:
        members: ByClass = defaultdict(list)
        for place in group:
            members[label_of[place]].append(place)

        def missing(split: str, members: ByClass = members) -> float:
            """Share of what the group's classes are to have there that is not there yet; weighed by the group."""
            return sum(
                len(new) * (1.0 - len(splits[split][label]) / wanted[split][label]) for label, new in members.items()
            )

        chosen = max(wanted, key=missing)
        for label, new in members.items():
            splits[chosen][label] += new
    for split, classes in splits.items():
        absent = [label for label, places in classes.items() if not places]
        if absent:
            count = len({place.group or str(place) for place in pictures[absent[0]]})
            raise DataError(
                f"class {absent[0]!r} has too few groups to be in train{''.join(f' and {name}' for name in shares)}: "
                f"{count}, and {split} got none of them; take more recordings of it, or fewer splits"
            )
    return splits


def _groups(places: Sequence[Place], identity: Mapping[Place, str]) -> list[list[Place]]:
    """Places joined by group or by identity, in the order of their first."""
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for place in places:
        if place.group:
            leader[find(f"copy {identity[place]}")] = find(f"group {place.group}")
    joined: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        joined[find(f"copy {identity[place]}")].append(place)
    return list(joined.values())
