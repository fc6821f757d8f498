"""A board that has nothing but Python and SSH measures candidates, and keeps the environment for the next time."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from hawklet.spec import ModelFormat
from hawklet_hardware.flash.flasher import flash
from hawklet_hardware.flash.options import FlashOptions, RunOptions, ServiceChoice
from hawklet_hardware.latency.remote import BoardAccess, board_at
from loopback_sshd import running_sshd

pytestmark = pytest.mark.acceptance


def test_a_bare_python_becomes_a_board_that_measures(tiny_bundle: Path, tmp_path: Path) -> None:
    prefix, temporary = tmp_path / "board", tmp_path / "temporary"
    temporary.mkdir()
    picture = np.zeros((tiny_models.SIDE, tiny_models.SIDE, 3), dtype=np.uint8)
    candidates = {
        "t": (ModelFormat.TFLITE, tiny_models.colour_tflite()),
        "o": (ModelFormat.ONNX, tiny_models.colour_onnx()),
    }
    said: list[str] = []
    with running_sshd(tmp_path / "sshd", {"TMPDIR": str(temporary)}) as sshd:
        access, host = BoardAccess(sshd.login(), prefix=str(prefix)), str(sshd.target)
        with board_at(host, list(ModelFormat), access=access, say=said.append) as board:
            assert board.python.startswith(f"{prefix}/envs/")
        assert not (prefix / "incoming").exists()
        began = time.monotonic()
        with board_at(host, list(ModelFormat), access=access, say=said.append) as board:
            found = board.measure(candidates, picture, rounds=3)
        again = time.monotonic() - began
        assert set(found.latencies) == {"t", "o"} and again < 60
        assert len([line for line in said if "installed on the board" in line]) == 1, "the environment was kept"
        # A flash makes its own environment beside; what it makes is used by the next measurement.
        options = FlashOptions(run=RunOptions("synthetic://cards", service=ServiceChoice.NONE), prefix=str(prefix))
        report = flash(tiny_bundle, sshd.target, sshd.login(), options, said.append)
        assert report is not None
        engine = {name: model for name, model in candidates.items() if name == "t"}
        with board_at(host, [ModelFormat.TFLITE], access=access, say=said.append) as board:
            assert board.measure(engine, picture, rounds=3).latencies
        assert any(report.release.python in line for line in said)
    assert list(temporary.iterdir()) == []
    assert {path.name for path in prefix.iterdir()} >= {"activate.lock", "current", "envs"}
