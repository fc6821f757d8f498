"""The built-in data set: cards, synthetic photos, the folder they are written to, the sheet to print."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from hawklet.cards import (
    BACKGROUND,
    CARDS,
    CLASSES,
    PhotoSet,
    draw_card,
    draw_sign,
    photograph,
    print_sheet,
    write_photo_set,
)
from hawklet.cards.photography import project_card, smear, warp
from hawklet.cards.sheet import draw_sheet
from hawklet.errors import DataError, UsageError

SMALL = PhotoSet(per_class=2, seed=3, size=64)


def _difference(first: Image.Image, second: Image.Image) -> float:
    return float(np.abs(np.asarray(first.convert("RGB"), float) - np.asarray(second.convert("RGB"), float)).mean())


def test_every_card_looks_different_from_every_other_one() -> None:
    drawn = {name: draw_card(name, 96) for name in CARDS}
    for first in CARDS:
        for second in CARDS:
            if first != second:
                assert _difference(drawn[first], drawn[second]) > 6, (first, second)


def test_the_two_turns_mirror_each_other_so_that_a_flip_would_confuse_them() -> None:
    assert _difference(ImageOps.mirror(draw_card("turn-left", 128)), draw_card("turn-right", 128)) < 1.0


@pytest.mark.parametrize("name", CARDS)
def test_a_sign_is_clear_around_its_edge_and_a_card_is_paper_there(name: str) -> None:
    assert np.asarray(draw_sign(name, 100))[2, 2, 3] == 0
    assert tuple(np.asarray(draw_card(name, 100))[50, 2]) == pytest.approx((252, 251, 247, 255), abs=2)


def test_a_card_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"one of stop, .*'turn-up'"):
        draw_card("turn-up", 64)
    with pytest.raises(UsageError, match=r"background.*'turn-up'"):
        photograph("turn-up", np.random.default_rng(0), 64)


def test_drawing_on_a_card_does_not_change_the_next_one() -> None:
    spoilt = draw_sign("stop", 64)
    spoilt.paste((0, 255, 0, 255), (0, 0, 64, 64))
    assert _difference(spoilt, draw_sign("stop", 64)) > 50


@pytest.mark.parametrize("name", CLASSES)
def test_a_photo_is_decided_by_its_seed(name: str) -> None:
    first = photograph(name, np.random.default_rng([1, 2]), 72)
    assert first.shape == (72, 72, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, photograph(name, np.random.default_rng([1, 2]), 72))
    assert not np.array_equal(first, photograph(name, np.random.default_rng([1, 3]), 72))


def test_photos_differ_in_brightness_and_place_as_real_ones_do() -> None:
    photos = [photograph("stop", np.random.default_rng(seed), 64) for seed in range(40)]
    brightness = [float(photo.mean()) for photo in photos]
    assert np.std(brightness) > 20
    reddest = [np.unravel_index(_redness(photo).argmax(), (64, 64)) for photo in photos]
    assert np.std([row for row, _ in reddest]) > 5
    assert np.std([column for _, column in reddest]) > 5


def _redness(photo: np.ndarray) -> np.ndarray:
    red, green, blue = (photo[..., band].astype(float) for band in range(3))
    return red - np.maximum(green, blue)


def test_a_card_facing_the_camera_keeps_its_square() -> None:
    corners = project_card((50, 40), 20, roll=0, yaw=0, pitch=0)
    assert np.allclose(corners, [[40, 30], [60, 30], [60, 50], [40, 50]])


def test_a_card_turned_away_has_its_far_side_shorter() -> None:
    corners = project_card((50, 50), 40, roll=0, yaw=0.6, pitch=0)
    left, right = np.linalg.norm(corners[3] - corners[0]), np.linalg.norm(corners[2] - corners[1])
    assert abs(left - right) > 3
    assert corners[1, 0] - corners[0, 0] < 40


def test_a_warp_puts_each_corner_of_the_card_where_it_is_asked_to() -> None:
    card = Image.new("RGBA", (40, 40), (0, 0, 0, 255))
    for box, colour in {(0, 0, 20, 20): "red", (20, 0, 40, 20): "lime", (0, 20, 20, 40): "blue"}.items():
        card.paste(colour, box)
    patch, (left, top) = warp(card, np.array([[110.0, 60], [150, 65], [155, 110], [105, 100]]))
    canvas = Image.new("RGB", (200, 150), "white")
    canvas.paste(patch, (left, top), patch)
    assert canvas.getpixel((115, 66)) == (255, 0, 0)
    assert canvas.getpixel((146, 70)) == (0, 255, 0)
    assert canvas.getpixel((111, 96)) == (0, 0, 255)
    assert canvas.getpixel((150, 104)) == (0, 0, 0)
    assert canvas.getpixel((90, 80)) == (255, 255, 255)


def test_smearing_spreads_along_the_motion_only() -> None:
    picture = Image.new("RGB", (31, 31))
    picture.putpixel((15, 15), (255, 255, 255))
    smeared = np.asarray(smear(picture, 8, 0.0))[..., 0]
    rows, columns = np.nonzero(smeared)
    assert set(rows.tolist()) == {15}
    assert columns.max() - columns.min() >= 6


def test_a_photo_set_is_a_folder_of_pictures_per_class(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    drawn = write_photo_set(tmp_path / "cards", SMALL, workers=1, progress=lambda *call: calls.append(call))
    assert drawn
    assert sorted(path.name for path in (tmp_path / "cards").iterdir() if path.is_dir()) == sorted(CLASSES)
    assert len(list((tmp_path / "cards").glob("*/*.jpg"))) == 2 * len(CLASSES)
    assert calls[0] == (0, 14)
    assert calls[-1] == (14, 14)
    assert [path.name for path in tmp_path.iterdir()] == ["cards"]


def test_more_workers_draw_the_same_photos(tmp_path: Path) -> None:
    write_photo_set(tmp_path / "one", SMALL, workers=1)
    write_photo_set(tmp_path / "two", SMALL, workers=2)
    for path in (tmp_path / "one").glob("*/*.jpg"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_a_complete_photo_set_is_kept_and_another_one_replaces_it(tmp_path: Path) -> None:
    folder = tmp_path / "cards"
    write_photo_set(folder, SMALL, workers=1)
    assert not write_photo_set(folder, SMALL, workers=1)
    assert write_photo_set(folder, PhotoSet(per_class=1, seed=4, size=64), workers=1)
    assert len(list(folder.glob("*/*.jpg"))) == len(CLASSES)


def test_a_photo_set_with_a_photo_missing_is_drawn_again(tmp_path: Path) -> None:
    folder = tmp_path / "cards"
    write_photo_set(folder, SMALL, workers=1)
    next((folder / BACKGROUND).glob("*.jpg")).unlink()
    assert write_photo_set(folder, SMALL, workers=1)
    assert SMALL.is_in(folder)


def test_an_interrupted_drawing_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop_half_way(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_photo_set(tmp_path / "cards", SMALL, workers=1, progress=stop_half_way)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_elses_photos_is_never_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "cards" / "holiday.jpg"
    precious.parent.mkdir()
    precious.write_bytes(b"sunny")
    with pytest.raises(DataError, match="holds something else"):
        write_photo_set(tmp_path / "cards", SMALL, workers=1)
    assert precious.read_bytes() == b"sunny"


def test_the_record_says_what_was_drawn(tmp_path: Path) -> None:
    write_photo_set(tmp_path / "cards", SMALL, workers=1)
    record = json.loads((tmp_path / "cards" / ".cards.json").read_text())
    assert (record["seed"], record["per_class"], record["classes"]) == (3, 2, list(CLASSES))


def test_the_sheet_shows_every_card_on_a4(tmp_path: Path) -> None:
    page = draw_sheet()
    assert page.size == (2480, 3508)
    red, blue = np.asarray(page)[..., 0].astype(int), np.asarray(page)[..., 2].astype(int)
    assert (red - blue > 120).any(axis=1).mean() > 0.5  # red signs in all three rows
    assert (blue - red > 120).any(axis=0).mean() > 0.4  # blue signs in both columns
    print_sheet(tmp_path / "cards.pdf")
    print_sheet(tmp_path / "cards.PNG")
    assert (tmp_path / "cards.pdf").read_bytes().startswith(b"%PDF-")
    assert Image.open(tmp_path / "cards.PNG").size == page.size


def test_a_sheet_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.pdf or \.png, got 'cards\.docx'"):
        print_sheet(tmp_path / "cards.docx")
    assert list(tmp_path.iterdir()) == []


def test_a_photo_too_small_to_tell_cards_apart_is_refused() -> None:
    with pytest.raises(UsageError, match="48 pixels wide at least, got 32"):
        photograph("stop", np.random.default_rng(0), 32)
