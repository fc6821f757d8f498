from __future__ import annotations

import io

import pytest

import tiny_models
from hawklet.outputs.console import ConsoleOutput, describe
from hawklet.results import LiveResult, Summary, percentile
from hawklet.spec import Classification, Frame, Prediction, Rejection, Timings


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _result(number: int, name: str = "", *, rejection: Rejection | None = None, label: str = "red") -> LiveResult:
    frame = Frame(tiny_models.solid("red"), captured_at=0.0, index=number, name=name)
    classification = Classification((Prediction(label, 0, 0.75),), Timings(1, 2, 3), rejection)
    return LiveResult(frame, classification, 12.0, 4, 100.0 + number / 10)


def test_a_terminal_shows_a_live_source_in_one_updating_line() -> None:
    stream = _Terminal()
    output = ConsoleOutput(live=True, stream=stream)
    for number in range(30):
        output.write(_result(number))
    assert stream.getvalue().count("\n") == 0
    assert " 10.0/s  age   12 ms  dropped 4     [########..]  75%  red" in stream.getvalue()
    output.close()  # as when a camera fails
    assert stream.getvalue().endswith("\n")


def test_an_updating_line_never_grows_wider_than_its_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for label in ("sulphur-crested cockatoo, Kakatoe galerita, Cacatua galerita", "鸟" * 40):
        stream = _Terminal()
        ConsoleOutput(live=True, stream=stream).write(_result(0, label=label))
        line = stream.getvalue().removeprefix("\r").removesuffix("\033[K")
        assert 57 <= sum(1 + (letter == "鸟") for letter in line) <= 59


def test_a_name_with_control_characters_cannot_steer_the_terminal() -> None:
    stream = io.StringIO()
    ConsoleOutput(live=False, stream=stream).write(_result(0, "a\033[2J\nb.jpg"))
    assert stream.getvalue() == "a?[2J?b.jpg: red 75%\n"


def test_a_log_of_a_live_source_stays_short_and_one_of_files_is_complete() -> None:
    live, files = io.StringIO(), io.StringIO()
    outputs = ConsoleOutput(live=True, stream=live), ConsoleOutput(live=False, stream=files)
    for number in range(30):
        for output in outputs:
            output.write(_result(number, name=f"{number}.jpg"))
    assert live.getvalue().count("\n") < 30
    assert files.getvalue().count("\n") == 30


@pytest.mark.parametrize("rejection", Rejection)
def test_an_answer_that_is_not_accepted_is_a_question_with_its_reason(rejection: Rejection) -> None:
    plain, terminal = io.StringIO(), _Terminal()
    ConsoleOutput(live=False, stream=plain).write(_result(0, "x.jpg", rejection=rejection))
    ConsoleOutput(live=True, stream=terminal).write(_result(0, rejection=rejection))
    assert plain.getvalue() == f"x.jpg: ? {rejection.value} (red 75%)\n"
    assert f"75%  ? {rejection.value} (red)" in terminal.getvalue()


def test_the_summary_says_rate_age_and_score() -> None:
    text = describe(Summary(31, 1.0, 2, (10.0, 20.0, 30.0), (5.0,), 10, 9))
    assert "31 frames in 1.0 s (30.0/s), 2 dropped" in text
    assert "age p50 20 ms" in text
    assert "9 of 10 shown cards named rightly" in text
    assert describe(Summary(0, 0.0, 0, (), (), None, None)) == "no frame was classified"


def test_a_percentile_is_interpolated() -> None:
    assert percentile((1.0, 2.0, 3.0, 4.0), 50) == 2.5
    assert percentile((7.0,), 90) == 7.0
