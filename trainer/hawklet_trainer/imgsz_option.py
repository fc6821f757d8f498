"""The types of ``--imgsz`` and ``--target``: words and numbers alone, so that ``--help`` imports nothing heavy."""

from __future__ import annotations

from typing import Any, Final

import click

AUTO: Final = "auto"
"""``--imgsz auto``: proposed by :mod:`hawklet_trainer.input_side`."""
HOST = "host"
"""The machine that hawklet runs on."""
# The names that hawklet convert --target takes, whose package the trainer does not import: a test holds both together.
TARGET_NAMES = (HOST, "x86", "arm64", "pizero2", "pi3", "pi4", "pi5", "jetson", "jetson-nano")


class InputSide(click.ParamType):  # type: ignore[type-arg]  # generic since Click 8.3, and not before
    """``auto``, or a number of pixels; which of them a network takes it says itself."""

    name = "pixels|auto"
    _RANGE = click.IntRange(32, 1024)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """See :meth:`click.ParamType.convert`."""
        if str(value).strip().lower() == AUTO:
            return AUTO
        try:
            return int(self._RANGE.convert(value, param, ctx))
        except click.BadParameter:
            some = f"{self._RANGE.min} to {self._RANGE.max}, such as 224"
            self.fail(f"{value!r} is no input side; give pixels, {some}, or {AUTO}.", param, ctx)
