"""How long a network takes for one picture on this machine, measured once and kept."""

from __future__ import annotations

import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hawklet.safefiles import write_json
from hawklet_trainer.machine import kept_folder, processor_name
from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.models.own import is_own
from hawklet_trainer.models.size import IMAGENET_CLASSES
from hawklet_trainer.threads import one_thread

HOW = "float32 in torch, channels last, one picture, one thread, CPU time, median"
"""The conditions of a measurement, for a person."""
_WARM_UP, _LEAST_RUNS, _MOST_RUNS = 3, 11, 101
_SECONDS = 1.0
"""Runs go on for so long, CPU time."""


def conditions() -> str:
    """What a figure depends on besides the network: figures of other conditions are not shown."""
    return f"{processor_name()}, torch {torch.__version__}"


def measure(entry: ModelEntry) -> float:
    """Milliseconds of CPU time that one picture takes, see :data:`HOW`; with random weights, at the native side."""
    net = entry.build(IMAGENET_CLASSES, entry.side, entry.side)
    picture = torch.rand(1, 3, entry.side, entry.side)
    return median_time(net, picture)


def median_time(net: nn.Module, picture: torch.Tensor) -> float:
    """Median of some runs, milliseconds of CPU time.

    Args:
        net: Is moved to channels last and put into evaluation mode.
        picture: ``float32 [1, C, H, W]``.
    """
    net.eval().to(memory_format=torch.channels_last)
    x = picture.contiguous(memory_format=torch.channels_last)
    seconds: list[float] = []
    with one_thread(), torch.inference_mode():
        for _ in range(_WARM_UP):
            net(x)
        while len(seconds) < _LEAST_RUNS or (sum(seconds) < _SECONDS and len(seconds) < _MOST_RUNS):
            begin = time.process_time()
            net(x)
            seconds.append(time.process_time() - begin)
    return 1000.0 * statistics.median(seconds)


class KeptLatencies:
    """Measurements of this machine and this torch, kept in a file; a file that cannot be read is as if it were empty.

    Args:
        path: The file; by default ``~/.cache/hawklet/latency.json``.
    """

    def __init__(self, path: Path | None = None):
        self.path = path or kept_folder() / "latency.json"
        self._all = _read(self.path)

    def get(self, entry: ModelEntry) -> float | None:
        """Milliseconds; None where it was not measured under these :func:`conditions`."""
        value = self._all.get(conditions(), {}).get(_key(entry))
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None

    def keep(self, entry: ModelEntry, ms: float) -> None:
        """Write a measurement down; not that of a user's own network, which may be another tomorrow.

        Raises:
            OSError: the file cannot be written.
        """
        if not is_own(entry.name):
            self._all.setdefault(conditions(), {})[_key(entry)] = ms
            write_json(self.path, self._all)


def _key(entry: ModelEntry) -> str:
    return f"{entry.name} {entry.side}"


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = content.items() if isinstance(content, dict) else ()
    return {str(name): dict(figures) for name, figures in whole if isinstance(figures, dict)}
