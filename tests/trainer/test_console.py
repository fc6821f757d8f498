"""What a terminal shows of a training, and what a log does."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console
from torch import nn

from hawklet_trainer.console import ConsoleProgress
from hawklet_trainer.terminal_lines import print_line
from hawklet_trainer.training.terms import EpochRecord, Step, TrainConfig

NET = nn.Identity()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_INTERACTIVE", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def _terminal(width: int = 80) -> Console:
    return Console(file=io.StringIO(), width=width, height=24, force_terminal=True)


def _record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch, "fine-tune", 2e-4, 0.7, 0.4, 90.0 + epoch, 12.0, 80.0, 40.0, 0.4 + (epoch - 1) ** 2)


def _train(progress: ConsoleProgress, clock: Clock, epochs: int) -> None:
    """So many epochs of ten steps, and four steps of the next."""
    progress.begun(TrainConfig(epochs=20, patience=5))
    progress.epoch(replace(_record(0), seconds=2.0), NET, True)
    progress.phase("fine-tune", 200)
    for number in range(1, epochs + 2):
        for _ in range(10 if number <= epochs else 4):
            clock.now += 1.0
            progress.step(Step(0.65, 85.0, 1e-4, 32))
        if number <= epochs:
            clock.now += 2.0
            progress.epoch(_record(number), NET, number == 1)


def _drawn(progress: ConsoleProgress, width: int = 80) -> list[str]:
    """The lines that are drawn anew, as they are now."""
    assert progress._live is not None
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(progress._live.get_renderable())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def _printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_has_a_line_for_each_epoch_and_nothing_that_is_drawn_anew() -> None:
    console, clock = Console(file=io.StringIO(), width=80), Clock()
    with ConsoleProgress(console, clock) as progress:
        progress.say("5 classes")
        _train(progress, clock, 2)
    lines = _printed(console).splitlines()
    assert lines[0] == "5 classes" and len(lines) == 3 and "\x1b" not in _printed(console)
    assert lines[1].startswith("epoch   1  loss 0.700") and lines[1].endswith("kept")
    assert lines[2].startswith("epoch   2") and not lines[2].endswith("kept")


def test_a_dumb_terminal_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    console, clock = _terminal(), Clock()
    with ConsoleProgress(console, clock) as progress:
        _train(progress, clock, 1)
    assert _printed(console).startswith("epoch   1  loss")


def test_a_terminal_shows_the_epoch_under_way_what_is_left_and_the_best() -> None:
    console, clock = _terminal(), Clock()
    progress = ConsoleProgress(console, clock)
    _train(progress, clock, 2)
    row, bar, best = _drawn(progress)
    assert row.split() == ["3", "0.650", "85.0", "1.0e-04", "32.0", "0:04"]
    assert bar.startswith("epoch 3/20 ━") and bar.endswith("4/10  0:08 left, at most 3:32 in all")
    assert best == "best: epoch 1, val 91.0 %; ends if none of the next 4 is better"


def test_finished_epochs_stay_above_as_rows_of_one_table() -> None:
    console, clock = _terminal(), Clock()
    with ConsoleProgress(console, clock) as progress:
        _train(progress, clock, 3)
    rows = [line for line in _printed(console).splitlines() if "0.400" in line]
    assert len(rows) == 3 and "kept" in rows[0] and "kept" not in rows[1]


def test_titles_are_always_in_sight_and_not_twice() -> None:
    clock = Clock()
    progress = ConsoleProgress(_terminal(), clock)
    _train(progress, clock, 0)
    assert _drawn(progress)[0].split()[0] == "epoch"  # nothing is above yet
    _train(progress, clock, 1)
    assert len(_drawn(progress)) == 3
    progress.say("note: something")
    assert len(_drawn(progress)) == 4


@pytest.mark.parametrize("width", [80, 60, 40])
def test_what_is_drawn_fits_into_narrow_terminals(width: int) -> None:
    clock = Clock()
    progress = ConsoleProgress(_terminal(width), clock)
    _train(progress, clock, 2)
    lines = _drawn(progress, width)
    assert len(lines) == 3 and all(len(line) <= width for line in lines)
    assert "3:32" in lines[1] and "best: epoch 1" in lines[2]


def test_a_phase_without_epochs_is_a_bar() -> None:
    clock = Clock()
    progress = ConsoleProgress(_terminal(), clock)
    assert _drawn(progress) == []
    progress.begun(TrainConfig())
    progress.phase("features", 10)
    for _ in range(4):
        clock.now += 1.0
        progress.step(Step(pictures=32))
    (bar,) = _drawn(progress)
    assert bar.startswith("features ━") and bar.endswith("4/10  0:06 left")


def test_a_phase_of_unknown_length_has_its_title_and_no_count() -> None:
    clock = Clock()
    progress = ConsoleProgress(_terminal(), clock)
    _train(progress, clock, 2)
    progress.phase("judging and report", 0)
    (bar,) = _drawn(progress)
    assert bar.startswith("judging and report ━") and "/" not in bar and "left" not in bar


def test_while_val_is_judged_the_bar_says_so() -> None:
    clock = Clock()
    progress = ConsoleProgress(_terminal(), clock)
    _train(progress, clock, 0)
    for _ in range(6):
        progress.step(Step(0.65, 85.0, 1e-4, 32))
    assert _drawn(progress)[2].startswith("judging 1/20 ━")


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console, clock = _terminal(), Clock()
    with ConsoleProgress(console, clock) as progress:
        _train(progress, clock, 1)
    assert "\x1b[32m" not in _printed(console) and "\x1b[36m" not in _printed(console)


def test_what_is_said_is_shown_as_it_is() -> None:
    console = Console(file=io.StringIO(), width=40)
    ConsoleProgress(console).say("go on with: hawklet train --resume '[bold]runs/a/very/long/name/of/a/run'")
    assert _printed(console).splitlines() == [
        "go on with: hawklet train --resume '[bold]runs/a/very/long/name/of/a/run'"
    ]


@pytest.fixture
def heeding() -> Iterator[ConsoleProgress]:
    progress = ConsoleProgress(Console(file=io.StringIO()))
    with progress.heeding_signals():
        yield progress


def test_an_interrupt_before_anything_was_learned_breaks_off(heeding: ConsoleProgress) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_the_first_interrupt_asks_to_stop_and_the_second_breaks_off(heeding: ConsoleProgress) -> None:
    heeding.epoch(_record(0), nn.Linear(1, 1), True)
    assert not heeding.should_stop()
    os.kill(os.getpid(), signal.SIGINT)
    assert heeding.should_stop()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_request_to_terminate_breaks_off_with_its_exit_code(heeding: ConsoleProgress) -> None:
    with pytest.raises(SystemExit) as end:
        os.kill(os.getpid(), signal.SIGTERM)
    assert end.value.code == 143


def test_after_the_last_epoch_no_other_is_announced() -> None:
    clock = Clock()
    progress = ConsoleProgress(_terminal(), clock)
    _train(progress, clock, 2)
    progress.begun(TrainConfig(epochs=2))
    progress.phase("fine-tune", 20)
    for number in (0, 1, 2):
        progress.epoch(_record(number), NET, True)
    [line] = _drawn(progress)
    assert line.startswith("measuring") and "left" not in line


def test_nor_after_one_that_patience_ends_with() -> None:
    clock = Clock()
    progress = ConsoleProgress(_terminal(), clock)
    progress.begun(TrainConfig(epochs=9, patience=1))
    progress.phase("fine-tune", 90)
    for number in (0, 1, 2):  # the first is the best
        progress.epoch(_record(number), NET, True)
    assert len(_drawn(progress)) == 1 and _drawn(progress)[0].startswith("measuring")


@pytest.mark.parametrize(
    ("line", "terminal", "expected"),
    [
        ("some words and then some", True, ["some words and", "then some"]),
        ("some words and then some", False, ["some words and then some"]),
        ("report: /My Pictures/Flowers", True, ["report: /My Pictures/Flowers"]),
        ("next: hawklet convert runs --model nets:build", True, ["next: hawklet convert runs --model nets:build"]),
    ],
)
def test_a_terminal_breaks_prose_between_words_and_leaves_whole_what_is_copied(
    line: str, terminal: bool, expected: list[str]
) -> None:
    console = Console(file=io.StringIO(), width=16, force_terminal=terminal, color_system=None)
    print_line(console, line)
    assert [line.rstrip() for line in _printed(console).splitlines()] == expected
