"""Every picture in one split, in the right shares, with what belongs together kept together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawklet.errors import DataError
from hawklet_trainer.data.place import Place
from hawklet_trainer.data.splitting import ByClass, complete_splits, fill_splits, split_photos

SHARES = {"val": 0.15, "test": 0.15}
SEEDS = st.integers(0, 2**32 - 1)


def _draw(draw: st.DrawFn, grouped: bool, shared: bool = False) -> tuple[ByClass, dict[Place, str]]:
    """Classes of single pictures, copies and groups; with ``shared`` a group may have pictures of several classes."""
    pictures: ByClass = {}
    identity: dict[Place, str] = {}
    for label in draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True)):
        pictures[label] = []
        for number, size in enumerate(draw(st.lists(st.integers(1, 6), min_size=3, max_size=30))):
            group = f"{'' if shared and number % 3 == 0 else label}{number}" if grouped else ""
            for part in range(size):
                place = Place(Path(f"/photos/{label}/{number}-{part}.jpg"), group=group)
                pictures[label].append(place)
                # Of a set without groups the pictures of one number are copies, else each second one has a copy.
                identity[place] = f"{label}{number}-{part // 2 if grouped else 0}"
    return pictures, identity


@st.composite
def plain(draw: st.DrawFn) -> tuple[ByClass, dict[Place, str]]:
    return _draw(draw, grouped=False)


@st.composite
def grouped(draw: st.DrawFn) -> tuple[ByClass, dict[Place, str]]:
    return _draw(draw, grouped=True)


@st.composite
def shared(draw: st.DrawFn) -> tuple[ByClass, dict[Place, str]]:
    return _draw(draw, grouped=True, shared=True)


@st.composite
def in_several_classes(draw: st.DrawFn) -> tuple[ByClass, dict[Place, str]]:
    """Single pictures, some of which have a copy in another class."""
    labels = "abc"[: draw(st.integers(2, 3))]
    pictures = {label: [Place(Path(f"/photos/{label}/{number}.jpg")) for number in range(20)] for label in labels}
    identity = {place: str(place.path) for places in pictures.values() for place in places}
    for number in draw(st.sets(st.integers(0, 9), min_size=1)):
        identity |= {pictures[label][number]: f"everywhere {number}" for label in labels}
    return pictures, identity


def _split_of(splits: Mapping[str, ByClass]) -> dict[Place, str]:
    return {place: split for split, classes in splits.items() for places in classes.values() for place in places}


def _try(photos: tuple[ByClass, dict[Place, str]], seed: int) -> dict[str, ByClass] | None:
    """None where groups of several classes leave a class out of a split, which is refused."""
    pictures, identity = photos
    try:
        return split_photos(pictures, sorted(pictures), seed, identity, SHARES)
    except DataError as error:
        assert "too few groups" in str(error)
        return None


@given(plain() | grouped() | shared() | in_several_classes(), SEEDS)
def test_every_picture_is_in_exactly_one_split_under_its_own_class(
    photos: tuple[ByClass, dict[Place, str]], seed: int
) -> None:
    splits = _try(photos, seed)
    if splits is None:
        return
    for label, places in photos[0].items():
        found = [place for classes in splits.values() for place in classes[label]]
        assert Counter(found) == Counter(places)
        assert all(classes[label] for classes in splits.values())


@given(plain() | grouped() | shared() | in_several_classes(), SEEDS)
def test_copies_and_groups_are_never_cut(photos: tuple[ByClass, dict[Place, str]], seed: int) -> None:
    splits = _try(photos, seed)
    if splits is None:
        return
    seen: dict[str, set[str]] = defaultdict(set)
    for place, split in _split_of(splits).items():
        seen[f"copy {photos[1][place]}"].add(split)
        if place.group:
            seen[f"group {place.group}"].add(split)
    assert all(len(names) == 1 for names in seen.values())


@given(plain() | grouped() | in_several_classes(), SEEDS)
def test_shares_are_met_but_for_one_set_of_pictures_that_belong_together(
    photos: tuple[ByClass, dict[Place, str]], seed: int
) -> None:
    pictures, identity = photos
    splits = split_photos(pictures, sorted(pictures), seed, identity, SHARES)
    for label, places in pictures.items():
        largest = max(Counter(place.group or identity[place] for place in places).values())
        for split, share in {**SHARES, "train": 0.7}.items():
            assert len(splits[split][label]) - share * len(places) <= largest + 0.5


@given(plain() | grouped(), SEEDS)
def test_three_groups_or_pictures_are_enough_for_three_splits(
    photos: tuple[ByClass, dict[Place, str]], seed: int
) -> None:
    pictures, identity = photos
    few: ByClass = {}
    for label, places in pictures.items():
        first = list(dict.fromkeys(place.group or identity[place] for place in places))[:3]
        few[label] = [place for place in places if (place.group or identity[place]) in first]
    splits = split_photos(few, sorted(few), seed, identity, SHARES)
    assert all(classes[label] for classes in splits.values() for label in few)


@given(plain() | grouped() | shared() | in_several_classes(), SEEDS)
def test_the_same_seed_gives_the_same_split(photos: tuple[ByClass, dict[Place, str]], seed: int) -> None:
    assert _try(photos, seed) == _try(photos, seed)


@given(grouped() | in_several_classes(), SEEDS)
def test_with_groups_the_order_of_the_pictures_does_not_matter(
    photos: tuple[ByClass, dict[Place, str]], seed: int
) -> None:
    pictures, identity = photos
    backwards = {label: places[::-1] for label, places in reversed(pictures.items())}
    first = split_photos(pictures, sorted(pictures), seed, identity, SHARES)
    second = split_photos(backwards, sorted(pictures), seed, identity, SHARES)
    assert _split_of(first) == _split_of(second)


@given(plain() | grouped(), SEEDS)
def test_a_new_class_does_not_reshuffle_the_others(photos: tuple[ByClass, dict[Place, str]], seed: int) -> None:
    pictures, identity = photos
    before = _split_of(split_photos(pictures, sorted(pictures), seed, identity, SHARES))
    is_grouped = any(place.group for places in pictures.values() for place in places)
    new = [Place(Path(f"/photos/new/{n}.jpg"), group=f"new{n}" if is_grouped else "") for n in range(9)]
    more = {**pictures, "new": new}
    after = _split_of(
        split_photos(more, sorted(more), seed, {**identity, **{place: str(place.path) for place in new}}, SHARES)
    )
    assert before == {place: split for place, split in after.items() if place not in new}


def _singles(count: int, label: str = "a", group: str = "") -> tuple[ByClass, dict[Place, str]]:
    places = [Place(Path(f"/{label}/{number}.jpg"), group=group and f"{group}{number}") for number in range(count)]
    return {label: places}, {place: str(place.path) for place in places}


@pytest.mark.parametrize("group", ["", "plant"])
def test_different_seeds_give_different_splits_of_the_same_sizes(group: str) -> None:
    pictures, identity = _singles(60, group=group)
    splits = [split_photos(pictures, ["a"], seed, identity, SHARES) for seed in range(5)]
    assert len({frozenset(split["test"]["a"]) for split in splits}) == 5
    assert {tuple(len(split[name]["a"]) for name in ("train", "val", "test")) for split in splits} == {(42, 9, 9)}


def test_a_group_of_half_the_pictures_goes_into_train() -> None:
    pictures, identity = _singles(100, group="plant")
    pictures["a"] += [Place(Path(f"/a/video{number}.jpg"), group="video") for number in range(100)]
    identity |= {place: str(place.path) for place in pictures["a"]}
    splits = split_photos(pictures, ["a"], 0, identity, SHARES)
    assert {split: len(classes["a"]) for split, classes in splits.items()} == {"train": 140, "val": 30, "test": 30}


def test_rare_classes_of_shared_groups_get_their_shares_too() -> None:
    """One recording has pictures of several classes, most of them of one."""
    pictures: ByClass = {"common": [], "rare": []}
    for recording in range(40):
        group = f"recording{recording}"
        pictures["common"] += [Place(Path(f"/c/{recording}-{n}.jpg"), group=group) for n in range(20)]
        if recording % 4 == 0:
            pictures["rare"] += [Place(Path(f"/r/{recording}-{n}.jpg"), group=group) for n in range(2)]
    identity = {place: str(place.path) for places in pictures.values() for place in places}
    splits = split_photos(pictures, ["common", "rare"], 0, identity, SHARES)
    rare = {split: len(classes["rare"]) for split, classes in splits.items()}
    assert rare in ({"train": 14, "val": 2, "test": 4}, {"train": 14, "val": 4, "test": 2})
    assert {split: len(classes["common"]) for split, classes in splits.items()} == {
        "train": 560,
        "val": 120,
        "test": 120,
    }


def test_copies_across_groups_join_them() -> None:
    pictures, identity = _singles(12, group="plant")
    first, last = pictures["a"][0], pictures["a"][-1]
    identity[last] = identity[first]
    for seed in range(10):
        split_of = _split_of(split_photos(pictures, ["a"], seed, identity, SHARES))
        assert split_of[first] == split_of[last]


@pytest.mark.parametrize(("count", "shares"), [(2, SHARES), (1, {"val": 0.5}), (0, {})])
def test_a_class_with_too_few_pictures_is_refused_by_name(count: int, shares: dict[str, float]) -> None:
    pictures, identity = _singles(count)
    with pytest.raises(DataError, match=f"class 'a' has {count} different readable"):
        split_photos(pictures, ["a"], 0, identity, shares)


def test_a_class_with_too_few_groups_is_refused_by_name() -> None:
    places = [Place(Path(f"/a/{number}.jpg"), group=f"plant{number % 2}") for number in range(20)]
    identity = {place: str(place.path) for place in places}
    with pytest.raises(DataError, match=r"class 'a' has too few groups to be in train, val, test: 2, and .* got none"):
        split_photos({"a": places}, ["a"], 0, identity, SHARES)


def test_splits_that_are_there_stay_and_the_others_come_out_of_train() -> None:
    pictures, identity = _singles(20)
    tests, more = _singles(5, "tests")
    found = {"train": pictures, "test": {"a": tests["tests"]}}
    splits = fill_splits(found, ["a"], 0, identity | more, {"val": 0.25, "test": 0.5})
    assert splits["test"] == {"a": tests["tests"]}
    assert {split: len(classes["a"]) for split, classes in splits.items()} == {"test": 5, "train": 15, "val": 5}


def test_training_needs_a_val_and_makes_no_test_of_what_has_train() -> None:
    pictures, identity = _singles(20)
    assert set(complete_splits({"train": pictures}, ["a"], 0, identity)) == {"train", "val"}
    assert set(complete_splits({"": pictures}, ["a"], 0, identity)) == {"train", "val", "test"}
    assert set(complete_splits({"train": pictures, "val": pictures}, ["a"], 0, identity)) == {"train", "val"}


def test_copies_in_two_classes_go_into_one_split_where_there_are_no_groups() -> None:
    pictures = {label: [Place(Path(f"/{label}/{number}.jpg")) for number in range(20)] for label in "ab"}
    identity = {place: place.path.name if int(place.path.stem) < 10 else str(place.path) for place in pictures["a"]}
    identity |= {place: place.path.name if int(place.path.stem) < 10 else str(place.path) for place in pictures["b"]}
    for seed in range(10):
        splits = split_photos(pictures, ["a", "b"], seed, identity, SHARES)
        split_of = _split_of(splits)
        assert all(split_of[pictures["a"][number]] == split_of[pictures["b"][number]] for number in range(10))
        sizes = {split: [len(classes[label]) for label in "ab"] for split, classes in splits.items()}
        assert sizes == {"train": [14, 14], "val": [3, 3], "test": [3, 3]}


def test_copies_in_two_classes_leave_the_split_of_the_others_alone() -> None:
    pictures = {label: [Place(Path(f"/{label}/{number}.jpg")) for number in range(20)] for label in "abc"}
    identity = {place: str(place.path) for places in pictures.values() for place in places}
    before = split_photos(pictures, list("abc"), 0, identity, SHARES)
    identity[pictures["a"][0]] = identity[pictures["c"][0]]
    after = split_photos(pictures, list("abc"), 0, identity, SHARES)
    assert all(after[split]["b"] == before[split]["b"] for split in before)


def test_a_set_without_copies_in_two_classes_keeps_the_split_it_always_had() -> None:
    """Another would put pictures that a model was trained on into test."""
    pictures, identity = _singles(10)
    splits = split_photos(pictures, ["a"], 7, identity, SHARES)
    assert {split: [place.path.stem for place in splits[split]["a"]] for split in ("val", "test")} == {
        "val": ["9", "4"],
        "test": ["0", "7"],
    }


def test_a_place_that_is_named_under_two_classes_is_lost_under_neither() -> None:
    pictures, identity = _singles(12, group="plant")
    pictures["b"] = [*_singles(11, "b", "pot")[0]["b"], pictures["a"][0]]
    identity |= {place: str(place.path) for place in pictures["b"]}
    splits = split_photos(pictures, ["a", "b"], 0, identity, SHARES)
    assert {label: sum(len(classes[label]) for classes in splits.values()) for label in "ab"} == {"a": 12, "b": 12}
