"""Types the README's commands one after the other, as a newcomer would; those that need a board are left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiny_models
from shown_commands import commands_of

pytestmark = pytest.mark.acceptance

_NEEDS_A_BOARD = ("pi@", "picamera2://", "/dev/video", "pi4.json")


def test_the_readmes_commands_work_in_their_order(repository: Path, tmp_path: Path) -> None:
    _write_easy_photos(tmp_path / "photos")
    typed = 0
    for words in commands_of(repository / "README.md"):
        if any(mark in word for word in words for mark in _NEEDS_A_BOARD) or words[:1] == ["demo"]:
            continue
        command = [sys.executable, "-m", "hawklet", *words]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=1200)
        assert result.returncode == 0, f"hawklet {' '.join(words)}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
        typed += 1
    assert typed >= 5


def _write_easy_photos(folder: Path) -> None:
    """40 noisy pictures each of three colours: so far apart that the budget the README names can always be kept."""
    rng = np.random.default_rng(5)
    for colour in tiny_models.LABELS:
        (folder / colour).mkdir(parents=True)
        for number in range(40):
            noise = rng.normal(0, 25, (96, 128, 3))
            picture = tiny_models.solid(colour, 128)[:96] * rng.uniform(0.5, 1.1) + noise
            Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / colour / f"{number}.jpg")
