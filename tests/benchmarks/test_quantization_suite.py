from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pruning
from hawklet_benchmarks.conditions import read_moment
from quantization import PAGE
from suite_figures import Figure, Goal, Page, Results, page_of, record_row, table_of

MORE, LESS = Goal(94.5, 96.5, True, " %"), Goal(0.5, 0.44, False)


@pytest.mark.parametrize(
    ("goal", "measured", "verdict"),
    [
        (MORE, 94.4, "MISSED"),
        (MORE, 94.5, "must"),
        (MORE, 96.5, "aim"),
        (LESS, 0.51, "MISSED"),
        (LESS, 0.5, "must"),
        (LESS, 0.3, "aim"),
        (None, 0.3, ""),
    ],
)
def test_a_figure_is_judged_from_its_goals_own_side(goal: Goal | None, measured: float, verdict: str) -> None:
    assert Figure("it", measured, goal).verdict == verdict


def test_a_table_names_each_goal_with_its_direction() -> None:
    table = table_of([Figure("agreement", 97.0, MORE), Figure("latency", 0.45, LESS, note="3 / 7 ms")])
    assert ">= 94.5 %" in table and ">= 96.5 %" in table and "97 %" in table
    assert "<= 0.5" in table and "0.45 (3 / 7 ms)" in table


def _row(title: str, measured: float) -> dict[str, object]:
    return record_row(title, [Figure("it", measured, MORE)], read_moment(), 1.0)


def test_a_row_that_is_measured_again_replaces_its_own_figures_alone(tmp_path: Path) -> None:
    kept, page = tmp_path / "kept.json", tmp_path / "page.md"
    Results(PAGE, kept, page).put(2, _row("second", 90.0))
    Results(PAGE, kept, page).put(1, _row("first", 95.0))
    Results(PAGE, kept, page).put(2, _row("second", 97.25))
    rows = json.loads(kept.read_text())["rows"]
    assert list(rows) == ["1", "2"]
    assert [row["figures"][0]["verdict"] for row in rows.values()] == ["must", "aim"]
    text = page.read_text()
    assert "97.25 %" in text and "95 %" in text and "| 90 %" not in text


@pytest.mark.parametrize(("suite", "name"), [(PAGE, "quantization"), (pruning.PAGE, "pruning")])
def test_the_page_of_results_is_made_of_the_kept_figures_unchanged(suite: Page, name: str, repository: Path) -> None:
    kept = json.loads((repository / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    page = (repository / "docs" / f"{name}-results.md").read_text(encoding="utf-8")
    assert page == page_of(suite, kept["rows"])


def test_rows_without_their_data_are_skipped_and_name_what_is_absent(repository: Path, tmp_path: Path) -> None:
    suite = repository / "benchmarks" / "suites" / "quantization.py"
    done = subprocess.run(
        [sys.executable, suite, "--rows", "1,6", "--data", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "has no imagenet_sample" in done.stdout
    assert "has no models/tf2_mobilenet_v2_1.0_224_ptq.tflite" in done.stdout
