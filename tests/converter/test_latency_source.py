"""Files that are timed together, though they take pictures of other sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import hawklet_hardware.latency.remote
from hawklet.spec import ModelFormat, Pixels
from hawklet_converter.latency_source import Files, LatencySource, on_a_board, on_this_machine

FILES = {"large": (ModelFormat.TFLITE, b"large"), "small": (ModelFormat.ONNX, b"small")}
LARGE, SMALL = np.zeros((32, 32, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)


class Opened:
    """A classifier that takes pictures of the size that it was opened for only."""

    def __init__(self, content: bytes, model_format: ModelFormat, picture: Pixels) -> None:
        self.shape, self.runs = picture.shape, 0

    def raw_output(self, pixels: Pixels) -> None:
        assert pixels.shape == self.shape
        self.runs += 1


def test_each_file_is_opened_for_and_shown_pictures_of_its_own_size() -> None:
    opened: dict[str, Opened] = {}

    def open_file(content: bytes, model_format: ModelFormat, picture: Pixels) -> Any:
        opened[content.decode()] = Opened(content, model_format, picture)
        return opened[content.decode()]

    source = on_this_machine(LARGE, open_file)
    assert source.measure(FILES, {"small": SMALL}).keys() == FILES.keys()
    assert {name: one.shape[0] for name, one in opened.items()} == {"large": 32, "small": 16}
    assert opened["large"].runs == opened["small"].runs > 0
    source.measure(FILES)
    assert {one.shape[0] for one in opened.values()} == {32}


@dataclass
class Conditions:
    threads: int = 1

    def __str__(self) -> str:
        return "a board"

    def warnings(self) -> list[str]:
        return ["it was hot"]


@dataclass
class Measurement:
    latencies: Mapping[str, Any]
    refused: Mapping[str, str] = field(default_factory=dict)
    conditions: Conditions = field(default_factory=Conditions)


@dataclass
class Latency:
    median_cpu_ms: float
    median_wall_ms: float = 0.0


class Board:
    """A board that times one size of picture a call, as the real one does."""

    name = "pi@board"

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], int]] = []

    def measure(self, files: Mapping[str, Any], picture: Pixels) -> Measurement:
        self.calls.append((sorted(files), picture.shape[0]))
        refused = {name: "no such operator" for name in files if name == "broken"}
        return Measurement({name: Latency(float(picture.shape[0])) for name in files if name not in refused}, refused)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    there = Board()

    @contextmanager
    def board_at(*args: object, **options: object) -> Iterator[Board]:
        yield there

    monkeypatch.setattr(hawklet_hardware.latency.remote, "board_at", board_at)
    return there


def test_on_a_board_files_of_another_size_have_a_turn_of_their_own(board: Board) -> None:
    files = {**FILES, "third": (ModelFormat.TFLITE, b"third"), "broken": (ModelFormat.TFLITE, b"broken")}
    with on_a_board("pi@board", LARGE, None, print) as source:
        times = source.measure(files, {"small": SMALL})
    assert times == {"large": 32.0, "third": 32.0, "small": 16.0}
    assert board.calls == [(["broken", "large", "third"], 32), (["small"], 16)]
    assert list(source.doubts) == ["it was hot", "broken does not run there: no such operator"]
    assert source.where == "a board, CPU time"


def test_a_ratio_is_the_median_of_several_calls_of_two_files_alone() -> None:
    paces = iter([0.5, 0.9, 0.6])  # a neighbour woke up during the second call
    seen: list[set[str]] = []

    def measure(files: Files, pictures: Mapping[str, Pixels] | None = None) -> Mapping[str, float]:
        seen.append(set(files))
        pace = next(paces)
        return {name: 4.0 * (pace if content == b"fast" else 1.0) for name, (_, content) in files.items()}

    source = LatencySource("here", measure, calls=3)
    assert source.ratio((ModelFormat.TFLITE, b"fast"), (ModelFormat.TFLITE, b"slow")) == pytest.approx(0.6)
    assert [len(names) for names in seen] == [2, 2, 2]


def test_a_file_that_does_not_run_has_no_ratio() -> None:
    source = LatencySource("here", lambda files, pictures=None: {}, calls=3)
    assert source.ratio((ModelFormat.TFLITE, b"a"), (ModelFormat.TFLITE, b"b")) is None
