"""Findings about copies: within a class, across classes, across splits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from checked_photos import evidence_of, photo
from hawklet_trainer.data.checking.copy_rules import COPY_RULES

Fill = Callable[..., Path]
Save = Callable[..., Path]


def _equal(save: Save, source: Path, name: str) -> None:
    shutil.copy(source / "train" / "oak" / "00000.jpg", source / f"{name}.jpg")


def _near(save: Save, source: Path, name: str) -> None:
    save(photo(0), f"{name}.jpg", quality=60)


def _turned(save: Save, source: Path, name: str) -> None:
    save(photo(0).transpose(Image.Transpose.ROTATE_90), f"{name}.jpg", quality=80)


_FLATTERS = "in several splits, which flatters the accuracy"
_WRONG = "in several classes, of which one is wrong"
_WITHIN = "within a class and split"


@pytest.mark.parametrize(
    ("copy", "name", "told"),
    [
        (_equal, "train/oak/copy", {"equal_within": _WITHIN}),
        (_equal, "train/yew/copy", {"equal_across_classes": _WRONG}),
        (_equal, "test/oak/copy", {"equal_across_splits": _FLATTERS}),
        (_equal, "test/yew/copy", {"equal_across_classes": _WRONG, "equal_across_splits": _FLATTERS}),
        (_near, "train/oak/copy", {"near_within": _WITHIN}),
        (_near, "train/yew/copy", {"near_across_classes": _WRONG}),
        (_near, "test/oak/copy", {"near_across_splits": _FLATTERS}),
        (_turned, "train/oak/copy", {"turned_within": _WITHIN}),
        (_turned, "train/yew/copy", {}),
        (_turned, "test/oak/copy", {"turned_across_splits": _FLATTERS}),
    ],
)
def test_a_copy_is_told_by_where_it_lies(
    fill: Fill, save: Save, copy: Callable[[Save, Path, str], None], name: str, told: dict[str, str]
) -> None:
    fill(4, below="train/")
    source = fill(2, below="test/", first=500)
    copy(save, source, name)
    evidence = evidence_of(source)
    found = {rule.name: rule.judge(evidence) for rule in COPY_RULES}
    assert {name for name, one in found.items() if one} == set(told)
    for rule, words in told.items():
        one = found[rule]
        assert one is not None and one.sentence.startswith("1 set of ") and one.sentence.endswith(words)
        assert [len(members) for members in one.sets] == [2]
