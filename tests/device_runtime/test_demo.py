"""The demo: which commands it runs, what it does when one fails, and the table that ends it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hawklet.bundle import Bundle, Variant
from hawklet.cards import PhotoSet
from hawklet.commands import demo
from hawklet.demo import VARIANTS, Command, DemoArgs, run_demo
from hawklet.demo_table import Column, lay_out, read_column, read_live
from hawklet.errors import DataError, HawkletError, ResultError, UsageError

LIVE = {
    "frames": 540,
    "seconds": 18.0,
    "frames_per_second": 29.94,
    "dropped": 3,
    "age_p50_ms": 14.2,
    "age_p90_ms": 19.8,
    "shown": 6,
    "named_rightly": 6,
    "variant": "int8-tflite",
}


def _variant(bundle: Path, name: str, accuracy: float | None) -> Variant:
    return dataclasses.replace(Bundle.open(bundle).manifest.variants[0], name=name, accuracy=accuracy)


def _bench_result(path: Path, frames_ms: list[float]) -> Path:
    half = [time / 2 for time in frames_ms]
    wall = {"decode": half, "preprocess": half, "infer": half, "postprocess": [0.0] * len(half)}
    path.write_text(json.dumps({"runs": [{"wall_ms": wall}, {"wall_ms": wall}]}))
    return path


class _Commands:
    """Stands for the other commands: writes what they would write, or fails at one of them."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.called: list[Command] = []

    def __call__(self, command: Command) -> int:
        self.called.append(command)
        return 3 if command[0] == self.failing else 0


def _args(tmp_path: Path) -> DemoArgs:
    return DemoArgs(tmp_path / "demo", seed=1, per_class=20, shown=2)


@pytest.fixture(autouse=True)
def _small_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hawklet.demo.PhotoSet", lambda per_class, seed: PhotoSet(1, seed, 64))


def test_a_step_that_fails_ends_the_demo_and_names_its_command(tmp_path: Path) -> None:
    commands = _Commands(failing="convert")
    said: list[str] = []
    with pytest.raises(HawkletError, match="'hawklet convert' ended with exit code 3") as failure:
        run_demo(_args(tmp_path), said.append, commands)
    assert failure.value.exit_code == 1
    assert [command[0] for command in commands.called] == ["train", "convert"]


def test_each_command_is_shown_as_it_would_be_typed(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(HawkletError):
        run_demo(_args(tmp_path), said.append, _Commands(failing="run"))
    shown = [line for line in said if line.startswith("$ ")]
    assert [line.split()[2] for line in shown] == ["train", "convert", "bench", "bench", "bench", "compare", "run"]
    assert "--source 'synthetic://cards?seed=1001&seconds=2.5&shown=2'" in shown[-1]


def test_the_live_cards_are_drawn_with_another_seed_than_the_photos(tmp_path: Path) -> None:
    commands = _Commands(failing="run")
    with pytest.raises(HawkletError):
        run_demo(_args(tmp_path), lambda line: None, commands)
    assert "--seed 1 " in " ".join(commands.called[0]) + " "
    assert "seed=1001" in " ".join(commands.called[-1])


def test_the_training_of_the_demo_never_flips_its_arrows(tmp_path: Path) -> None:
    commands = _Commands(failing="train")
    with pytest.raises(HawkletError):
        run_demo(_args(tmp_path), lambda line: None, commands)
    assert "--no-flip" in commands.called[0]


def test_the_last_run_s_files_are_not_taken_for_this_one_s(tmp_path: Path) -> None:
    args = _args(tmp_path)
    with pytest.raises(HawkletError):
        run_demo(args, lambda line: None, _Commands(failing="train"))
    args.run.mkdir()
    args.live.write_text(json.dumps({"summary": LIVE}))
    with pytest.raises(HawkletError):
        run_demo(args, lambda line: None, _Commands(failing="run"))
    assert not args.live.exists()
    assert not args.run.exists()


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    args = _args(tmp_path)
    args.run.mkdir(parents=True)
    with pytest.raises(DataError, match="choose another with --out"):
        run_demo(args, lambda line: None, _Commands())
    assert args.run.is_dir()


def test_the_table_sets_the_variants_beside_each_other(tiny_bundle: Path) -> None:
    columns = [
        Column(_variant(tiny_bundle, "float32-tflite", 99.4), 8.04, 9.5),
        Column(_variant(tiny_bundle, "int8-tflite", 98.8), 3.2, 3.66),
    ]
    text = "\n".join(lay_out(columns, LIVE))
    assert "99.40 %" in text
    assert "3.2 / 3.7 ms" in text
    assert "29.9 frames/s with int8-tflite, 3 dropped" in text
    assert "p50 14 ms, p90 20 ms" in text
    assert "6 of 6" in text
    lines = text.splitlines()
    assert len({len(line) for line in lines[:5]}) == 1, "columns must be aligned"


def test_an_accuracy_nobody_measured_is_said_to_be_so(tiny_bundle: Path) -> None:
    assert "not measured" in "\n".join(lay_out([Column(_variant(tiny_bundle, "x", None), 1, 1)], LIVE))


def test_latency_is_that_of_the_whole_frame_over_all_processes(tiny_bundle: Path, tmp_path: Path) -> None:
    result = _bench_result(tmp_path / "bench.json", [1.0, 2.0, 3.0, 4.0, 5.0])
    column = read_column(_variant(tiny_bundle, "x", None), result)
    assert column.p50_ms == pytest.approx(3.0)
    assert column.p90_ms == pytest.approx(5.0)


@pytest.mark.parametrize("text", ["", "{}", '{"runs": []}', '{"runs": [{}]}', "[1]"])
def test_a_result_without_samples_is_refused(tiny_bundle: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(ResultError, match="not a benchmark result with samples"):
        read_column(_variant(tiny_bundle, "x", None), path)


@pytest.mark.parametrize("text", ["", "{}", '{"summary": 3}', '{"summary": {}}', '{"frame": 1}'])
def test_a_live_run_without_summary_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "live.jsonl"
    path.write_text(text)
    with pytest.raises(ResultError, match="last line must be the summary"):
        read_live(path)


@pytest.mark.parametrize(("field", "value"), [("per_class", 3), ("shown", 0), ("seed", -1)])
def test_an_option_that_cannot_be_meant_is_refused_before_anything_is_drawn(field: str, value: int) -> None:
    with pytest.raises(UsageError, match="--" + field.replace("_", "-")):
        DemoArgs(**{field: value})


def test_print_cards_writes_the_sheet_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(demo, ["--print-cards", "cards.pdf"])
    assert result.exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["cards.pdf"]


def test_the_baseline_of_the_comparison_is_the_float_model() -> None:
    assert VARIANTS[0] == "float32-tflite"
