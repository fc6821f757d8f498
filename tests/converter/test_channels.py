"""Networks of one channel and of four, from the pictures to the board: trained, converted, run on files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

import hawklet
from hawklet.bundle import Bundle
from hawklet.classifier import Classifier
from hawklet.cli import main
from hawklet.golden import replay
from hawklet.images import read_image
from hawklet.spec import Pixels
from hawklet_converter.convert import convert
from hawklet_converter.request import Conversion, ConvertRequest
from hawklet_converter.steps import Steps
from hawklet_trainer.augment import Augment
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.resume import ResumeOptions, resume_run
from hawklet_trainer.train import TrainOptions, train_run
from hawklet_trainer.training.terms import TrainConfig
from tiny_networks import SIDE, TinyNet

_PICTURES = 40


@dataclass(frozen=True)
class Walked:
    """A training and its bundle."""

    channels: int
    photos: Path
    run: Path
    conversion: Conversion


_LEVELS = {"dark": 5, "smooth": 105, "bright": 250}


def _plane(label: str, random: np.random.Generator) -> Pixels:
    """A patch of the label's level somewhere on noise, ``uint8 [40, 40]``."""
    plane = random.integers(40, 170, (40, 40), dtype=np.uint8)
    left, top, side = random.integers(3, 14), random.integers(3, 14), random.integers(14, 22)
    plane[top : top + side, left : left + side] = _LEVELS[label]
    return plane


def _grey(label: str, random: np.random.Generator) -> Image.Image:
    return Image.fromarray(_plane(label, random))


def _only_in_the_fourth_plane(label: str, random: np.random.Generator) -> Image.Image:
    """Colours of nothing but noise; what there is to see is in the plane that is stored as alpha."""
    noise = random.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    return Image.fromarray(np.dstack([noise, _plane(label, random)]))


_DRAWN: dict[int, Callable[[str, np.random.Generator], Image.Image]] = {1: _grey, 4: _only_in_the_fourth_plane}


@pytest.fixture(scope="module")
def tiny_model() -> Iterator[str]:
    MODELS["tiny_channels"] = replace(
        MODELS["mobilenet_v2"],
        name="tiny_channels",
        build=lambda classes, height, width: TinyNet(classes),
        stem=("stem.0.0", "stem.0.1"),
        head="head",
        points=(),
        least_side=16,
    )
    yield "tiny_channels"
    del MODELS["tiny_channels"]


@pytest.fixture(scope="module", params=[1, 4])
def walked(request: pytest.FixtureRequest, tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    channels: int = request.param
    folder = tmp_path_factory.mktemp("channels")
    random = np.random.default_rng(0)
    for label in _LEVELS:
        (folder / "photos" / label).mkdir(parents=True)
        for number in range(_PICTURES):
            _DRAWN[channels](label, random).save(folder / "photos" / label / f"{number}.png")
    config = TrainConfig(epochs=8, batch=12, lr=8e-3, augment=Augment.LIGHT)
    asked = TrainOptions(
        folder / "photos", tiny_model, weights="none", out=folder / "runs", imgsz=SIDE, channels=channels, config=config
    )
    run = train_run(asked).run.folder
    conversion = convert(
        ConvertRequest(run, folder / "patches.hawklet", calibration=48, max_drop=8.0), Steps(silent=True)
    )
    return Walked(channels, folder / "photos", run, conversion)


def test_a_network_learns_from_the_channels_that_it_was_given(walked: Walked) -> None:
    manifest = json.loads((walked.run / "manifest.json").read_text())
    assert manifest["preprocess"]["channels"] == walked.channels
    assert manifest["metrics"]["val"]["top1"] > 80.0, "by chance it would be 33"


def test_every_file_of_the_bundle_replays_its_golden_frames_of_so_many_channels(walked: Walked) -> None:
    bundle = Bundle.open(walked.conversion.path)
    assert bundle.golden().inputs.shape[1:] == (SIDE, SIDE, walked.channels)
    assert {variant.name for variant in bundle.manifest.variants} >= {"int8-tflite", "float32-tflite", "int8-onnx"}
    for variant in bundle.manifest.variants:
        assert replay(bundle, variant.name).passed, variant.name


def test_the_manifest_is_valid_by_the_published_schema_and_the_card_says_what_files_take(walked: Walked) -> None:
    bundle = Bundle.open(walked.conversion.path)
    schema = json.loads((Path(hawklet.__file__).parent / "schemas" / "bundle-1.schema.json").read_text())
    jsonschema.validate(bundle.manifest.to_dict(), schema)
    words = {1: "[1, H, W, 1]` luma pixels", 4: "[1, H, W, 4]` RGB and a fourth plane pixels"}
    assert words[walked.channels] in bundle.read("MODEL_CARD.md").decode()


def test_files_are_classified_on_the_command_line(walked: Walked, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", str(walked.conversion.path), str(walked.photos), "--jsonl", "-"])
    assert not end.value.code
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()][:-1]
    right = [result["label"] == Path(result["name"]).parent.name for result in results]
    assert len(right) == 3 * _PICTURES and np.mean(right) > 0.8


def test_a_finished_run_is_trained_on_in_its_channels(walked: Walked) -> None:
    again = resume_run(ResumeOptions(walked.run, given={"epochs": 1})).run
    assert again.folder != walked.run and again.spec.channels == walked.channels
    assert again.manifest["metrics"]["val"]["top1"] > 80.0


def test_a_bare_file_of_it_runs_alone(walked: Walked, tmp_path: Path) -> None:
    bundle = Bundle.open(walked.conversion.path)
    picture = next(walked.photos.glob("dark/*.png"))
    for suffix in ("tflite", "onnx"):
        path = tmp_path / f"alone.{suffix}"
        path.write_bytes(bundle.read(f"models/float32-{suffix}.{suffix}"))
        alone = Classifier.open(path)
        assert alone.spec.channels == walked.channels
        assert alone.classify(read_image(picture, planes=alone.spec.planes)).top.label in _LEVELS


def test_a_camera_is_refused_where_a_fourth_plane_is_needed(walked: Walked, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", str(walked.conversion.path), "synthetic://cards", "--frames", "2", "--quiet"])
    if walked.channels == 1:
        assert not end.value.code
        return
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert end.value.code == 2 and len(lines) == 1
    assert "fourth plane" in lines[0] and "synthetic://cards gives RGB alone" in lines[0]
