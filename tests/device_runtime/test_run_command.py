from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import tiny_models
from hawklet.session import model_and_source


def _run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hawklet", "run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)  # type: ignore[call-overload, no-any-return]  # options are per test


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for colour in tiny_models.LABELS:
        Image.fromarray(tiny_models.solid(colour)).save(folder / f"{colour}.png")
    return folder


def test_a_folder_is_named_picture_by_picture(tiny_bundle: Path, pictures: Path) -> None:
    result = _run(tiny_bundle, pictures)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["blue.png", "green.png", "red.png"]
    assert [line.split(": ")[1].split()[0] for line in lines[:3]] == ["blue", "green", "red"]
    assert "ai-edge-litert" in result.stderr or "tflite" in result.stderr


def test_model_and_source_may_come_by_option_or_place_in_any_mixture(tiny_bundle: Path) -> None:
    model, film = str(tiny_bundle), "film.mp4"
    for given in (
        model_and_source([model, film]),
        model_and_source([model], source=film),
        model_and_source([film], model=model),
        model_and_source([], model=model, source=film),
    ):
        assert given == (tiny_bundle, film)
    assert model_and_source([model]) == (tiny_bundle, None)


def test_letters_that_stdout_cannot_carry_do_not_end_a_run(pictures: Path, tmp_path: Path) -> None:
    model, labels = tmp_path / "colour.onnx", tmp_path / "labels.txt"
    model.write_bytes(tiny_models.colour_onnx())
    labels.write_text("rot\ngrün\nblå\n", encoding="utf-8")
    narrow = os.environ | {"PYTHONIOENCODING": "ascii"}
    shown = _run(model, pictures / "green.png", "--labels", labels, env=narrow)
    assert shown.stdout.startswith("green.png: gr?n")
    lines = _run(model, pictures / "green.png", "--labels", labels, "--jsonl", "-", env=narrow)
    assert json.loads(lines.stdout.splitlines()[0])["label"] == "grün"


def test_json_lines_on_stdout_are_results_and_one_summary(tiny_bundle: Path, pictures: Path) -> None:
    result = _run(tiny_bundle, "--source", pictures, "--jsonl", "-", "--variant", "float32-onnx")
    *lines, summary = (json.loads(line) for line in result.stdout.splitlines())
    assert [line["label"] for line in lines] == ["blue", "green", "red"]
    assert set(lines[0]) == {
        *("frame", "time", "name", "label", "score", "accepted", "top", "age_ms", "preprocess_ms", "infer_ms"),
        *("rejection", "postprocess_ms", "dropped", "truth"),
    }
    assert summary["summary"]["frames"] == 3
    assert summary["summary"]["variant"] == "float32-onnx"


def test_a_reader_that_leaves_ends_the_run_without_failure(tiny_bundle: Path) -> None:
    run = f"{sys.executable} -m hawklet run {tiny_bundle} 'synthetic://cards?size=160x120' --jsonl - --quiet"
    shell = f"set -o pipefail; {run} | head -n 2"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\n") == 2


def test_results_of_before_survive_a_wish_that_is_refused(tiny_bundle: Path, tmp_path: Path, pictures: Path) -> None:
    results = tmp_path / "precious.jsonl"
    results.write_text("kept")
    assert _run(tiny_bundle, pictures, "--jsonl", results, "--mqtt", "mqtt://").returncode == 2
    assert results.read_text() == "kept"


def test_pictures_of_a_folder_are_not_averaged(tiny_bundle: Path, pictures: Path) -> None:
    result = _run(tiny_bundle, pictures, "--smooth", "5")
    assert result.returncode == 2
    assert "frames that follow each other" in result.stderr


def test_names_that_are_no_utf8_are_escaped(tiny_bundle: Path, pictures: Path) -> None:
    (pictures / "red.png").rename(os.fsdecode(os.fsencode(pictures) + b"/\xff\xe9t.png"))
    for options in ((), ("--jsonl", "-")):
        result = _run(tiny_bundle, pictures, *options)
        assert result.returncode == 0, result.stderr
        assert "xff" in result.stdout


