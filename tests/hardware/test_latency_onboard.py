"""The board's half of a measurement, run as the board runs it: it ends with whoever asked, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import pytest

import tiny_models
from hawklet import __version__
from hawklet.errors import FlashError
from hawklet_hardware.latency import onboard
from hawklet_hardware.latency.onboard import MARK, PROTOCOL

PIXELS = bytes(tiny_models.SIDE * tiny_models.SIDE * 3)


def start(tmp_path: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "hawklet_hardware.latency.onboard", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )


def answer(stream: IO[bytes] | None) -> dict[str, Any]:
    assert stream is not None
    line = stream.readline().decode()
    assert line.startswith(MARK)
    said: dict[str, Any] = json.loads(line.removeprefix(MARK))
    return said


def request(folder: Path, rounds: int) -> bytes:
    (folder / "model").write_bytes(tiny_models.colour_tflite())
    (folder / "picture").write_bytes(PIXELS)
    side = tiny_models.SIDE
    asked = {
        "candidates": {"a": ["tflite", str(folder / "model")]},
        "picture": str(folder / "picture"),
        "shape": [side, side, 3],
        "threads": 1,
        "rounds": rounds,
    }
    return json.dumps(asked).encode() + b"\n"


def ends(process: subprocess.Popen[bytes]) -> int:
    stdout, _ = process.communicate(timeout=30)
    assert b"Traceback" not in stdout
    return process.returncode


def test_it_says_which_engines_it_has_and_which_language_it_speaks(tmp_path: Path) -> None:
    process = start(tmp_path, "look", "tflite", "onnx")
    said = answer(process.stdout)
    assert ends(process) == 0
    assert (said["version"], said["protocol"]) == (__version__, PROTOCOL)
    assert set(said["engines"]) == {"tflite", "onnx"} and said["lacking"] == {}
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_kills_who_imports_it_is_lacking_and_the_other_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "temporary").mkdir()
    for_another_processor = "import os, signal; os.kill(os.getpid(), signal.SIGILL)\n"
    (tmp_path / "modules" / "onnxruntime.py").write_text(for_another_processor)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}/modules:{os.environ.get('PYTHONPATH', '')}")
    process = start(tmp_path / "temporary", "look", "tflite", "onnx")
    said = answer(process.stdout)
    assert ends(process) == 0
    assert set(said["engines"]) == {"tflite"}
    assert said["lacking"] == {"onnx": "it crashes the interpreter there (SIGILL)"}
    assert list((tmp_path / "temporary").iterdir()) == []


def test_beats_between_and_within_requests_are_no_part_of_them(tmp_path: Path) -> None:
    process = start(tmp_path, "serve", "30")
    folder = Path(answer(process.stdout)["folder"])
    assert process.stdin is not None
    for part in (b".", b"..", request(folder, 2), b"."):
        process.stdin.write(part)
        process.stdin.flush()
    said = answer(process.stdout)
    while "report" not in said:
        said = answer(process.stdout)
    assert len(said["report"]["latencies"]["a"]["cpu_ms"]) == 2
    assert ends(process) == 0 and list(tmp_path.iterdir()) == []


def test_silence_of_whoever_asked_ends_it_in_the_middle_of_a_measurement(tmp_path: Path) -> None:
    process = start(tmp_path, "serve", "2")
    folder = Path(answer(process.stdout)["folder"])
    assert process.stdin is not None and folder.parent == tmp_path
    process.stdin.write(request(folder, 10_000))
    process.stdin.flush()
    assert answer(process.stdout)["done"] >= 1
    assert process.wait(timeout=30) == 0  # its input is still open
    assert list(tmp_path.iterdir()) == []
    ends(process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_and_the_folder_is_deleted(number: signal.Signals, tmp_path: Path) -> None:
    process = start(tmp_path, "serve", "30")
    folder = Path(answer(process.stdout)["folder"])
    assert folder.stat().st_mode & 0o777 == 0o700
    process.send_signal(number)
    assert ends(process) == 1 and list(tmp_path.iterdir()) == []


def test_without_any_writable_temporary_folder_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> str:
        raise PermissionError

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(FlashError, match=r"must be writable on the board, and none of .*/var/tmp, /tmp is"):
        onboard._new_folder()
