"""What a training would refuse is told from counts, and agrees with what it does refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hawklet.errors import DataError
from hawklet_trainer.data import read_photos
from hawklet_trainer.data.fitness import can_be_trained_on, equal_but_case, obstacle
from hawklet_trainer.data.listing import list_photos
from hawklet_trainer.data.tally import Tally

DrawPhotos = Callable[..., Path]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "at least two classes, got 0 ()"),
        ({"cat": {"": 9}}, "at least two classes, got 1 (cat)"),
        ({"cat": {"": 9}, "Cat": {"": 9}}, "got 'Cat' and 'cat'; merge or rename"),
        ({"cat": {"": 9}, "dog": {"": 2}}, "at least 3 pictures to be split, got 2 of 'dog'; add some"),
        (
            {"cat": {"test": 1}, "dog": {"test": 2}},
            "at least 3 pictures to be split, got 1 of 'cat' and too few of 1 more",
        ),
        ({"cat": {"train": 9}, "dog": {"train": 1, "test": 5}}, "at least 2 pictures to be split, got 1 of 'dog'"),
        ({"cat": {"train": 9}, "dog": {"train": 9}, "fox": {"val": 1}}, "got 'fox' only in other splits"),
        ({"cat": {"train": 1, "val": 1}, "dog": {"train": 1}}, None),
        ({"cat": {"": 3}, "dog": {"": 3}}, None),
    ],
)
def test_what_stands_against_a_training_is_told_from_counts(
    counts: dict[str, dict[str, int]], message: str | None
) -> None:
    reason = obstacle(Tally.of(counts))
    assert reason is None if message is None else message in str(reason)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_agrees_with_what_a_training_refuses(draw_photos: DrawPhotos, count: int) -> None:
    folder = draw_photos(count)
    found = list_photos(folder).found[""]
    reason = obstacle(Tally.of({label: {"": len(places)} for label, places in found.items()}))
    if reason is None:
        read_photos(folder)
    else:
        with pytest.raises(DataError, match="class 'blue' has"):
            read_photos(folder)
    assert (reason is None) == (count == 3)


def test_mixed_splits_and_those_without_train_must_be_split_anew() -> None:
    assert [can_be_trained_on(splits) for splits in ([""], ["train"], ["train", "test"])] == [True] * 3
    assert [can_be_trained_on(splits) for splits in (["val"], ["train", ""], ["test", ""])] == [False] * 3


def test_names_that_differ_in_more_than_case_are_not_equal() -> None:
    assert equal_but_case(["cat", "cats", "dog"]) is None
    assert equal_but_case(["STRASSE", "dog", "straße"]) == ("STRASSE", "straße")
