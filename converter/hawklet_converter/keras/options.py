"""Which options of ``hawklet convert`` a Keras model takes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from hawklet.errors import UsageError

SUFFIXES = (".keras", ".h5")
_TAKEN = ("labels", "normalize", "photos", "calibration", "max_drop", "output", "seed")
KERAS_ONLY = ("labels", "normalize")
_NEEDS_PHOTOS = ("calibration", "max_drop")


def is_keras(path: Path) -> bool:
    """Whether a path is named as Keras files are, and is no folder (a run's, then)."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def keras_options(options: dict[str, Any], given: Iterable[str]) -> dict[str, Any]:
    """Those of ``options`` that a Keras model takes; ``given`` names the ones that were typed.

    Raises:
        UsageError: one was typed that has no meaning for a Keras model, or none without photos.
    """
    typed = list(given)
    foreign = [name for name in typed if name not in _TAKEN]
    if foreign:
        raise UsageError(
            f"{_flag(foreign[0])} is for runs of hawklet train and has no meaning for a Keras model, which takes "
            f"{', '.join(map(_flag, _TAKEN))}; drop it"
        )
    idle = [name for name in typed if name in _NEEDS_PHOTOS]
    if idle and options["photos"] is None:
        raise UsageError(f"{_flag(idle[0])} is for int8, which a Keras model gets with --photos FOLDER; add it")
    return {name: options[name] for name in _TAKEN}


def refuse_keras_options(given: Iterable[str]) -> None:
    """Raise UsageError where one was typed that a run folder answers itself."""
    wrong = [name for name in given if name in KERAS_ONLY]
    if wrong:
        raise UsageError(
            f"{_flag(wrong[0])} is for Keras models ({', '.join(SUFFIXES)}), and a run of hawklet train knows its own; "
            "drop it"
        )


def typed_options(context: click.Context) -> list[str]:
    """Names of the options that stand in the command, not filled in by a default."""
    source = click.core.ParameterSource.COMMANDLINE
    options = [parameter.name for parameter in context.command.params if isinstance(parameter, click.Option)]
    return [name for name in options if name and context.get_parameter_source(name) is source]


def _flag(name: str) -> str:
    return "-o" if name == "output" else "--" + name.replace("_", "-")
