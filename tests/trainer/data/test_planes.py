"""Photos for a network of four channels have four planes, every one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hawklet import cli
from hawklet.errors import DataError
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import load_pixels, read_photos
from hawklet_trainer.data.planes import require_planes

FOUR = PreprocessSpec(24, 24, channels=4)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six pictures of four planes in each of two classes."""
    random = np.random.default_rng(0)
    for label in ("dry", "wet"):
        (tmp_path / "leaves" / label).mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(0, 256, (30, 30, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "leaves" / label / f"{number}.png")
    return tmp_path / "leaves"


def test_photos_of_four_planes_are_read_with_all_of_them(photos: Path) -> None:
    found = read_photos(photos)
    require_planes(found, FOUR)
    pixels, _ = load_pixels(found.items("train"), FOUR)
    assert pixels.shape[1:] == (24, 24, 4) and pixels[..., 3].std() > 20, "an opaque plane would be all 255"


def _take_the_plane_away(path: Path) -> None:
    Image.open(path).convert("RGB").save(path)


def test_photos_without_a_fourth_plane_are_refused_naming_the_first(photos: Path) -> None:
    for name in ("wet/1.png", "wet/3.png"):
        _take_the_plane_away(photos / name)
    found = read_photos(photos)
    with pytest.raises(DataError, match=r"2 of 12 have none \(the first: wet/[13]\.png\)"):
        require_planes(found, FOUR)
    require_planes(found, PreprocessSpec(24, 24))
    require_planes(found, PreprocessSpec(24, 24, channels=1))


def test_the_command_refuses_them_in_one_line_before_anything_is_written(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _take_the_plane_away(photos / "dry/0.png")
    words = ("--channels", "4", "--weights", "none", "--model", "resnet18", "--imgsz", "32", "--out")
    with pytest.raises(SystemExit) as end:
        cli.main(["train", str(photos), *words, str(tmp_path / "runs")])
    assert end.value.code == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(lines) == 1 and "the first: dry/0.png" in lines[0]
    assert not (tmp_path / "runs").exists()


def test_channels_that_no_picture_has_are_refused(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["train", str(photos), "--channels", "2"])
    assert end.value.code == 2 and "--channels" in capsys.readouterr().err
