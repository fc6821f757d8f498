"""Moments and durations as a person reads them; files for programs keep ISO 8601 and seconds."""

from __future__ import annotations

from datetime import datetime, timezone


def moment(written: str) -> str:
    """An ISO 8601 time with its offset, as ``26 November 2026, 10:40 UTC``; what is none, as it is."""
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return written
    at = at.astimezone(timezone.utc)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def duration(seconds: float) -> str:
    """As ``0.37 s``, ``38 s``, ``8.5 min`` or ``2.3 h``."""
    if seconds < 59.5:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
