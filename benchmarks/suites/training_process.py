"""Contestants of the training suite run in processes of their own, so that none inherits another's threads or memory.

What a process came to is kept in a file, so that a suite that was broken off goes on where it was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hawklet.errors import HawkletError
from hawklet_trainer.models.weights import cache_folder
from training_task import REFERENCE, Epochs, Heads, Training

THREADS = 2
_HERE = Path(__file__).parent


def environment(task: Training | Epochs | Heads, cache: Path) -> dict[str, str]:
    """Of a contestant: the same threads for all and no GPU; ours wait as ``hawklet train`` has them wait.

    Args:
        task: What it is to do.
        cache: An empty folder: nothing of what was measured or decoded before is found, but for downloaded weights.
    """
    shared = {
        **os.environ,
        "OMP_NUM_THREADS": str(THREADS),
        "CUDA_VISIBLE_DEVICES": "",
        "TORCH_HOME": str(cache_folder().parents[1]),
        "XDG_CACHE_HOME": str(cache),
    }
    shared.pop("OMP_WAIT_POLICY", None)
    of_torch = isinstance(task, (Training, Epochs)) and task.who == REFERENCE
    return shared if of_torch else {**shared, "OMP_WAIT_POLICY": "passive"}


def command_of(script: str, task: Training | Epochs | Heads, *more: object) -> list[str]:
    """What starts a script of this folder with a task, as JSON, and more arguments."""
    return [sys.executable, str(_HERE / script), json.dumps(asdict(task)), *map(str, more)]


def kept_result(script: str, task: Training | Heads, kept: Path) -> Mapping[str, Any]:
    """What a script has written into a file, which it is run for if it has not.

    Args:
        script: Of this folder. Gets the task, the file, and the moment of its start (``time.monotonic()``).
        task: What it is to do.
        kept: The file, JSON.

    Raises:
        HawkletError: the script failed; it has said why.
    """
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        print(f"  {kept.stem} ...", file=sys.stderr, flush=True)
        command = command_of(script, task, kept, time.monotonic())
        with tempfile.TemporaryDirectory(prefix="hawklet-") as cache:
            done = subprocess.run(command, env=environment(task, Path(cache)), stdout=sys.stderr, check=False)
        if done.returncode:
            raise HawkletError(f"{kept.stem} must come to an end, but its exit code was {done.returncode}; see above")
    result: Mapping[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return result
