from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hawklet_benchmarks.interleave import Claim, SuiteResult, cpu_of_call, cpu_of_command, cpu_ratio, finish, take_turns
from hawklet_benchmarks.intervals import Interval


def test_contestants_take_turns_in_alternating_order() -> None:
    order: list[str] = []

    def contestant(name: str) -> float:
        order.append(name)
        return 1.0

    times = take_turns({"a": lambda: contestant("a"), "b": lambda: contestant("b")}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}


def test_the_ratio_is_of_medians_so_that_one_outlier_does_not_count() -> None:
    assert cpu_ratio({"a": [2.0, 2.0, 90.0], "b": [1.0, 1.0, 1.0]}, "a", "b").value == 2.0


def test_the_cpu_time_of_a_process_is_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    busy = cpu_of_command([sys.executable, "-c", "sum(range(3_000_000)); print('unseen')"])()
    idle = cpu_of_command([sys.executable, "-c", "import time; time.sleep(0.2)"])()
    assert busy > idle > 0
    assert capfd.readouterr().out == ""


def test_a_command_that_fails_is_not_measured() -> None:
    with pytest.raises(RuntimeError, match="exit code 3"):
        cpu_of_command([sys.executable, "-c", "raise SystemExit(3)"])()


def test_a_call_is_measured_as_the_mean_of_several() -> None:
    calls: list[int] = []
    assert cpu_of_call(lambda: calls.append(1), 4)() >= 0
    assert len(calls) == 4


@pytest.mark.parametrize(("value", "code", "word"), [(1.2, 0, "holds"), (1.3, 1, "MISSED")])
def test_a_missed_claim_is_told_by_the_exit_code(
    value: float, code: int, word: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    claim = Claim("a / b", Interval(value, value - 0.1, value + 0.1), 1.25)
    result = SuiteResult("made", "something", {"a": (1.0, 2.0)}, (claim,))
    assert finish(result, as_json=False, output=tmp_path / "r.json") == code
    assert word in capsys.readouterr().out
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["claims"][0]["holds"] is (code == 0)
    assert re.fullmatch(r"\d+\.\d+", written["machine"]["kernel"])


@pytest.mark.parametrize("suite", ["startup", "frame_path"])
def test_a_suite_runs_as_a_script_and_prints_json(suite: str, repository: Path, tiny_bundle: Path) -> None:
    script = repository / "benchmarks" / "suites" / f"{suite}.py"
    options = ["--model", str(tiny_bundle)] if suite == "frame_path" else []
    process = subprocess.run(
        [sys.executable, str(script), "--rounds", "2", "--json", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode in (0, 1), process.stderr  # whether a claim holds is not for a busy test machine to say
    data = json.loads(process.stdout)
    assert (data["schema"], data["suite"]) == ("hawklet-suite/1", suite)
    assert all(len(times) == 2 for times in data["cpu_ms"].values())


def test_stored_results_name_no_host_and_no_path(repository: Path) -> None:
    for file in (repository / "benchmarks" / "results").glob("*.json"):
        text = file.read_text()
        schema = json.loads(text)["schema"]
        assert re.fullmatch(r"hawklet-(suite|benchmark|quantization|pruning|data|training)/1", schema), file.name
        assert not re.search(r'"/|\\\\|/(?:home|root|tmp|work|usr)/', text), file.name
