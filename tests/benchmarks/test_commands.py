from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hawklet.cli import main
from made_results import made_result


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    made_result(20.0, seed=1).save(tmp_path / "pi4.json")
    made_result(8.0, seed=2).save(tmp_path / "pi5.json")
    return tmp_path / "pi4.json", tmp_path / "pi5.json"


def test_bench_writes_a_result_that_compare_reads(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for variant in ("float32-tflite", "float32-onnx"):
        file = tmp_path / f"{variant}.json"
        options = ("--variant", variant, "--threads", 1, "--rounds", 12, "--processes", 2)
        assert run("bench", tiny_bundle, *options, "-o", file) == 0
    shown = capsys.readouterr().out
    for word in ("p50", "p99", "preprocess", "bare invoke", "frames/s", "cold start", "peak memory", "100.00 %"):
        assert word in shown
    assert run("compare", tmp_path / "float32-tflite.json", tmp_path / "float32-onnx.json", "--anyway") == 0
    assert "float32-onnx" in capsys.readouterr().out


def test_bench_prints_json_alone_when_asked(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", tiny_bundle, "--rounds", 5, "--processes", 1, "--json") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "hawklet-benchmark/1"


def test_compare_states_who_is_faster_and_under_what_conditions(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compare", *pair) == 0
    shown = capsys.readouterr().out
    assert re.match(r"pi5 is 2\.\d\dx faster than pi4 at p50 \(95 % interval 2\.\d\d\.\.2\.\d\d\)", shown)
    assert "98.50" in shown  # accuracy stands beside latency and size


def test_compare_prints_json_alone_when_asked(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", *pair, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["verdicts"][0]["significant"] is True
    assert data["verdicts"][0]["speedup"]["low"] > 2


def test_compare_writes_a_report(pair: tuple[Path, Path], tmp_path: Path) -> None:
    assert run("compare", *pair, "--html", tmp_path / "report.html") == 0
    assert "faster than pi4" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("compare", "{pi4}"), 2, "at least two results"),
        (("compare", "{pi4}", "none.json"), 1, "none.json: cannot be read"),
        (("compare", "{pi4}", "{pi5}", "--metric", "speed"), 2, "--metric must be one of"),
        (("compare",), 2, "Missing argument"),
        (("bench", "none.hawklet"), 2, "there is no bundle or model"),
        (("bench", "none.hawklet", "--seconds", "0"), 2, "--seconds"),
        (("bench", "none.hawklet", "-o", "."), 1, "Is a directory"),
        (("compare", "{pi4}", "{pi5}", "--html", "/proc/none/report.html"), 1, "No such file or directory"),
    ],
)
def test_a_bad_request_ends_in_one_clear_line(
    arguments: tuple[str, ...],
    code: int,
    words: str,
    pair: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*(argument.format(pi4=pair[0], pi5=pair[1]) for argument in arguments)) == code
    shown = capsys.readouterr().err
    assert words in shown
    assert "Traceback" not in shown and "internal error" not in shown
