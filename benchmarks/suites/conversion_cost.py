"""What a whole ``hawklet convert`` costs: wall time and peak memory of its process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hawklet import __version__
from hawklet.cards import PhotoSet as CardPhotos
from hawklet.cards import write_photo_set
from hawklet.errors import HawkletError, WeightsError
from hawklet_trainer.data import PhotoSet, read_photos
from hawklet_trainer.models import MODELS
from hawklet_trainer.run import BEST, save_weights, versions, write_run
from hawklet_trainer.weights import load_pretrained
from quantized_subject import spec_of

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
    save_weights(run / BEST, net, entry.zero_point, entry.scale)
    write_run(run, _manifest(name, source, photos), photos)


def _manifest(name: str, source: str, photos: PhotoSet) -> dict[str, Any]:
    entry = MODELS[name]
    return {
        "schema": "hawklet-run/1",
        "name": name,
        "created": "",
        "hawklet_version": __version__,
        "model": name,
        "labels": list(photos.labels),
        "preprocess": spec_of(entry).to_dict(),
        "pixel_zero_point": entry.zero_point,
        "pixel_scale": entry.scale,
        "data": {"path": str(photos.folder), "digest": photos.digest, "counts": photos.counts()},
        "weights": {"source": source, "sha256": None},
        "seed": 0,
        "metrics": {},
        "training": {"config": {"augment": "light", "flip": False}},
        "versions": versions(),
    }


def _cost_of(arguments: list[str]) -> Cost:
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", _ENTRY, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise HawkletError(f"hawklet {' '.join(arguments)} ended with exit code {process.returncode}")
    kib = usage.ru_maxrss  # Linux counts in KiB
    return Cost(time.monotonic() - start, usage.ru_utime + usage.ru_stime, kib / 2**20)
