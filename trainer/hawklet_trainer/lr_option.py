"""``--lr``: a learning rate, or ``auto``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from hawklet.option_types import NumberRange

AUTO: Final = "auto"


def settled(values: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Options of a loop with ``lr`` as it takes it, and whether it is to be found."""
    finds = values.get("lr") == AUTO
    return ({**values, "lr": None} if finds else dict(values)), finds


class LearningRate(NumberRange):
    """A number above zero, or ``auto``, which is left as it is."""

    name = "number|auto"

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See :meth:`click.ParamType.convert`."""
        if str(value).strip().lower() == AUTO:
            return AUTO
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no learning rate; give a number above 0, such as 0.001, or {AUTO}.", param, ctx)
