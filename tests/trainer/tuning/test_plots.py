"""The drawings: what is drawn of which trials, and names that cannot break a page."""

from __future__ import annotations

import re

from hawklet_trainer.tuning.dimension import Choice, Range
from hawklet_trainer.tuning.outcome import TrialRecord
from hawklet_trainer.tuning.plots import history, parallel, pareto


def _record(number: int, top1: float | None, state: str = "complete", ms: float | None = None) -> TrialRecord:
    params = {"lr": 10.0 ** -(1 + number), "model": "<b>" if number % 2 else "a&b"}
    return TrialRecord(number, state, params, top1, 0.5, ms, 1.0, 3, "here", "", False)


def test_a_history_marks_every_trial_that_was_measured_and_rises_in_steps() -> None:
    drawing = history([_record(0, 80.0), _record(1, 60.0, "pruned"), _record(2, None, "failed"), _record(3, 90.0)])
    assert re.findall(r'<circle class="(\w+)"', drawing) == ["after", "before", "after"]
    line = re.search(r'class="line s1" points="([^"]+)"', drawing)
    assert line is not None and len(line[1].split()) == 3
    assert history([_record(0, None, "failed")]) == ""


def test_a_trial_that_came_to_nothing_is_drawn_at_the_lower_edge() -> None:
    drawing = history([_record(0, 90.0), _record(1, 91.0), _record(2, 92.0), _record(3, 5.0)])
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', drawing)]
    assert heights[3] <= 210 and heights[0] - heights[2] > 10
    begins_low = history([_record(0, 5.0), _record(1, 90.0), _record(2, 91.0), _record(3, 92.0)])
    line = re.search(r'class="line s1" points="([^"]+)"', begins_low)
    assert line is not None and all(float(point.split(",")[1]) <= 210 for point in line[1].split())


def test_lines_of_a_parallel_drawing_are_complete_trials_with_the_best_drawn_last() -> None:
    dimensions = {"lr": Range(1e-5, 1e-1, log=True), "model": Choice(("a&b", "<b>"))}
    records = [_record(0, 90.0), _record(1, 90.0), _record(2, 80.0), _record(3, 99.0, "pruned")]
    drawing = parallel(records, dimensions, records[:1])
    assert re.findall(r'class="line (s\d)".*?<title>(trial \d)', drawing) == [
        ("s0", "trial 2"),
        ("s0", "trial 1"),
        ("s1", "trial 0"),
    ]
    assert "a&amp;b" in drawing and "&lt;b&gt;" in drawing and "<b>" not in drawing
    assert parallel([], dimensions, []) == ""


def test_options_are_called_as_the_command_line_has_them() -> None:
    record = TrialRecord(0, "complete", {"weight_decay": 0.02}, 90.0, 0.5, None, 1.0, 3, "here", "", False)
    drawing = parallel([record], {"weight_decay": Range(0.01, 0.1)}, [record])
    assert ">--weight-decay</text>" in drawing and ">val, %</text>" in drawing


def test_a_pareto_drawing_joins_the_best_by_latency() -> None:
    records = [_record(0, 90.0, ms=9.0), _record(1, 80.0, ms=3.0), _record(2, 70.0, ms=5.0)]
    drawing = pareto(records, [records[0], records[1]])
    line = re.search(r'class="line s1" points="([^"]+)"', drawing)
    assert line is not None
    xs = [float(point.split(",")[0]) for point in line[1].split()]
    assert len(xs) == 2 and xs[0] < xs[1] and drawing.count("<circle") == 3
