"""A whole search of a tiny network: what it keeps, how it goes on, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from hawklet import cli
from hawklet.errors import DataError, HawkletError, RunError, StudyError, TrainingError, UsageError, WeightsError
from hawklet_trainer.augment import Augment
from hawklet_trainer.run import load_run
from hawklet_trainer.train import TrainOptions, train_on
from hawklet_trainer.training.terms import Progress, Step, TrainConfig
from hawklet_trainer.tuning import networks, search
from hawklet_trainer.tuning.console import SearchConsole
from hawklet_trainer.tuning.dimension import Choice, Range
from hawklet_trainer.tuning.outcome import Outcome
from hawklet_trainer.tuning.space import Space, default_space
from hawklet_trainer.tuning.study import Objective, beginning_of
from hawklet_trainer.tuning.tune import TuneOptions, tune

CONFIG = TrainConfig(epochs=1, head_epochs=1, batch=16, augment=Augment.NONE)
SPACE = Space({"lr": Range(1e-4, 1e-1, log=True), "batch": Choice((16, 24))})


@pytest.fixture
def options(colour_photos: Path, tmp_path: Path, small_network: str) -> TuneOptions:
    training = TrainOptions(colour_photos, model=small_network, out=tmp_path, name="study", imgsz=32, config=CONFIG)
    return TuneOptions(training, SPACE, trials=2)


@pytest.fixture(scope="module")
def finished(colour_photos: Path, tmp_path_factory: pytest.TempPathFactory, small_network: str) -> Outcome:
    """One that no test changes."""
    out = tmp_path_factory.mktemp("finished")
    training = TrainOptions(colour_photos, model=small_network, out=out, name="study", imgsz=32, config=CONFIG)
    return tune(TuneOptions(training, SPACE, trials=5))


def _record(outcome: Outcome) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((outcome.folder / "tune.json").read_text())
    return record


def _failing(numbers: tuple[int, ...], error: Exception) -> Callable[..., Any]:
    """Train, but for some trials."""

    def train(photos: Any, asked: TrainOptions, *more: Any) -> Any:
        if asked.name in {f"trial-{number}" for number in numbers}:
            (asked.out / asked.name).mkdir()
            raise error
        return train_on(photos, asked, *more)

    return train


def test_the_weights_of_the_best_trial_alone_are_kept_and_the_reports_of_all(finished: Outcome) -> None:
    (best,) = finished.best
    kept = [path.parent.parent.name for path in finished.folder.rglob("best.safetensors")]
    assert kept == [f"trial-{best.number}"]
    complete = {f"trial-{record.number}" for record in finished.records if record.state == "complete"}
    assert {path.parent.name for path in finished.folder.glob("trial-*/report.html")} == complete
    assert best.top1 == max(record.top1 or 0.0 for record in finished.records if record.state == "complete")


def test_only_the_best_is_measured_on_the_test_pictures_and_then_is_a_run_like_any_other(finished: Outcome) -> None:
    (best,) = finished.best
    run = load_run(finished.folder / f"trial-{best.number}")
    assert finished.tests.keys() == {best.number}
    assert run.manifest["metrics"]["test"]["top1"] == finished.tests[best.number]["top1"]
    assert run.manifest["data"]["counts"] == {"train": 24, "val": 6, "test": 6}
    assert run.manifest["metrics"]["val"]["top1"] == best.top1
    assert run.photos().digest == finished.photos.digest
    for folder in finished.folder.glob("trial-*"):
        if folder.name != f"trial-{best.number}":
            assert json.loads((folder / "manifest.json").read_text())["metrics"]["test"] is None
            assert ",test," not in (folder / "split.csv").read_text()


def test_a_trial_is_trained_with_the_values_that_it_is_said_to_have(finished: Outcome) -> None:
    for record in finished.records:
        if record.state == "complete":
            arguments = yaml.safe_load((finished.folder / f"trial-{record.number}" / "args.yaml").read_text())
            assert {name: arguments[name] for name in record.params} == record.params


def test_what_hawklet_train_does_by_itself_is_tried_first(finished: Outcome) -> None:
    assert finished.usual is finished.records[0]
    assert finished.records[0].params == {"lr": 1e-4, "batch": 16}


def test_the_record_and_the_report_say_what_was_done(finished: Outcome) -> None:
    record = _record(finished)
    assert record["schema"] == "hawklet-tune/1" and record["ended"] == "trials"
    assert [trial["number"] for trial in record["trials"]] == [0, 1, 2, 3, 4]
    assert record["space"] == {"lr": {"low": 1e-4, "high": 1e-1, "log": True}, "batch": [16, 24]}
    assert record["best"] == [finished.best[0].number] and list(record["test"]) == [str(finished.best[0].number)]
    page = (finished.folder / "report.html").read_text()
    assert "test pictures were not looked at before the search was over" in page and "<polyline" in page


def test_the_same_seed_tries_the_same(finished: Outcome, options: TuneOptions) -> None:
    again = tune(replace(options, trials=5))
    assert [record.params for record in again.records] == [record.params for record in finished.records]
    assert [record.top1 for record in again.records] == [record.top1 for record in finished.records]


def test_a_study_goes_on_with_what_it_has(options: TuneOptions) -> None:
    first = tune(replace(options, trials=1))
    said: list[str] = []
    second = tune(options, say=said.append)
    assert second.records[:1] == first.records and len(second.records) == 2
    assert sum(line.startswith("trial ") and " on val" in line for line in said) == 1
    third = tune(options)
    assert third.records == second.records and third.tests == second.tests


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"space": Space({"lr": Range(1e-4, 1e-2, log=True)})}, "space"),
        ({"training": {"imgsz": 64}}, r"imgsz \(32 there, 64 now\)"),
    ],
)
def test_other_options_or_another_space_than_it_began_with_are_refused(
    options: TuneOptions, change: dict[str, Any], differs: str
) -> None:
    tune(replace(options, trials=1))
    if "training" in change:
        change = {"training": replace(options.training, **change["training"])}
    with pytest.raises((RunError, StudyError), match=rf"{differs}.*--name another"):
        tune(replace(options, **change))


def test_another_objective_than_it_began_with_is_refused(options: TuneOptions) -> None:
    sides = Space({"imgsz": Choice((32, 64))})
    options = replace(options, space=sides, training=replace(options.training, imgsz=None), trials=1)
    tune(options)
    with pytest.raises((RunError, StudyError), match=r"objective.*--name another"):
        tune(replace(options, objective=Objective.ACCURACY_LATENCY))


def test_other_pictures_are_refused(options: TuneOptions, draw_photos: Callable[..., Path]) -> None:
    tune(replace(options, trials=1))
    with pytest.raises(RunError, match=r"differs in division .*pictures"):
        tune(replace(options, training=replace(options.training, photos=draw_photos(6))))


def test_a_folder_of_something_else_or_of_another_study_is_refused(options: TuneOptions, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="is no study of hawklet tune; give --name another"):
        tune(options)
    (tmp_path / "study" / "notes.txt").unlink()
    folder = tune(replace(options, trials=1)).folder
    (folder / "study.db").unlink()
    with pytest.raises(RunError, match="holds another study than the storage does"):
        tune(options)
    assert list(folder.glob("trial-0/weights/best.safetensors"))


@pytest.mark.parametrize(
    "error", [TrainingError("the loss is no number"), MemoryError(), RuntimeError("CUDA out of memory")]
)
def test_a_trial_that_fails_is_said_and_is_not_the_end(
    options: TuneOptions, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(search, "train_on", _failing((1,), error))
    said: list[str] = []
    outcome = tune(options, say=said.append)
    assert [record.state for record in outcome.records] == ["complete", "failed"]
    assert outcome.records[1].reason.startswith(type(error).__name__)
    assert any(line.startswith(f"trial 1 failed: {type(error).__name__}") for line in said)
    assert not (outcome.folder / "trial-1").exists()


def test_a_search_over_heads_alone_comes_to_a_best(options: TuneOptions) -> None:
    heads = replace(options.training, config=replace(CONFIG, epochs=0))
    outcome = tune(replace(options, training=heads))
    assert [(record.state, record.epochs) for record in outcome.records] == [("complete", 0), ("complete", 0)]
    assert outcome.best and outcome.tests.keys() == {outcome.best[0].number}


@pytest.mark.parametrize("error", [DataError("a picture is gone"), RunError("no teacher"), WeightsError("none")])
def test_what_no_option_can_cause_ends_the_search_and_the_trial_is_tried_again(
    options: TuneOptions, monkeypatch: pytest.MonkeyPatch, error: HawkletError
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(search, "train_on", _failing((0,), error))
        with pytest.raises(type(error)):
            tune(replace(options, trials=9))
    outcome = tune(replace(options, trials=1))
    assert [record.state for record in outcome.records] == ["broken off", "complete"]
    assert outcome.usual is outcome.records[1]


def test_what_was_found_is_kept_where_the_test_pictures_are_gone(
    options: TuneOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> None:
        raise DataError("a picture is gone")

    monkeypatch.setattr("hawklet_trainer.tuning.tune.measure_on_test", gone)
    with pytest.raises(DataError):
        tune(options)
    folder = options.training.out / "study"
    record = json.loads((folder / "tune.json").read_text())
    assert record["ended"] == "trials" and len(record["best"]) == 1 and record["test"] == {}
    assert (folder / "report.html").is_file()


def test_a_search_whose_first_trials_all_fail_ends_and_says_why(
    options: TuneOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "train_on", _failing(tuple(range(9)), TrainingError("the loss is no number")))
    with pytest.raises(StudyError, match="all failed, the last by TrainingError: the loss is no number"):
        tune(replace(options, trials=9))


def test_a_full_disk_ends_the_search_and_the_trial_is_tried_again(
    options: TuneOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(search, "train_on", _failing((1,), OSError(28, "No space left on device", "x")))
        with pytest.raises(OSError, match="No space left"):
            tune(options)
    outcome = tune(options)
    assert [record.state for record in outcome.records] == ["complete", "broken off", "complete"]
    assert outcome.records[2].params == outcome.records[1].params


class _Ends(Progress):
    """In some way, in the middle of the second trial."""

    def __init__(self, end: Callable[[], None]) -> None:
        self.end, self.phases = end, 0

    def phase(self, title: str, steps: int) -> None:
        self.phases += title == "trial 1: head"

    def step(self, step: Step) -> None:
        if self.phases == 1:
            self.phases += 1
            self.end()


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_a_search_that_is_broken_off_tries_the_trial_again(options: TuneOptions, error: BaseException) -> None:
    with pytest.raises(type(error)):
        tune(options, _Ends(lambda: _raise(error)))
    outcome = tune(options)
    assert [record.state for record in outcome.records] == ["complete", "broken off", "complete"]
    assert outcome.records[2].params == outcome.records[1].params
    assert not (outcome.folder / "trial-1").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
@pytest.mark.parametrize("place", ["asked for", "given values", "said"])
def test_a_search_that_is_broken_off_between_trials_leaves_none_running(
    options: TuneOptions, monkeypatch: pytest.MonkeyPatch, error: BaseException, place: str
) -> None:
    ask = optuna.Study.ask

    def ask_and_end(study: optuna.Study, *more: Any) -> Any:
        ask(study, *more)
        raise error

    def end(line: str) -> None:
        if line.startswith("trial 0: "):
            raise error

    with monkeypatch.context() as patch:
        if place == "asked for":
            patch.setattr(optuna.Study, "ask", ask_and_end)
        if place == "given values":
            patch.setattr(Choice, "suggest", lambda *_: _raise(error))
        with pytest.raises(type(error)):
            tune(options, say=end)
    outcome = tune(replace(options, trials=1))
    assert [record.state for record in outcome.records] == ["broken off", "complete"]
    assert outcome.usual is outcome.records[1] and outcome.records[1].params == {"lr": 1e-4, "batch": 16}


def test_the_first_interrupt_ends_the_search_after_the_trial_and_the_report_is_written(options: TuneOptions) -> None:
    from rich.console import Console

    console = SearchConsole(Console(quiet=True))
    interrupt = _Ends(lambda: os.kill(os.getpid(), signal.SIGINT))
    interrupt.should_stop = console.should_stop  # type: ignore[method-assign]
    with console, console.heeding_signals():
        outcome = tune(replace(options, trials=9), interrupt)
    assert outcome.ended == "request" and [record.state for record in outcome.records] == ["complete", "complete"]
    assert (outcome.folder / "report.html").is_file() and outcome.tests


def test_no_trial_begins_after_the_time(options: TuneOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(search.time, "monotonic", lambda: next(clock))
    outcome = tune(replace(options, trials=99, seconds=15.0))
    assert outcome.ended == "time" and [record.state for record in outcome.records] == ["complete"]


def test_a_search_without_time_for_a_trial_says_so(options: TuneOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(search.time, "monotonic", lambda: next(clock))
    outcome = tune(replace(options, seconds=5.0))
    assert [record.state for record in outcome.records] == ["waiting"] and not outcome.best
    assert "No trial is complete yet" in (outcome.folder / "report.html").read_text()


def test_with_latency_the_front_is_kept_and_every_network_was_measured_before(
    options: TuneOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hawklet_trainer.tuning.latency.median_time", lambda net, x: float(x.shape[-1]))
    space = Space({"imgsz": Range(32, 64, step=32), "width": Choice((0.5, 1.0))})
    training = replace(options.training, imgsz=None, weights="none")
    outcome = tune(replace(options, training=training, space=space, objective=Objective.ACCURACY_LATENCY, trials=4))
    assert outcome.beginning.latencies == {
        "small, width 0.5, 32 px": 32.0,
        "small, width 0.5, 64 px": 64.0,
        "small, 32 px": 32.0,
        "small, 64 px": 64.0,
    }
    assert all(record.latency_ms == record.params["imgsz"] for record in outcome.records)
    kept = {path.parent.parent.name for path in outcome.folder.rglob("best.safetensors")}
    assert kept == {f"trial-{record.number}" for record in outcome.best}
    assert outcome.tests.keys() == {record.number for record in outcome.best}
    assert "What accuracy costs" in (outcome.folder / "report.html").read_text()


def test_networks_without_number_cannot_be_measured(options: TuneOptions) -> None:
    space = Space({"width": Range(0.5, 1.0)})
    options = replace(options, training=replace(options.training, weights="none"))
    with pytest.raises(UsageError, match="width may be any number of the space's range; give it a list, or a step"):
        tune(replace(options, space=space, objective=Objective.ACCURACY_LATENCY))


def test_latency_is_no_objective_where_there_is_one_network(options: TuneOptions) -> None:
    with pytest.raises(UsageError, match=r"the space has one network \(.*32 px\); search model, imgsz or width too"):
        tune(replace(options, objective=Objective.ACCURACY_LATENCY))
    assert not (options.training.out / "study").exists()


def test_a_network_that_cannot_be_meant_is_refused_before_the_first_is_trained(
    options: TuneOptions, tmp_path: Path
) -> None:
    space = Space({"imgsz": Choice((32, 40)), "lr": Range(1e-4, 1e-2)})
    with pytest.raises(UsageError, match="of the space must be possible, got --imgsz 40: --imgsz must be"):
        tune(replace(options, space=space))
    assert not (tmp_path / "study" / "trial-0").exists()


def test_networks_of_the_default_space_without_weights_are_left_out_and_asked_for_ones_are_not(
    options: TuneOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(entry: Any, say: Any) -> None:
        say(f"{entry.file_name}: trying https://example.org")
        if not entry.file_name.startswith("efficientnet"):
            raise WeightsError("no network here")

    monkeypatch.setattr(networks, "fetch", fetch)
    said: list[str] = []
    space = networks.with_weights(default_space({}, options.training), options.training, said.append)
    assert space.dimensions["model"] == Choice(("efficientnet_lite0",))
    assert [line.split()[0] for line in said] == ["mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"]
    assert all(line.endswith(f"see hawklet weights fetch {line.split()[0]}") for line in said)
    with pytest.raises(WeightsError):
        networks.with_weights(Space({"model": Choice(("resnet18", "resnet50"))}), options.training, said.append)


def test_a_trial_whose_process_died_is_tried_once_more(options: TuneOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    from hawklet_trainer.tuning import storage

    monkeypatch.setattr(storage, "_HEARTBEAT_S", 1)
    monkeypatch.setattr(storage, "_GRACE_S", 1)
    folder = tune(replace(options, trials=1)).folder
    kept = storage.open_storage(storage.storage_url(None, folder))
    dead = optuna.load_study(study_name="study", storage=kept).ask(
        {
            "lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
            "batch": optuna.distributions.CategoricalDistribution((16, 24)),
        }
    )
    kept.record_heartbeat(dead._trial_id)
    (folder / "trial-1" / "weights").mkdir(parents=True)
    import time

    time.sleep(2.1)
    outcome = tune(options)
    assert [record.state for record in outcome.records] == ["complete", "broken off", "complete"]
    assert dict(outcome.records[2].params) == dead.params
    assert not (folder / "trial-1").exists()


def test_of_two_that_begin_at_once_one_beginning_counts_and_the_usual_is_tried_once(
    options: TuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    other = replace(options, storage=url, trials=1, training=replace(options.training, out=tmp_path / "other"))
    others: list[Outcome] = []

    def settle(seconds: float) -> None:
        monkeypatch.setattr("hawklet_trainer.tuning.tune.time.sleep", lambda seconds: None)
        others.append(tune(other))

    monkeypatch.setattr("hawklet_trainer.tuning.tune.time.sleep", settle)
    monkeypatch.setattr("hawklet_trainer.tuning.tune.beginning_of", _blind_once())
    outcome = tune(replace(options, storage=url))
    assert others[0].beginning == outcome.beginning
    assert [record.defaults for record in outcome.records] == [True, False]


def _blind_once() -> Callable[[optuna.Study], Any]:
    """Sees no beginning at its first two looks, which are those of two machines that begin at once."""
    looks: list[int] = []

    def look(study: optuna.Study) -> Any:
        looks.append(1)
        return None if len(looks) <= 2 else beginning_of(study)

    return look


def test_machines_join_by_storage_and_name_each_with_a_folder_of_its_own(options: TuneOptions, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    first = tune(replace(options, storage=url, trials=1))
    elsewhere = replace(options, storage=url, trials=2, training=replace(options.training, out=tmp_path / "elsewhere"))
    said: list[str] = []
    second = tune(elsewhere, say=said.append)
    assert second.records[:1] == first.records and len(second.records) == 2
    assert {path.name for path in second.folder.glob("trial-*")} == {"trial-1"}
    if second.best[0].number == 0:
        assert any(
            line.startswith(f"the run of trial {second.best[0].number} is in the study's folder on") for line in said
        )
    text = "".join(path.read_text(errors="replace") for path in second.folder.rglob("*.json"))
    assert "shared.db" not in text


def test_the_command_fixes_what_is_given_and_prints_the_best(
    colour_photos: Path, tmp_path: Path, small_network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.yaml").write_text("lr: {low: 1.0e-4, high: 1.0e-2, log: true}\nbatch: 8\n")
    words = ["tune", str(colour_photos), "--trials", "2", "--space", str(tmp_path / "space.yaml"), "--time", "5m"]
    words += ["--model", small_network, "--imgsz", "32", "--epochs", "1", "--head-epochs", "1", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert "searched: --lr, 0.0001 to 0.01 (log)" in printed and "all trials are done: 2 complete" in printed
    assert "hawklet convert" in printed
    arguments = yaml.safe_load((tmp_path / "colours-tune" / "trial-0" / "args.yaml").read_text())
    assert arguments["batch"] == 8 and arguments["epochs"] == 1
