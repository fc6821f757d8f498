"""The type of ``--target``: names alone, so that ``--help`` reads no profile and imports no NumPy."""

from __future__ import annotations

from typing import Any

import click

HOST = "host"
"""The machine that hawklet runs on."""

# Those of boards/*.toml, which take 140 ms to import and read: a test holds both together.
TARGET_NAMES = (HOST, "x86", "arm64", "pizero2", "pi3", "pi4", "pi5", "jetson", "jetson-nano")


class TargetName(click.Choice):  # type: ignore[type-arg] # generic from Click 8.2 on
    """One of :data:`TARGET_NAMES`, or the id of a profile; anything else is answered with the closest name."""

    def __init__(self) -> None:
        super().__init__(TARGET_NAMES)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See :meth:`click.ParamType.convert`."""
        if value in TARGET_NAMES:
            return str(value)
        from hawklet.errors import UsageError
        from hawklet_hardware.targets import target_named

        try:
            return target_named(str(value)).id
        except UsageError as error:
            self.fail(str(error), param, ctx)
