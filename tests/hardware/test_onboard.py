"""The board's half of a flash, run as the board runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hawklet_hardware.flash.onboard import read_report

Board = Any  # tests/hardware/conftest.py: LoopbackBoard


def start(request: dict[str, Any], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "hawklet_hardware.flash.onboard"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(request))
    process.stdin.close()
    process.stdin = None
    return process


def ask(request: dict[str, Any]) -> dict[str, Any]:
    process = start(request)
    stdout, _ = process.communicate(timeout=60)
    report = read_report(stdout)
    assert report is not None and process.returncode == (0 if report["ok"] else 1)
    return report


def test_an_interrupted_activation_puts_everything_back(
    board: Board, tiny_bundle: Path, other_bundle: Path, systemd: Any
) -> None:
    other = board.place(other_bundle)
    before = board.place(tiny_bundle)
    systemd.boot()
    request = {"do": "activate", "prefix": str(board.store.prefix), "release": other, "service": "user"}
    settings = {"user": "pi", "watch_s": 60, "keep": 3, "newest": True}
    environment = {
        "PATH": f"{systemd.folder}/bin:{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(systemd.folder / "config"),
    }
    process = start({**request, **settings}, environment)
    end = time.monotonic() + 30
    while not (systemd.folder / "pid").exists():
        assert time.monotonic() < end, "the service was not started in 30 s"
        time.sleep(0.05)
    assert board.store.current() == other
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert board.store.current() == before
    assert not systemd.unit.exists(), "there was no service before"


def test_a_bundle_without_an_engine_here_says_which_it_would_need(board: Board, tiny_bundle: Path) -> None:
    board.place(tiny_bundle)
    code = (
        "import sys, hawklet.engines as e; e.is_available = lambda f: False; "
        "from hawklet_hardware.flash.onboard import main; main()"
    )
    request = json.dumps({"do": "check", "folder": str(board.store.link / "bundle"), "variant": None})
    done = subprocess.run([sys.executable, "-c", code], input=request, capture_output=True, text=True, check=False)
    report = read_report(done.stdout)
    assert done.returncode == 1 and report is not None
    assert "float32-tflite, float32-onnx" in report["error"] and "--engine" in report["error"]


def test_what_failed_is_cleared_away_and_what_was_good_stays(board: Board, tiny_bundle: Path) -> None:
    good = board.place(tiny_bundle)
    folder = board.store.folder("0" * 16 + "-" + "0" * 8)
    folder.mkdir()
    for release in (good, folder.name):
        assert ask({"do": "discard", "prefix": str(board.store.prefix), "release": release})["ok"]
    assert board.store.folder(good).is_dir() and not folder.exists()


def test_noise_before_the_report_does_not_matter() -> None:
    assert read_report('Welcome!\nINFO: Created delegate\nhawklet-report:{"ok": true}\n') == {"ok": True}
    assert read_report("Segmentation fault\n") is None


@pytest.mark.parametrize("release", ["../../etc", "0" * 16 + "-" + "0" * 8])
def test_a_release_that_is_not_there_cannot_become_current(board: Board, tiny_bundle: Path, release: str) -> None:
    before = board.place(tiny_bundle)
    request = {"do": "activate", "prefix": str(board.store.prefix), "release": release, "service": None}
    assert not ask({**request, "user": "", "watch_s": 0, "keep": 3, "newest": True})["ok"]
    assert board.store.current() == before
