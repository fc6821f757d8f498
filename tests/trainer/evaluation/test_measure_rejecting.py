"""What an evaluation says of when to say nothing: of a run, of a bundle with rules, and of one without its run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tiny_models
from hawklet.acceptance import UnknownRule
from hawklet.bundle import Bundle, write_bundle
from hawklet.cli import main
from hawklet.errors import DataError, UsageError
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import read_photos
from hawklet_trainer.evaluation.answers import Answers, answer
from hawklet_trainer.evaluation.measure_rejecting import measure_rejecting
from hawklet_trainer.evaluation.pictures import Pictures, choose_pictures
from hawklet_trainer.evaluation.reject_option import RejectFigures, RejectRequest
from hawklet_trainer.evaluation.subject import Subject, open_subject
from hawklet_trainer.models.registry import model_entry
from hawklet_trainer.run import BEST, save_weights, write_run


@pytest.fixture(scope="module")
def solids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of each of the hand-written models' colours."""
    folder = tmp_path_factory.mktemp("solids")
    for label in tiny_models.LABELS:
        (folder / label).mkdir()
        for side in (40, 64):
            Image.fromarray(tiny_models.solid(label, side)).save(folder / label / f"{side}.png")
    return folder


@pytest.fixture(scope="module")
def greys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of no colour: dark ones have small logits, the light one has large ones."""
    folder = tmp_path_factory.mktemp("greys")
    for level in (40, 80, 250):
        Image.fromarray(np.full((20, 20, 3), level, dtype=np.uint8)).save(folder / f"{level}.png")
    return folder


def _with_rules(bundle: Path, target: Path) -> Path:
    opened = Bundle.open(bundle)
    models = {variant.file: opened.read(variant.file) for variant in opened.manifest.variants}
    rules = replace(opened.manifest, thresholds={"red": 1.0}, unknown=UnknownRule(-12.0, 0.95))
    write_bundle(target, rules, models, opened.golden(), "# x")
    return target


def _measure(request: RejectRequest, bundle: Path, photos: Path) -> RejectFigures | None:
    subject = open_subject(bundle)
    pictures = choose_pictures(subject, photos, None)
    found = answer(subject.answers, pictures.photos, subject.spec, subject.labels, subject.output)
    return measure_rejecting(request, subject, pictures, found)


def test_a_model_without_rules_of_which_nothing_is_asked_always_answers(tiny_bundle: Path, solids: Path) -> None:
    assert _measure(RejectRequest(), tiny_bundle, solids) is None


def test_a_bundles_own_rules_are_measured_unasked(tiny_bundle: Path, solids: Path, tmp_path: Path) -> None:
    found = _measure(RejectRequest(), _with_rules(tiny_bundle, tmp_path / "x.hawklet"), solids)
    assert found is not None
    assert (found.known.accepted, found.known.doubtful, found.known.unknown) == (4, 2, 0)
    assert found.known.precision == 100.0


def test_pictures_of_no_class_are_tried_on_a_bundles_own_rules(
    tiny_bundle: Path, solids: Path, greys: Path, tmp_path: Path
) -> None:
    bundle = _with_rules(tiny_bundle, tmp_path / "x.hawklet")
    found = _measure(RejectRequest(unknown=greys), bundle, solids)
    assert found is not None and found.no_class is not None
    # 250 / 255 * 20 for three alike: familiar to the energy, but red must be certain
    assert (found.no_class.outcome.unknown, found.no_class.outcome.doubtful) == (2, 1)


def test_rules_cannot_be_fitted_without_the_run_and_its_validation_pictures(tiny_bundle: Path, solids: Path) -> None:
    with pytest.raises(UsageError, match="the run that colours was converted from is not at hand"):
        _measure(RejectRequest(precision=0.9), tiny_bundle, solids)


@pytest.fixture(scope="module")
def random_run(colour_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of random weights: what it answers is nothing worth, and is fitted and measured all the same."""
    folder = tmp_path_factory.mktemp("runs") / "random"
    photos, spec = read_photos(colour_photos, seed=0), PreprocessSpec(32, 32)
    torch.manual_seed(0)
    save_weights(folder / BEST, model_entry("resnet18").build(3, 32, 32), 120, 1 / 64)
    manifest = {
        "schema": "hawklet-run/1",
        "name": "random",
        "model": "resnet18",
        "labels": list(photos.labels),
        "preprocess": spec.to_dict(),
        "pixel_zero_point": 120,
        "pixel_scale": 1 / 64,
        "data": {"path": str(colour_photos), "digest": photos.digest, "counts": photos.counts()},
    }
    write_run(folder, manifest, photos)
    return folder


def _of_run(folder: Path) -> tuple[Subject, Pictures, Answers]:
    subject = open_subject(folder)
    pictures = choose_pictures(subject, None, "test")
    found = answer(subject.answers, pictures.photos, subject.spec, subject.labels, subject.output)
    return subject, pictures, found


def test_a_runs_rules_are_fitted_on_val_and_measured_on_test(random_run: Path, greys: Path) -> None:
    found = measure_rejecting(RejectRequest(precision=0.9, unknown=greys), *_of_run(random_run))
    assert found is not None
    assert found.option.fitted_on == "6 validation pictures"
    assert (found.measured_on, found.known.pictures) == ("test pictures", 6)
    assert set(found.option.acceptance.thresholds) == {"blue", "green", "red"}
    assert found.no_class is not None
    assert [one.score for one in found.no_class.separations] == ["energy", "largest logit", "softmax"]


def test_a_runs_own_pictures_are_not_of_no_class(random_run: Path, colour_photos: Path) -> None:
    with pytest.raises(DataError, match="must not be those that the model was made with"):
        measure_rejecting(RejectRequest(unknown=colour_photos / "red"), *_of_run(random_run))


def test_the_command_says_and_writes_the_rules(
    random_run: Path, greys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--precision", "0.9", "--unknown", str(greys))
    files = ("--json", str(tmp_path / "x.json"), "-o", str(tmp_path / "x.html"))
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(random_run), *options, *files])
    printed = capsys.readouterr()
    assert end.value.code == 0, printed.err
    assert "of 3 pictures of no class" in printed.out
    assert json.loads((tmp_path / "x.json").read_text())["rejecting"]["wanted"] == 0.9
    assert "When it should say nothing" in (tmp_path / "x.html").read_text()
