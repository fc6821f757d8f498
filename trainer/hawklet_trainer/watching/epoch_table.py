"""Epochs as rows of one table, as wide as a terminal allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from rich.text import Text

from hawklet_trainer.training.terms import EpochRecord
from hawklet_trainer.watching.pace import clock_text

_GAP = "  "
_KEPT = "kept"


def _number(form: str) -> Callable[[float], str]:
    return lambda value: format(value, form) if math.isfinite(value) else ""


@dataclass(frozen=True)
class _Column:
    title: str
    field: str
    """Of an :class:`~hawklet_trainer.training.terms.EpochRecord`."""
    width: int
    text: Callable[[float], str]


_COLUMNS = (
    _Column("epoch", "epoch", 5, str),
    _Column("loss", "train_loss", 6, _number(".3f")),
    _Column("train %", "train_top1", 7, _number(".1f")),
    _Column("val loss", "val_loss", 8, _number(".3f")),
    _Column("val %", "val_top1", 6, _number(".1f")),
    _Column("lr", "lr", 7, _number(".1e")),
    _Column("images/s", "images_per_second", 8, _number(".1f")),
    _Column("time", "seconds", 7, clock_text),
)
_LEAVE_FIRST = ("time", "images/s", "lr", "train %", "loss", "val loss")
"""What a narrow terminal does without, in this order."""


def fitting(width: int) -> tuple[_Column, ...]:
    """The columns that there is room for in ``width`` letters, the mark of the one that is kept beside them."""
    columns: tuple[_Column, ...] = _COLUMNS
    for title in _LEAVE_FIRST:
        if _needed(columns) <= width:
            break
        columns = tuple(column for column in columns if column.title != title)
    return columns


def _needed(columns: tuple[_Column, ...]) -> int:
    return sum(column.width + len(_GAP) for column in columns) + len(_KEPT)


def titles(width: int) -> Text:
    """The titles."""
    return Text(_GAP.join(column.title.rjust(column.width) for column in fitting(width)), "bold", no_wrap=True)


def epoch_row(record: EpochRecord, width: int, kept: bool = False, style: str = "") -> Text:
    """An epoch; what was not measured is left empty."""
    cells = (column.text(getattr(record, column.field)).rjust(column.width) for column in fitting(width))
    row = Text(_GAP.join(cells), style, no_wrap=True)
    return row.append(f"{_GAP}{_KEPT}", "green") if kept else row


def epoch_line(record: EpochRecord, kept: bool) -> str:
    """An epoch as a line that needs no titles above it."""
    parts = {
        "loss {:.3f}": record.train_loss,
        "train {:5.1f} %": record.train_top1,
        "val loss {:.3f}": record.val_loss,
        "val {:5.1f} %": record.val_top1,
        "lr {:.1e}": record.lr,
        "{:.1f} images/s": record.images_per_second,
        "{:5.1f} s": record.seconds,
    }
    measured = [form.format(value) for form, value in parts.items() if math.isfinite(value)]
    return "  ".join([f"epoch {record.epoch:3d}", *measured, *([_KEPT] if kept else [])])
