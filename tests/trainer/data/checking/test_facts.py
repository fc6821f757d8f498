"""One look at a picture: what is known of it, and what is found though decoding is cut short to be quick."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from checked_photos import photo
from hawklet.errors import ImageError
from hawklet_trainer.data.checking.exif import ExifState
from hawklet_trainer.data.checking.facts import FACTS, Depth, digest_of, look
from hawklet_trainer.data.checking.formats import FORMATS
from hawklet_trainer.data.place import Place, Span

Save = Callable[..., Path]


def test_a_picture_is_known_by_its_bytes_format_and_size(save: Save) -> None:
    path = save(photo(1, 160, 120), "a.jpg")
    record, error = look(Place(path), Depth.PIXELS)
    assert not error
    assert record["sha256"].tobytes().hex() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert FORMATS[record["format"]] == "JPEG" and record["suffix_fits"]
    assert (record["width"], record["height"]) == (160, 120)
    assert record["thumb"].std() > 10 and record["sharpness"] > 0


def test_a_quick_look_decodes_nothing(save: Save) -> None:
    path = save(photo(1), "a.jpg")
    path.write_bytes(path.read_bytes()[:-500])
    record, error = look(Place(path), Depth.HEADER)
    assert not error and not record["thumb"].any() and record["width"] == 160


def test_records_are_small() -> None:
    assert FACTS.itemsize < 1200


@pytest.mark.parametrize("side", [150, 500, 2000])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("depth", [Depth.THUMB, Depth.PIXELS])
def test_a_jpeg_that_is_cut_short_is_found_however_small_it_is_decoded(
    save: Save, side: int, share: float, depth: Depth
) -> None:
    path = save(photo(1, side, side), "a.jpg", quality=90)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    _, error = look(Place(path), depth)
    assert error.startswith("a.jpg: ") and "truncated" in error


@pytest.mark.parametrize("depth", [Depth.THUMB, Depth.PIXELS])
def test_a_progressive_jpeg_that_is_cut_short_is_found(save: Save, depth: Depth) -> None:
    path = save(photo(1, 600, 400), "a.jpg", progressive=True)
    path.write_bytes(path.read_bytes()[:-2000])
    assert "truncated" in look(Place(path), depth)[1]


def test_zeros_where_the_end_should_be_are_a_hole_but_padding_is_none(save: Save) -> None:
    path = save(photo(1), "a.jpg")
    content = path.read_bytes()
    path.write_bytes(content + bytes(300))
    record, error = look(Place(path), Depth.THUMB)
    assert not error and not record["hole"]
    path.write_bytes(content[:-40] + bytes(300))
    record, error = look(Place(path), Depth.THUMB)
    assert error or record["hole"]


def test_a_turned_picture_has_its_upright_size(save: Save) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    record, _ = look(Place(save(photo(1, 160, 120), "a.jpg", exif=exif)), Depth.PIXELS)
    assert (record["width"], record["height"]) == (120, 160) and record["exif"] == ExifState.TURNED


def test_exif_of_a_png_is_found(save: Save) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    record, _ = look(Place(save(photo(1), "a.png", exif=exif)), Depth.PIXELS)
    assert record["exif"] == ExifState.TURNED


def test_a_renamed_heic_is_known_though_it_cannot_be_read(save: Save) -> None:
    path = save(photo(1), "a.jpg")
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    record, error = look(Place(path), Depth.HEADER)
    assert error and FORMATS[record["format"]] == "HEIF" and not record["suffix_fits"]


def test_a_picture_within_a_shard_is_looked_at_in_place(save: Save, tmp_path: Path) -> None:
    content = save(photo(1), "a.jpg").read_bytes()
    shard = tmp_path / "some.tar"
    shard.write_bytes(bytes(512) + content + bytes(700))
    record, error = look(Place(shard, Span(512, len(content))), Depth.PIXELS)
    assert not error and record["suffix_fits"]
    assert record["sha256"].tobytes() == hashlib.sha256(content).digest()


def test_what_cannot_be_opened_is_told_in_one_line(tmp_path: Path) -> None:
    assert look(Place(tmp_path / "none.jpg"), Depth.HEADER)[1] == "none.jpg: there is no such file"
    (tmp_path / "folder.jpg").mkdir()
    assert look(Place(tmp_path / "folder.jpg"), Depth.HEADER)[1].startswith("folder.jpg: ")


def test_a_digest_is_written_as_usual(save: Save) -> None:
    records = np.array([look(Place(save(photo(1), "a.png")), Depth.HEADER)[0]])
    assert digest_of(records, 0) == Place(save(photo(1), "b.png")).sha256()


@pytest.mark.shared_data
def test_whatever_the_reader_refuses_is_refused_in_the_same_words(shared_data: Path) -> None:
    paths = [path for path in (shared_data / "awkward_images").rglob("*") if path.is_file() and path.suffix != ".json"]
    for path in paths:
        record, error = look(Place(path), Depth.PIXELS)
        try:
            height, width = Place(path).read().shape[:2]
        except ImageError as refused:
            assert error == str(refused)
        else:
            assert not error and (record["height"], record["width"]) == (height, width), path.name
    assert len(paths) > 40
