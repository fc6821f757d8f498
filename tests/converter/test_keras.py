"""Converting Keras models: all of it that needs no TensorFlow. The rest is in tests/acceptance/test_keras.py."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny_models
from hawklet.errors import DataError, MissingDependencyError, ModelError, UsageError
from hawklet.spec import PreprocessSpec
from hawklet_converter.commands import convert
from hawklet_converter.keras.split_photos import calibration_pixels, link_held_out, split_photos


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file with the name of a Keras model; nothing here gets as far as reading it."""
    file = tmp_path / "shapes.keras"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    return file


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six pictures of each colour, none quite black or white."""
    folder = tmp_path / "photos"
    for colour in tiny_models.LABELS:
        (folder / colour).mkdir(parents=True)
        for number in range(6):
            grey = tiny_models.solid(colour).clip(20, 200)
            Image.fromarray(grey).save(folder / colour / f"{number}.png")
    return folder


def _convert(*arguments: object) -> None:
    convert.main(args=list(map(str, arguments)), standalone_mode=False)


def test_without_tensorflow_the_error_names_the_extra_to_install(
    model: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'hawklet\[keras\]'"):
        _convert(model, "--photos", photos, "-o", tmp_path / "made.hawklet")
    assert not (tmp_path / "made.hawklet").exists()


@pytest.mark.parametrize(
    "option", ["--prune 0.5", "--recipe int8", "--budget 1m", "--prefer latency", "--resume", "--target pi4"]
)
def test_options_of_runs_are_refused_for_keras_models(model: Path, option: str) -> None:
    with pytest.raises(UsageError, match=f"{option.split()[0]} is for runs of hawklet train"):
        _convert(model, *option.split())


@pytest.mark.parametrize("option", ["--labels", "--normalize"])
def test_options_of_keras_models_are_refused_for_runs(tmp_path: Path, option: str) -> None:
    with pytest.raises(UsageError, match=f"{option} is for Keras models"):
        _convert(tmp_path, option, "0..1")


@pytest.mark.parametrize("option", ["--max-drop", "--calibration"])
def test_options_of_int8_are_refused_where_no_photos_allow_it(model: Path, option: str) -> None:
    with pytest.raises(UsageError, match="gets with --photos FOLDER"):
        _convert(model, option, 5)


def test_a_keras_model_needs_labels_from_somewhere(model: Path) -> None:
    with pytest.raises(UsageError, match="carries no labels"):
        _convert(model)


def test_an_unknown_normalization_is_refused_before_anything_is_loaded(model: Path) -> None:
    with pytest.raises(UsageError, match="must be one of"):
        _convert(model, "--normalize", "0..2")


def test_a_file_that_is_no_bundle_is_not_replaced(model: Path, photos: Path) -> None:
    with pytest.raises(UsageError, match="is none"):
        _convert(model, "--photos", photos, "-o", model)
    assert zipfile.is_zipfile(model)


@pytest.mark.parametrize("name", ["cut.keras", "cut.h5"])
def test_a_file_that_was_cut_short_is_told_from_one_that_is_whole(tmp_path: Path, photos: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ModelError, match="it was cut short or is of another kind"):
        _convert(tmp_path / name, "--photos", photos, "-o", tmp_path / "made.hawklet")


def test_a_keras_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(UsageError, match="there is no Keras model at"):
        _convert(tmp_path / "none.keras", "--photos", photos, "-o", tmp_path / "made.hawklet")


def test_the_way_to_keras_imports_no_torch() -> None:
    code = (
        "import sys, hawklet_converter.keras.convert_keras, hawklet_converter.commands; print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_every_class_is_in_both_parts_and_no_picture_is(photos: Path) -> None:
    parts = split_photos(photos, tiny_models.LABELS, calibration=6, seed=0)
    assert {index for _, index in parts.calibration} == {index for _, index in parts.held_out} == {0, 1, 2}
    assert (len(parts.calibration), len(parts.held_out)) == (6, 12)
    assert not {path for path, _ in parts.calibration} & {path for path, _ in parts.held_out}


def test_calibration_takes_half_of_a_class_at_most_and_the_seed_draws_it(photos: Path) -> None:
    parts = split_photos(photos, tiny_models.LABELS, calibration=1000, seed=0)
    assert len(parts.calibration) == len(parts.held_out) == 9
    assert parts == split_photos(photos, tiny_models.LABELS, calibration=1000, seed=0)
    assert parts != split_photos(photos, tiny_models.LABELS, calibration=1000, seed=1)


def test_a_class_of_one_picture_is_refused(photos: Path) -> None:
    for number in range(1, 6):
        (photos / "red" / f"{number}.png").unlink()
    with pytest.raises(DataError, match="red has one"):
        split_photos(photos, tiny_models.LABELS, calibration=6, seed=0)


def test_pictures_without_folders_cannot_be_measured_on(photos: Path) -> None:
    with pytest.raises(DataError, match="one folder of pictures for each label"):
        split_photos(photos / "red", tiny_models.LABELS, calibration=6, seed=0)


def test_calibration_spans_all_pixel_values_so_that_int8_takes_pixels_as_they_are(photos: Path) -> None:
    parts = split_photos(photos, tiny_models.LABELS, calibration=6, seed=0)
    pixels = calibration_pixels(parts, PreprocessSpec(8, 8))
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.ptp(pixels[1:]) < 255


def test_held_out_pictures_lie_in_folders_of_their_labels(photos: Path, tmp_path: Path) -> None:
    parts = split_photos(photos, tiny_models.LABELS, calibration=6, seed=0)
    link_held_out(parts, tiny_models.LABELS, tmp_path / "held")
    assert sorted(path.name for path in (tmp_path / "held").iterdir()) == sorted(tiny_models.LABELS)
    assert len(list((tmp_path / "held" / "red").iterdir())) == 4
