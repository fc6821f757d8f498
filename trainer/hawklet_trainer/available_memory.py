"""How much memory a program may take without driving others out."""

from __future__ import annotations

from pathlib import Path

_ASSUMED = 4 << 30
"""Where the system does not say."""


def available_memory() -> int:
    """Bytes that are free or can be freed at once, as Linux says; 4 GiB elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return _ASSUMED
