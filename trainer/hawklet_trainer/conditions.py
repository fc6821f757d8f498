"""What a work of many trainings began with, so that it goes on with nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hawklet.errors import RunError
from hawklet_trainer.finish import plain
from hawklet_trainer.train import TrainOptions

_NOT_COMPARED = ("photos", "out", "name", "config", "means")
"""Where things are, and by what means: nothing that is learned depends on it. The config's fields are compared one by
one."""


def conditions_of(options: TrainOptions, **more: object) -> dict[str, str]:
    """What must stay as it is, as text by name: every option of the trainings, and ``more``."""
    asked = {key: value for key, value in vars(options).items() if key not in _NOT_COMPARED}
    every = {**plain(asked), **plain(vars(options.config)), **more}
    return {name.replace("_", " "): str(value) for name, value in every.items()}


def require_same(theirs: Mapping[str, str], ours: Mapping[str, str], what: str, way_out: str) -> None:
    """Refuse to go on otherwise than it began.

    Args:
        theirs: The conditions on record. Options that an older hawklet did not know were as their defaults are now.
        ours: The conditions now.
        what: That goes on, for the message.
        way_out: What to do instead of asking for the same.

    Raises:
        RunError: they differ; names in what.
    """
    known = {**conditions_of(TrainOptions(Path())), **theirs}
    differing = [
        f"{name} ({known.get(name)} there, {ours.get(name)} now)"
        for name in sorted(known.keys() | ours.keys())
        if known.get(name) != ours.get(name)
    ]
    if differing:
        raise RunError(
            f"{what} goes on only as it began, but it differs in {'; '.join(differing)}; ask for the same, or {way_out}"
        )


def digest_of(value: Any) -> str:
    """The first 16 digits of the SHA-256 of plain JSON types."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
