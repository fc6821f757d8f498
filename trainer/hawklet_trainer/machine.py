"""This machine: what its processor is called, and where what was measured on it is kept."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def processor_name() -> str:
    """Architecture and the name that the processor gives itself; an Arm core gives its part number."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "CPU part"))]
    return f"{platform.machine()} {names[0] if names else platform.processor()}".strip()


def kept_folder() -> Path:
    """``$XDG_CACHE_HOME/hawklet``, by default below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hawklet"
