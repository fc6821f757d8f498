"""What a verification is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class VerifyRequest:
    """Options of ``hawklet verify``."""

    bundle: Path
    run: Path | None = None
    """The run folder the bundle was converted from; None = the one that the bundle names, where it is there."""
    photos: Path | None = None
    """Where the run's photos are now; or, if it holds none of them, labelled pictures to verify on instead."""
    split: str | None = None
    """``val`` or ``test`` of the run; None = ``val``."""
    max_drop: float | None = None
    """Points of top-1 that files which are not float may lose; None = what the conversion allowed."""
    threads: int = 1
    """CPU threads of one inference."""
    model: str | None = None
    """The user's own ``module:function`` that the run was trained with, said again."""
    anyway: bool = False
    """Verify although some pictures were trained on."""
