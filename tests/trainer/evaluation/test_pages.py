"""The pages: whole, offline, safe and small, with two classes or a hundred."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hawklet_trainer.evaluation.analysis import Scaling, analyse
from hawklet_trainer.evaluation.answers import Answers
from hawklet_trainer.evaluation.evaluate import EvaluateRequest, Evaluation, evaluate
from hawklet_trainer.evaluation.evaluation_report import write_evaluation_report
from hawklet_trainer.evaluation.explaining import network_explainer, unexplained
from hawklet_trainer.finish import Trained, finish_run

MakeAnswers = Callable[..., Answers]
_REFERENCE = re.compile(r"""(?:src|href)=(?!["'](?:data:|#))|url\((?!data:)|@import|<script|https?://""")


def _page(found: Evaluation, path: Path) -> str:
    write_evaluation_report(path, found)
    return path.read_text(encoding="utf-8")


@pytest.fixture
def made_up(small_run: Path, make_answers: MakeAnswers, tmp_path: Path) -> Callable[..., Evaluation]:
    """An evaluation of another model, with as many classes and pictures as wanted."""
    picture = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)).save(picture)
    found = evaluate(EvaluateRequest(small_run))

    def make(pictures: int, labels: tuple[str, ...], lean: float = 2.0) -> Evaluation:
        answers = make_answers(pictures, labels, picture, lean)
        subject = replace(found.subject, labels=labels, explain=unexplained("No gradients here."))
        measured = replace(found.pictures, photos=answers.photos)
        analysis = analyse(answers, Scaling(0.8, "30 validation pictures"))
        return replace(found, subject=subject, pictures=measured, analysis=analysis)

    return make


def test_a_page_opens_offline(small_run: Path, tmp_path: Path) -> None:
    page = _page(evaluate(EvaluateRequest(small_run, robustness=True)), tmp_path / "page.html")
    assert not _REFERENCE.search(page)
    for part in ("Class by class", "Confusion", "ROC, AUC", "mean probability", "pictures get worse", "Least certain"):
        assert part in page
    assert page.count("where the network found") == 6 and "6 validation pictures" in page
    assert "points, after temperature scaling" in page
    assert re.search(r"measured on \d+ [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC by hawklet", page)


def test_a_thousand_mistakes_of_a_hundred_classes_stay_below_five_megabytes(
    made_up: Callable[..., Evaluation], tmp_path: Path
) -> None:
    found = made_up(1100, tuple(f"a class of a rather long name, number {number}" for number in range(100)), lean=-3.0)
    assert found.analysis.mistake_count > 1000
    page = _page(found, tmp_path / "page.html")
    assert len(page.encode()) < 5_000_000
    assert "the 24 worst" in page and "No gradients here." in page and 'class="confusion"' in page


def test_two_classes_make_a_page_too(made_up: Callable[..., Evaluation], tmp_path: Path) -> None:
    page = _page(made_up(20, ("yes", "no")), tmp_path / "page.html")
    assert 'class="matrix"' in page and "<td>top-5</td><td>\u2013</td>" in page


def test_names_are_escaped(made_up: Callable[..., Evaluation], tmp_path: Path) -> None:
    page = _page(made_up(60, ("<script>alert(1)</script>", "a & b", *map(str, range(30)))), tmp_path / "page.html")
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_pictures_that_have_gone_leave_a_gap_and_no_error(
    made_up: Callable[..., Evaluation], tmp_path: Path, trained: Trained
) -> None:
    found = made_up(20, ("blue", "green", "red"))
    (tmp_path / "noise.png").unlink()
    explain = network_explainer(trained.net, trained.spec, trained.zero_point, trained.scale)
    found = replace(found, subject=replace(found.subject, explain=explain))
    assert 'class="gone"' in _page(found, tmp_path / "page.html")


def test_a_model_that_is_always_right_has_no_mistakes_to_show(
    made_up: Callable[..., Evaluation], tmp_path: Path
) -> None:
    page = _page(made_up(20, ("a", "b"), lean=50.0), tmp_path / "page.html")
    assert "Mistakes: 0" in page and "<p>None.</p>" in page and "Taken for each other" not in page


def test_the_report_of_a_training_shows_its_curves_what_it_noticed_and_what_the_network_saw(
    small_run: Path, trained: Trained, tmp_path: Path
) -> None:
    page = (small_run / "report.html").read_text()
    assert not _REFERENCE.search(page)
    assert "part ways since epoch 2; try &lt;more pictures&gt;" in page
    assert "Loss by epoch" in page and "Learning rate by epoch" in page
    assert "kept</text>" in page and re.search(r"trained on \d+ [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC", page)
    assert 0 < page.count("where the network found") <= 12
    manifest = json.loads((small_run / "manifest.json").read_text())
    assert manifest["notes"] == trained.history.notes
    assert {"intervals", "calibration", "macro_recall", "weighted_f1"} <= manifest["metrics"]["test"].keys()
    assert manifest["metrics"]["val"]["calibration"]["scaled"] is None


def test_a_class_that_was_not_measured_has_dashes(trained: Trained, tmp_path: Path) -> None:
    photos = trained.photos
    red = photos.labels.index("red")
    splits = photos.splits | {"test": tuple(one for one in photos.splits["test"] if one.label_index != red)}
    folder = finish_run(tmp_path / "dashes", replace(trained, photos=replace(photos, splits=splits))).run.folder
    page = (folder / "report.html").read_text()
    assert re.search(r">red</td>(<td>-</td>){3}", page) and not re.search(r">blue</td><td>-</td>", page)
