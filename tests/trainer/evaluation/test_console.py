"""What a terminal shows of an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hawklet_trainer.data import Photo, Place
from hawklet_trainer.evaluation.analysis import Scaling, analyse
from hawklet_trainer.evaluation.answers import Answers
from hawklet_trainer.evaluation.console import print_analysis, print_robustness
from hawklet_trainer.evaluation.robustness import CorruptionCurve, Robustness


def _answers(truth: list[int], named: list[int]) -> Answers:
    photos = tuple(Photo(Place(Path("x.png")), index, "") for index in truth)
    return Answers(photos, ("a", "b", "c"), np.eye(3, dtype=np.float32)[named])


def test_a_class_without_pictures_has_dashes_and_no_figures(capsys: pytest.CaptureFixture[str]) -> None:
    print_analysis(Console(), analyse(_answers([0, 1], [0, 2])))
    shown = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines()}
    assert rows["c"] == ["-", "-", "-", "-", "0"] and rows["b"][:4] == ["0.0", "%", "0.0", "%"]
    assert "taken for each other most: b and c (1)" in shown and "at temperature" not in shown


def test_the_closing_lines_have_intervals_and_both_calibrations(
    make_answers: Callable[..., Answers], capsys: pytest.CaptureFixture[str]
) -> None:
    answers = make_answers(200, tuple("abcdefg"))
    print_analysis(Console(width=200), analyse(answers, Scaling(0.5, "somewhere else")))
    lines = capsys.readouterr().out.splitlines()
    (top,) = [line for line in lines if line.startswith("top-1")]
    assert " to " in top and "top-5" in top and "200 pictures" in top
    assert any("at temperature 0.50" in line for line in lines)


def test_robustness_says_of_how_many_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    curve = CorruptionCurve("blur", "pixels", (1, 2, 3, 4, 5), (90.0, 80.0, 70.0, 60.0, 50.0))
    found = Robustness(200, 1000, 80.0, (curve,))
    print_robustness(Console(width=200), found)
    shown = capsys.readouterr().out
    assert "70.0 % in place of 80.0 %, 88 % is left; 200 of 1000 pictures" in shown and "blur" in shown
    print_robustness(Console(width=200), replace(found, out_of=200))
    assert "200 pictures" in capsys.readouterr().out
