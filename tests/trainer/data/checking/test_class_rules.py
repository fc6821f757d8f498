"""Findings about classes and splits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from checked_photos import evidence_of, found_by, names_of
from hawklet_trainer.data.checking import class_rules
from hawklet_trainer.data.checking.catalogue import Catalogue
from hawklet_trainer.data.checking.class_rules import CLASS_RULES
from hawklet_trainer.data.checking.facts import Depth
from hawklet_trainer.data.checking.finding import Rule
from hawklet_trainer.data.checking.gather import gather
from hawklet_trainer.data.index import IndexRow, write_index
from hawklet_trainer.data.place import Place

Fill = Callable[..., Path]


def _found(source: Path) -> dict[str, str]:
    evidence = evidence_of(source, Depth.HEADER)
    return {rule.name: found.sentence for rule in CLASS_RULES if (found := rule.judge(evidence)) is not None}


def test_good_photos_have_no_findings(fill: Fill) -> None:
    assert _found(fill(10)) == {}
    fill(6, below="train/")
    for path in (fill(10), fill(1, below="val/", first=500)):
        for label in ("oak", "yew"):
            shutil.rmtree(path / label, ignore_errors=True)
    assert _found(fill(6, below="train/")) == {}


def test_a_folder_without_pictures_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "oak").mkdir()
    (tmp_path / "yew").mkdir()
    assert _found(tmp_path) == {"no_pictures": "there are no pictures, in any class"}


def test_one_class_is_too_few(fill: Fill) -> None:
    assert _found(fill(10, ("oak",)))["one_class"] == "a classifier needs at least two classes, got 1 ('oak')"


def test_a_class_without_readable_pictures_is_named(fill: Fill) -> None:
    source = fill(10)
    (source / "elm").mkdir()
    for path in (source / "yew").iterdir():
        path.write_bytes(b"no picture")
    assert _found(source)["empty_classes"] == "2 classes have no picture that can be read: 'elm', 'yew'"


def test_a_class_that_train_lacks_is_named_with_its_pictures(fill: Fill) -> None:
    fill(8, below="train/")
    source = fill(2, ("oak", "yew", "elm"), below="test/", first=500)
    found = found_by(class_rules.UNTRAINED_CLASSES, source)
    assert found is not None and found.sentence == "1 class has pictures, but none in train: 'elm'"
    assert names_of(found, source) == ["test/elm/02500.jpg", "test/elm/02501.jpg"]


@pytest.mark.parametrize(("layout", "needed"), [((), 3), (("train/",), 2), (("train/", "val/"), 1)])
def test_a_class_needs_as_many_different_pictures_as_there_are_splits_to_make(
    fill: Fill, layout: tuple[str, ...], needed: int
) -> None:
    for number, below in enumerate(layout or ("",)):
        source = fill(10, below=below, first=100 * number)
    folder = source / (layout[0] if layout else "") / "oak"
    pictures = sorted(folder.iterdir())
    for path in pictures[needed:]:
        path.unlink()
    assert "scarce_classes" not in _found(source)
    if needed > 1:
        shutil.copy(pictures[0], pictures[1])
        assert f"fewer than {needed} different pictures" in _found(source)["scarce_classes"]


def test_small_classes_are_told_by_size(fill: Fill) -> None:
    fill(10)
    source = fill(4, ("elm", "fir"), first=7000)
    assert _found(source)["small_classes"] == "2 classes have fewer than 10 pictures: 'elm' (4), 'fir' (4)"
    assert "to train on: 'elm' (4)" in _found(_within_train(source))["small_classes"]


def _within_train(source: Path) -> Path:
    target = source.parent / "split" / "train"
    shutil.copytree(source, target)
    return target.parent


def test_imbalance_is_told_with_the_classes(fill: Fill) -> None:
    fill(45, ("oak",))
    fill(4, ("yew",), first=5000)
    sentence = _found(fill(0))["imbalance"]
    assert "11 times the pictures of the smallest, more than 10: 'oak' (45) and 'yew' (4)" in sentence


def test_names_that_differ_by_case_alone_cannot_be_trained_on(fill: Fill) -> None:
    assert _found(fill(10, ("Oak", "oak", "yew")))["equal_but_case"].endswith("got 'Oak' and 'oak'")


@pytest.mark.parametrize("other", ["stop sign", "Stop-Sign", "stop__sign", "stop.sign"])
def test_names_that_differ_by_spaces_alone_are_probably_one_class(fill: Fill, other: str) -> None:
    found = _found(fill(10, ("stop_sign", other)))
    assert "'stop_sign'" in found["equal_but_spaces"] and "equal_but_case" not in found


def test_numbers_are_not_nearly_equal(fill: Fill) -> None:
    assert "equal_but_spaces" not in _found(fill(10, ("1", "10", "1a")))


def test_names_that_are_no_text_are_told(fill: Fill) -> None:
    source = fill(10)
    (source / "oak" / "00000.jpg").rename(source / "oak" / "a\x1bb.jpg")
    (source / "yew").rename(source / "y\new")
    assert _found(source)["unprintable_names"] == "not printable text: class names: 'y\\\\new'; 1 picture name"


def test_a_split_that_lacks_a_class_is_told(fill: Fill) -> None:
    fill(8, below="train/")
    source = fill(2, ("oak",), below="test/", first=500)
    assert _found(source)["absent_from_split"] == "test has no picture of 'yew'"


def test_an_index_that_training_refuses_is_told_why(fill: Fill, tmp_path: Path) -> None:
    rows = [IndexRow(Place(path), "oak", "val") for path in fill(2).rglob("*.jpg")]
    write_index(tmp_path / "some.csv", rows)
    assert "must have one called train" in _found(tmp_path / "some.csv")["layout"]


def test_a_group_in_two_splits_is_told(fill: Fill, tmp_path: Path) -> None:
    places = [Place(path, None, f"tree{number // 2}") for number, path in enumerate(sorted(fill(8).rglob("*.jpg")))]
    splits = ["train"] * 13 + ["val"] * 3
    write_index(
        tmp_path / "some.csv", [IndexRow(p, p.path.parent.name, s) for p, s in zip(places, splits, strict=True)]
    )
    found = found_by(class_rules.DIVIDED_GROUPS, tmp_path / "some.csv")
    assert found is not None and found.sentence.startswith("1 of 8 groups are in several splits")
    assert [len(members) for members in found.sets] == [2]


@pytest.mark.parametrize("rule", CLASS_RULES, ids=lambda rule: rule.name)
def test_every_rule_judges_nothing_at_all(rule: Rule, tmp_path: Path) -> None:
    catalogue = Catalogue.of(tmp_path, (), ())
    facts = gather([], Depth.PIXELS)
    evidence = class_rules.Evidence(catalogue, facts, evidence_of_nothing(), facts.readable())
    assert (rule.judge(evidence) is not None) == (rule.name == "no_pictures")


def evidence_of_nothing() -> object:
    from hawklet_trainer.data.checking.copies import Copies

    return Copies([], [], [])