def test_a_low_score_is_shown_as_a_question(tiny_bundle: Path, tmp_path: Path) -> None:
    grey = tmp_path / "grey.png"
    Image.new("RGB", (32, 32), (100, 100, 100)).save(grey)
    result = _run(tiny_bundle, grey, "--threshold", "0.9", "--top-k", "1")
    assert "grey.png: ? doubtful (red 33%)" in result.stdout
    assert "accepts answers from a score of 0.9 on" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_live_run_with_its_summary_and_exit_code_0(
    number: signal.Signals, tiny_bundle: Path, tmp_path: Path
) -> None:
    results = tmp_path / "live.jsonl"
    command = [sys.executable, "-m", "hawklet", "run", str(tiny_bundle), "synthetic://cards?size=160x120"]
    process = subprocess.Popen(
        [*command, "--jsonl", str(results), "--quiet"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # the tests themselves may run under nohup
    )
    deadline = time.monotonic() + 60
    while not (results.exists() and results.read_text().count("\n") > 3):
        assert time.monotonic() < deadline, "no results came"
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert json.loads(results.read_text().splitlines()[-1])["summary"]["frames"] > 3


def test_a_live_run_ends_by_its_limits(tiny_bundle: Path) -> None:
    result = _run(tiny_bundle, "synthetic://cards?size=160x120", "--frames", "5", "--jsonl", "-")
    assert len(result.stdout.splitlines()) == 6
    result = _run(tiny_bundle, "synthetic://cards?size=160x120", "--duration", "0.3", "--jsonl", "-")
    summary = json.loads(result.stdout.splitlines()[-1])["summary"]
    assert summary["seconds"] >= 0.3


def test_the_self_test_alone_replays_every_variant(tiny_bundle: Path, tmp_path: Path) -> None:
    result = _run(tiny_bundle, "--self-test", "--json")
    assert result.returncode == 0, result.stderr
    reports = json.loads(result.stdout)
    assert [r["variant"] for r in reports] == ["float32-tflite", "float32-onnx"]
    assert all(r["passed"] for r in reports)
    wrong = tiny_models.write_colour_bundle(tmp_path / "wrong.hawklet", golden_shift=1.0)
    result = _run(wrong, "--self-test", "--json")
    assert result.returncode == 1
    assert not any(r["passed"] for r in json.loads(result.stdout))
    assert _run(wrong, tmp_path, "--self-test").returncode == 1


def test_a_bare_model_runs_with_its_labels(tmp_path: Path, pictures: Path) -> None:
    model, labels = tmp_path / "colour.onnx", tmp_path / "labels.txt"
    model.write_bytes(tiny_models.colour_onnx())
    labels.write_text("\n".join(tiny_models.LABELS))
    result = _run(model, pictures / "green.png", "--labels", labels)
    assert result.stdout.startswith("green.png: green")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{bundle}"], 2, "say what to classify"),
        (["film.mp4"], 2, "takes a model first"),
        (["film.mp4", "net.tflite"], 2, "hawklet run net.tflite film.mp4"),
        (["synthetic://cards"], 2, "takes a model first"),
        ([], 2, "needs a model"),
        (["{bundle}", "x", "--source", "y"], 2, "one source at a time"),
        (["{bundle}", ".", "--fps", "5"], 2, "drop --size, --fps and --realtime"),
        (["net.tflite", "--self-test"], 2, "bare model"),
        (["absent.hawklet", "x.png"], 2, "there is no bundle or model at absent.hawklet"),
        (["{bundle}", "nowhere.png"], 1, "nothing at nowhere.png"),
        (["{bundle}", "{bundle}"], 1, "not a picture"),
        (["{bundle}", "x.png", "--variant", "int4"], 2, "float32-tflite, float32-onnx"),
        (["{bundle}", "x.png", "--size", "large"], 2, "640x480"),
        (["{bundle}", "x.png", "--threshold", "7"], 2, "--threshold"),
        (["{bundle}", "x.png", "--threshold", "nan"], 2, "not a finite number"),
        (["{bundle}", "x.png", "--duration", "inf"], 2, "not a finite number"),
        (["{bundle}", "x.png", "--json"], 2, "--jsonl FILE"),
        (["{bundle}", "{bundle}", "--jsonl", "/nowhere/x.jsonl"], 1, "can be written"),
    ],
)
def test_wrong_input_gets_one_clear_line(arguments: list[str], code: int, words: str, tiny_bundle: Path) -> None:
    result = _run(*(a.replace("{bundle}", str(tiny_bundle)) for a in arguments))
    assert result.returncode == code, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_reader_that_leaves_ends_the_run_quietly(tiny_bundle: Path) -> None:
    shell = f"{sys.executable} -m hawklet run {tiny_bundle} synthetic://cards?size=160x120 --jsonl - | head -n 2"
    result = subprocess.run(
        ["bash", "-c", shell],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"LC_ALL": "C"},
    )
    assert len(result.stdout.splitlines()) == 2
    assert "Traceback" not in result.stderr
