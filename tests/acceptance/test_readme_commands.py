"""Types the README's commands one after the other, as a newcomer would; those that need a board are left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hawklet.cards import PhotoSet, write_photo_set
from shown_commands import commands_of

pytestmark = pytest.mark.acceptance

_NEEDS_A_BOARD = ("pi@", "picamera2://", "/dev/video", "pi4.json")


def test_the_readmes_commands_work_in_their_order(repository: Path, tmp_path: Path) -> None:
    write_photo_set(tmp_path / "photos", PhotoSet(per_class=24, seed=5))
    typed = 0
    for words in commands_of(repository / "README.md"):
        if any(mark in word for word in words for mark in _NEEDS_A_BOARD) or words[:1] == ["demo"]:
            continue
        command = [sys.executable, "-m", "hawklet", *words]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=1200)
        assert result.returncode == 0, f"hawklet {' '.join(words)}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
        typed += 1
    assert typed >= 5
