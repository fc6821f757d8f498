"""What a whole ``hawklet convert`` costs: wall time and peak memory of its process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from hawklet.cards import PhotoSet as CardPhotos
from hawklet.cards import write_photo_set
from hawklet.errors import HawkletError, WeightsError
from hawklet_trainer.data import read_photos
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.models.weights import load_pretrained
from quantized_subject import spec_of
from suite_runs import write_suite_run

PER_CLASS = 60
_ENTRY = "import sys; from hawklet.cli import main; sys.exit(main())"  # what the console script holds


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    wall_s: float
    cpu_s: float
    peak_gib: float
    """Largest resident set."""


def cost_of_conversion(name: str, folder: Path) -> Cost:
    """Convert a run of drawn cards, by default options but for the accuracy, which an untrained head has none of.

    Args:
        name: The network.
        folder: Where to work.
    """
    cards = folder / "cards"
    write_photo_set(cards, CardPhotos(PER_CLASS, 0))
    run = folder / name
    if not run.is_dir():
        _write_untrained_run(name, cards, run)
    return _cost_of(["convert", str(run), "--max-drop", "100", "-o", str(folder / f"{name}.hawklet")])


def _write_untrained_run(name: str, cards: Path, run: Path) -> None:
    entry, photos = MODELS[name], read_photos(cards)
    torch.manual_seed(0)
    net = entry.build(len(photos.labels), entry.side, entry.side)
    try:
        source = load_pretrained(net, entry, "pretrained").source
    except WeightsError:
        source = "none"  # out of reach: time and memory are those of any weights
    write_suite_run(run, name, net, photos, spec_of(entry), source=source)


def _cost_of(arguments: list[str]) -> Cost:
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", _ENTRY, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise HawkletError(f"hawklet {' '.join(arguments)} ended with exit code {process.returncode}")
    kib = usage.ru_maxrss  # Linux counts in KiB
    return Cost(time.monotonic() - start, usage.ru_utime + usage.ru_stime, kib / 2**20)
