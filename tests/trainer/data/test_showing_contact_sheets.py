"""Small pictures of each class and their mean."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hawklet.errors import ImageError
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.place import Place, Span
from hawklet_trainer.data.showing.contact_sheets import MOST_SHEETS, Layout, contact_sheet, lay_out


def _decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))))


def _draw(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (60, 40)) -> Place:
    Image.new("RGB", size, colour).save(path)
    return Place(path)


@pytest.mark.parametrize("classes", [1, 5, 50, 100, 240, 1000, MOST_SHEETS, 100_000])
def test_a_page_has_room_for_every_class_that_is_shown(classes: int) -> None:
    layout = lay_out(classes, 24)
    shown = min(classes, MOST_SHEETS) * (layout.per_class + 1)
    assert 1 <= layout.per_class <= 24 and layout.sampled >= layout.per_class
    # What real pictures took in JPEG of quality 70, as text within a page.
    bytes_each = {132: 3849, 96: 2219, 64: 1267}[layout.side] * 4 / 3 + 220
    assert shown * bytes_each < 10e6


def test_few_classes_get_all_that_is_asked_for() -> None:
    assert lay_out(100, 24) == Layout(24, 96, 60)
    assert lay_out(2, 100).per_class == 100


def test_the_mean_is_of_the_whole_sample_and_some_of_it_is_shown(tmp_path: Path) -> None:
    rows = [
        IndexRow(_draw(tmp_path / f"{n}.png", (200, 0, 40) if n % 2 else (100, 0, 40)), "red", "train")
        for n in range(10)
    ]
    sheet = contact_sheet("red", rows, Layout(per_class=4, side=64, sampled=10), 0, _fail)
    assert sheet.averaged == 10 and len(sheet.shots) == 4
    assert np.abs(_decoded(sheet.mean).astype(int) - (150, 0, 40)).max() <= 3
    assert _decoded(sheet.shots[0].image).shape == (64, 64, 3)
    assert {shot.split for shot in sheet.shots} == {"train"}
    assert all(shot.name.endswith(".png") for shot in sheet.shots)


def test_pictures_within_shards_are_shown(tmp_path: Path) -> None:
    one = _draw(tmp_path / "one.png", (0, 200, 0)).path.read_bytes()
    (tmp_path / "shard.tar").write_bytes(b"x" * 100 + one)
    place = Place(tmp_path / "shard.tar", Span(100, len(one)))
    sheet = contact_sheet("green", [IndexRow(place, "green")], Layout(4, 64, 8), 0, _fail)
    assert len(sheet.shots) == 1 and _decoded(sheet.mean)[0, 0, 1] > 180


def test_unreadable_pictures_are_told_of_and_a_class_of_nothing_else_is_empty(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    told: list[str] = []
    sheet = contact_sheet(
        "bad",
        [IndexRow(Place(tmp_path / "broken.jpg"), "bad")],
        Layout(4, 64, 8),
        0,
        lambda place, error: told.append(f"{place.path.name} {error}"),
    )
    assert (sheet.shots, sheet.mean, sheet.averaged) == ((), "", 0)
    assert len(told) == 1 and told[0].startswith("broken.jpg")


def _fail(place: Place, error: ImageError) -> None:
    pytest.fail(f"{place}: {error}")
