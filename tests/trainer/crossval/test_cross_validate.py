"""A whole cross-validation of a tiny network: what it writes, and how it goes on."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hawklet import cli
from hawklet.errors import DataError, RunError, UsageError
from hawklet_trainer.crossval.cross_validate import CrossvalOptions, CrossvalResult, cross_validate
from hawklet_trainer.evaluation.evaluate import EvaluateRequest, evaluate
from hawklet_trainer.models.weights import read_tensors
from hawklet_trainer.run import BEST, load_run
from hawklet_trainer.train import TrainOptions
from hawklet_trainer.training.terms import EpochRecord, Progress, Step, TrainConfig

CONFIG = TrainConfig(epochs=2, head_epochs=2, batch=8, lr=0.01, patience=99)


@pytest.fixture
def options(colour_photos: Path, tmp_path: Path, small_network: str) -> CrossvalOptions:
    training = TrainOptions(colour_photos, model=small_network, out=tmp_path, name="cv", imgsz=32, config=CONFIG)
    return CrossvalOptions(training, folds=3)


@pytest.fixture(scope="module")
def finished(colour_photos: Path, tmp_path_factory: pytest.TempPathFactory, small_network: str) -> CrossvalResult:
    """One that no test changes."""
    out = tmp_path_factory.mktemp("finished")
    training = TrainOptions(colour_photos, model=small_network, out=out, name="cv", imgsz=32, config=CONFIG)
    return cross_validate(CrossvalOptions(training, folds=3))


def _rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "out_of_fold.csv").open()))


class _BreaksOff(Progress):
    """After some steps."""

    def __init__(self, at_step: int) -> None:
        self.left = at_step

    def step(self, step: Step) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


class _Counts(Progress):
    epochs = 0

    def epoch(self, record: EpochRecord, net: object, kept: bool) -> None:
        self.epochs += 1


def test_what_the_curves_of_a_fold_say_does_not_advise_what_is_being_done(finished: CrossvalResult) -> None:
    for figures in finished.folds:
        notes = load_run(finished.folder / figures.run).manifest["notes"]
        assert any("too small to tell" in note for note in notes) and "crossval" not in " ".join(notes)


def test_every_picture_has_an_answer_of_the_network_that_was_trained_without_it(
    finished: CrossvalResult, colour_photos: Path
) -> None:
    rows = _rows(finished.folder)
    assert sorted(row["path"] for row in rows) == sorted(
        path.relative_to(colour_photos).as_posix() for path in colour_photos.rglob("*.png")
    )
    for row in rows:
        run = load_run(finished.folder / f"fold-{row['fold']}")
        split = {line["path"]: line["split"] for line in csv.DictReader((run.folder / "split.csv").open())}
        assert split[row["path"]] == "test" and row["label"] == row["path"].split("/")[0]
        assert 1 / 3 <= float(row["score"]) <= 1 and float(row["label_score"]) <= float(row["score"])
    right = 100 * sum(row["label"] == row["named"] for row in rows) / len(rows)
    assert finished.analysis.metrics.top1 == pytest.approx(right)
    assert finished.top1.mean == pytest.approx(sum(fold.top1 for fold in finished.folds) / 3)


def test_the_figures_of_a_fold_are_those_of_its_run_on_its_test_pictures(finished: CrossvalResult) -> None:
    for fold in finished.folds:
        manifest = load_run(finished.folder / fold.run).manifest
        assert fold.top1 == pytest.approx(manifest["metrics"]["test"]["top1"])
        assert (fold.train, fold.val, fold.test) == tuple(manifest["data"]["counts"].values())


def test_answers_are_pooled_at_the_temperature_of_their_own_run(finished: CrossvalResult) -> None:
    rows = _rows(finished.folder)
    for fold in finished.folds:
        own = evaluate(EvaluateRequest(finished.folder / fold.run, split="test")).analysis
        assert own.scaling is not None
        scores = np.exp(own.answers.logs(own.scaling.temperature)).max(axis=1)
        said = [float(row["score"]) for row in rows if row["fold"] == str(fold.fold)]
        assert sorted(said) == pytest.approx(sorted(scores), abs=1e-3)
    assert "as if all answers were one network" in (finished.folder / "report.html").read_text()


def test_the_record_says_what_was_done_and_the_report_shows_it(finished: CrossvalResult) -> None:
    record = json.loads((finished.folder / "crossval.json").read_text())
    assert record["schema"] == "hawklet-crossval/1" and record["complete"]
    assert record["data"]["pictures"] == 36 and [fold["test"] for fold in record["folds"]] == [12, 12, 12]
    assert record["summary"]["top1"]["mean"] == finished.top1.mean
    assert sum(map(sum, record["summary"]["out_of_fold"]["confusion"])) == 36
    page = (finished.folder / "report.html").read_text()
    assert "which they are not" in page and "Nadeau and Bengio" in page and "fold-3" in page


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full")])
def test_one_whose_fold_is_broken_off_says_one_way_to_go_on(
    options: CrossvalOptions, error: type[BaseException] | BaseException
) -> None:
    class Fails(Progress):
        def step(self, step: Step) -> None:
            raise error

    said: list[str] = []
    with pytest.raises((KeyboardInterrupt, OSError)):
        cross_validate(options, Fails(), said.append)
    ways = [line for line in said if "go on" in line or "goes on" in line]
    assert ways == ["broken off; the cross-validation goes on from here with the same command"]


def test_photos_that_are_not_there_are_nothing_to_go_on_with(options: CrossvalOptions, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(DataError):
        cross_validate(replace(options, training=replace(options.training, photos=tmp_path / "no")), say=said.append)
    assert not [line for line in said if "goes on" in line]


@pytest.mark.parametrize("at_step", [5, 14, 30])
def test_one_that_was_broken_off_goes_on_to_the_same_folds(
    options: CrossvalOptions, finished: CrossvalResult, at_step: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        cross_validate(options, _BreaksOff(at_step))
    result = cross_validate(options)
    for number in (1, 2, 3):
        one, other = (read_tensors(folder / f"fold-{number}" / BEST)[0] for folder in (finished.folder, result.folder))
        assert all(one[name].equal(other[name]) for name in one)
    assert _rows(result.folder) == _rows(finished.folder)
    assert sorted(path.name for path in result.folder.iterdir()) == sorted(
        path.name for path in finished.folder.iterdir()
    )


def test_folds_that_are_done_are_not_trained_again(options: CrossvalOptions) -> None:
    first, counts = cross_validate(options), _Counts()
    said: list[str] = []
    again = cross_validate(options, counts, said.append)
    assert counts.epochs == 0 and again.folds == first.folds
    assert sum("done before" in line for line in said) == 3


def test_other_options_or_other_folds_than_it_began_with_are_refused(options: CrossvalOptions) -> None:
    cross_validate(options)
    with pytest.raises(RunError, match=r"differs in epochs \(2 there, 3 now\).*--name another"):
        cross_validate(replace(options, training=replace(options.training, config=replace(CONFIG, epochs=3))))
    with pytest.raises(RunError, match=r"differs in division .*folds"):
        cross_validate(replace(options, folds=2))


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(options: CrossvalOptions, tmp_path: Path) -> None:
    (tmp_path / "cv").mkdir()
    (tmp_path / "cv" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="is no cross-validation; give --name another"):
        cross_validate(options)
    assert [path.name for path in (tmp_path / "cv").iterdir()] == ["notes.txt"]


def test_without_runs_no_weights_are_left_and_it_still_goes_on(options: CrossvalOptions) -> None:
    lean = replace(options, keep_runs=False)
    result = cross_validate(lean)
    assert not list(result.folder.rglob("*.safetensors"))
    assert (result.folder / "fold-1" / "report.html").is_file()
    assert cross_validate(lean).folds == result.folds


def test_answers_that_are_gone_are_missed_by_name(options: CrossvalOptions) -> None:
    folder = cross_validate(options).folder
    (folder / "fold-2" / "answers.npy").write_bytes(b"no array")
    with pytest.raises(RunError, match="fold 2 is said to be done"):
        cross_validate(options)


def test_what_cannot_be_divided_is_refused_before_anything_is_trained(options: CrossvalOptions, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="12 pictures for 13 folds"):
        cross_validate(replace(options, folds=13))
    with pytest.raises(UsageError, match="--folds must be 2 or more"):
        cross_validate(replace(options, folds=1))
    assert not (tmp_path / "cv").exists()


@pytest.mark.parametrize("option", ["teacher", "weights"])
def test_what_has_learned_from_the_pictures_before_is_refused(
    options: CrossvalOptions, finished: CrossvalResult, option: str
) -> None:
    run = finished.folder / "fold-1"
    value = run if option == "teacher" else str(run / BEST)
    asked = replace(options, training=replace(options.training, **{option: value}))
    with pytest.raises(UsageError, match=rf"24 of the 36 pictures were learned from by .*fold-1 \(--{option}\)"):
        cross_validate(asked)


def test_weights_of_a_run_that_lie_elsewhere_are_warned_of(
    options: CrossvalOptions, finished: CrossvalResult, tmp_path: Path
) -> None:
    copied = tmp_path / "else" / "where" / "best.safetensors"
    copied.parent.mkdir(parents=True)
    shutil.copy(finished.folder / "fold-1" / BEST, copied)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        training = replace(options.training, weights=str(copied))
        cross_validate(replace(options, training=training), _BreaksOff(1), said.append)
    assert sum(f"{copied} was trained by hawklet, but is in no run folder" in line for line in said) == 1


def test_the_command_prints_mean_spread_and_where_the_report_is(
    colour_photos: Path, tmp_path: Path, small_network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["crossval", str(colour_photos), "--folds", "2", "--model", small_network, "--imgsz", "32", "--epochs", "1"]
    with pytest.raises(SystemExit) as end:
        cli.main([*words, "--head-epochs", "1", "--batch", "8", "--out", str(tmp_path)])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert "fold 2 of 2" in printed and "in the mean, standard deviation" in printed
    assert (tmp_path / "colours-small-crossval" / "report.html").is_file()
