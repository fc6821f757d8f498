"""Tables in plain columns that survive any terminal and log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hawklet_converter.request import Row

_HEAD = ("variant", "MB", "val %", "test %", "agree %", "ms")


def conversion_table(rows: Sequence[Row]) -> str:
    """The table that a conversion ends with."""
    return aligned([_HEAD, *(_cells(row) for row in rows)])


def aligned(lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lines of aligned columns: the first ``left`` ones to the left, the rest, numbers, to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(_line(line, widths, left) for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    test = "-" if row.test is None else f"{row.test:.1f}"
    return (row.variant, f"{row.bytes / 1e6:.2f}", f"{row.val:.1f}", test, f"{row.agreement:.1f}", f"{row.ms:.2f}")


def _line(cells: Sequence[str], widths: Sequence[int], left: int) -> str:
    words = [
        cell.ljust(w) if n < left else cell.rjust(w) for n, (cell, w) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(words).rstrip()
