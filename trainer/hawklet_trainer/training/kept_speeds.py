"""What was measured to be the fastest way to compute a network, kept for the next training of the same on this machine.

It saves the trial, and two trainings with the same seed compute in the same way, whatever else the machine was busy
with at the start of the second.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hawklet.safefiles import write_json
from hawklet_trainer.machine import kept_folder, processor_name
from hawklet_trainer.training.speed import Compile, Speed, choose_speed


def folder() -> Path:
    """``$XDG_CACHE_HOME/hawklet/speeds``, by default below ``~/.cache``."""
    return kept_folder() / "speeds"


def fastest_way(net: nn.Module, x: torch.Tensor, steps: int, compiling: Compile) -> tuple[Speed, str]:
    """As :func:`~hawklet_trainer.training.speed.choose_speed`, measured once on each machine.

    Random numbers go on as if nothing had been measured, so that they are the same the second time.
    """
    # Whether compiling pays depends on the training's length; trainings of about the same length share what was found.
    length = steps.bit_length() if compiling is Compile.AUTO else 0
    path = folder() / f"{_key(net, x, length, compiling)}.json"
    kept = _read(path)
    if kept is not None:
        return kept
    with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
        speed, said = choose_speed(net, x, steps, compiling)
    facts = {"speed": speed.to_plain(), "said": said}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, facts)
    except OSError:
        return speed, said  # measured again next time
    return speed, said


def _read(path: Path) -> tuple[Speed, str] | None:
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Speed.from_plain(facts["speed"]), f"{facts['said']}, some time ago"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _key(net: nn.Module, x: torch.Tensor, length: int, compiling: Compile) -> str:
    shapes = [(name, list(tensor.shape)) for name, tensor in net.state_dict().items()]
    device = torch.cuda.get_device_name(x.device) if x.is_cuda else processor_name()
    where = (device, torch.get_num_threads(), torch.__version__, list(x.shape), length, compiling.value, shapes)
    return hashlib.sha256(json.dumps(where).encode()).hexdigest()[:24]
