"""How much memory a program may take without driving others out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

_ASSUMED = 4 << 30
"""Where the system does not say."""


def available_memory() -> int:
    """Bytes that are free or can be freed at once: of the machine, and of the container that this runs in."""
    return max(0, min(_of_machine(), *_of_containers()))


def _of_machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return _ASSUMED


def _of_containers() -> Iterator[int]:
    """What the control groups that this process is in leave it (version 2, and where that is absent version 1)."""
    for folder, most, used in (
        (_group_folder(), "memory.max", "memory.current"),
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            yield int((folder / most).read_text(encoding="ascii")) - int((folder / used).read_text(encoding="ascii"))
        except (OSError, ValueError):  # "max": no limit
            continue
    yield sys.maxsize


def _group_folder() -> Path:
    root = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return root
    own = next((line.split(":", 2)[2] for line in lines if line.startswith("0::")), "/")
    # Within a container the path is often the host's, and its own group is the root.
    return root / own.lstrip("/") if (root / own.lstrip("/") / "memory.max").is_file() else root
