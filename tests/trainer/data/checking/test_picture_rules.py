"""Findings about single pictures: the fault is found, and the same thing is no fault where the whole set is so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageFilter

from checked_photos import evidence_of, found_by, names_of, photo
from hawklet_trainer.data.checking import picture_rules
from hawklet_trainer.data.checking.finding import Rule
from hawklet_trainer.data.checking.picture_rules import PICTURE_RULES

Fill = Callable[..., Path]
Save = Callable[..., Path]
Change = Callable[[Image.Image], Image.Image]


def _darker(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(0.2)


def _lighter(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(4)


def _blurred(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(5))


def _without_colour(picture: Image.Image) -> Image.Image:
    return picture.convert("L").convert("RGB")


def _tiny(picture: Image.Image) -> Image.Image:
    return picture.resize((26, 20))


def _long(picture: Image.Image) -> Image.Image:
    return picture.resize((400, 40))


def _even(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Contrast(picture).enhance(0.02)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        (picture_rules.DARK, _darker),
        (picture_rules.OVER_EXPOSED, _lighter),
        (picture_rules.BLURRED, _blurred),
        (picture_rules.GREY, _without_colour),
        (picture_rules.TINY, _tiny),
        (picture_rules.ODD_SHAPE, _long),
        (picture_rules.FLAT, _even),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_an_odd_picture_is_found_among_others(fill: Fill, save: Save, rule: Rule, change: Change) -> None:
    source = fill(15)
    assert found_by(rule, source) is None
    save(change(photo(77)), "oak/odd.jpg", quality=90)
    found = found_by(rule, source)
    assert names_of(found, source) == ["oak/odd.jpg"]
    assert found is not None and found.sentence.startswith("1 picture ") and not found.sentence.endswith(".")


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        (picture_rules.DARK, _darker),
        (picture_rules.OVER_EXPOSED, _lighter),
        (picture_rules.GREY, _without_colour),
        (picture_rules.TINY, _tiny),
        (picture_rules.ODD_SHAPE, _long),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_a_whole_set_is_like_is_no_fault(save: Save, tmp_path: Path, rule: Rule, change: Change) -> None:
    for seed in range(12):
        save(change(photo(seed)), f"oak/{seed}.png")
    assert found_by(rule, tmp_path / "photos") is None


def test_a_picture_without_anything_to_see_is_not_called_dark_grey_and_blurred_as_well(fill: Fill, save: Save) -> None:
    source = fill(15)
    save(Image.new("RGB", (160, 120)), "oak/black.jpg")
    told = [rule.name for rule in PICTURE_RULES if found_by(rule, source) is not None]
    assert told == ["flat"]


def test_the_worst_is_told_first(fill: Fill, save: Save) -> None:
    source = fill(30)
    for name, factor in (("a", 0.22), ("b", 0.1), ("c", 0.16)):
        save(ImageEnhance.Brightness(photo(77)).enhance(factor), f"oak/{name}.png")
    assert names_of(found_by(picture_rules.DARK, source), source) == ["oak/b.png", "oak/c.png", "oak/a.png"]


def test_cut_short_and_damaged_are_told_apart(fill: Fill) -> None:
    source = fill(4)
    cut, damaged = source / "oak" / "00000.jpg", source / "yew" / "01000.jpg"
    cut.write_bytes(cut.read_bytes()[:-400])
    damaged.write_text("<html>not found</html>")
    assert names_of(found_by(picture_rules.CUT_SHORT, source), source) == ["oak/00000.jpg"]
    found = found_by(picture_rules.DAMAGED, source)
    assert names_of(found, source) == ["yew/01000.jpg"]
    assert found is not None and [*found.details.values()] == ["not a picture in a format that can be read here"]


def test_an_end_that_was_never_written_is_found(fill: Fill, save: Save) -> None:
    source = fill(4)
    lost = photo(5)
    lost.paste((128, 128, 128), (0, 60, 160, 120))
    save(lost, "oak/lost.png")
    found = found_by(picture_rules.LOST_END, source)
    assert names_of(found, source) == ["oak/lost.png"]
    assert found is not None and [*found.details.values()] == ["50 % of the rows"]


def test_a_wrong_suffix_is_found_with_what_it_is(fill: Fill, save: Save) -> None:
    source = fill(4)
    save(photo(5), "oak/odd.jpg", format="PNG")
    found = found_by(picture_rules.WRONG_SUFFIX, source)
    assert names_of(found, source) == ["oak/odd.jpg"]
    assert found is not None and [*found.details.values()] == ["is PNG"]


def test_wrong_exif_is_told_apart_from_exif_that_turns(fill: Fill, save: Save) -> None:
    source = fill(4)
    for name, orientation in (("turned", 6), ("wrong", 0)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(photo(5), f"oak/{name}.jpg", exif=exif)
    assert names_of(found_by(picture_rules.EXIF_TURNED, source), source) == ["oak/turned.jpg"]
    assert names_of(found_by(picture_rules.EXIF_WRONG, source), source) == ["oak/wrong.jpg"]


def test_rules_say_nothing_where_nothing_can_be_read(fill: Fill) -> None:
    source = fill(2)
    for path in source.rglob("*.jpg"):
        path.write_bytes(b"no picture")
    evidence = evidence_of(source)
    assert [rule.name for rule in PICTURE_RULES if rule.judge(evidence)] == ["damaged"]


def test_what_cannot_be_opened_is_not_called_damaged(fill: Fill) -> None:
    source = fill(3)
    (source / "oak" / "gone.jpg").symlink_to("truncated.jpg")
    (source / "oak" / "truncated empty.jpg").touch()
    unopened, damaged = (found_by(rule, source) for rule in (picture_rules.UNOPENED, picture_rules.DAMAGED))
    assert found_by(picture_rules.CUT_SHORT, source) is None
    assert unopened is not None and list(unopened.details.values()) == ["there is no such file"]
    assert damaged is not None and list(damaged.details.values()) == ["the file is empty"]


def test_a_bomb_is_told_with_our_limit_and_its_size(fill: Fill) -> None:
    source = fill(3)
    Image.new("1", (20_000, 20_000)).save(source / "oak" / "bomb.png")
    found = found_by(picture_rules.DAMAGED, source)
    assert found is not None and list(found.details.values()) == [
        "a picture may have 50 million pixels at most, got 400 million; shrink it first"
    ]
