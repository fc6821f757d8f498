"""The table that a conversion ends with, in plain columns that survive any terminal and log."""

from __future__ import annotations

from collections.abc import Sequence

from hawklet_converter.request import Row

_HEAD = ("variant", "MB", "val %", "test %", "agree %", "ms")


def conversion_table(rows: Sequence[Row]) -> str:
    """Lines of aligned columns: the first to the left, numbers to the right."""
    return aligned([_HEAD, *(_cells(row) for row in rows)])


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """Lines of equally many cells as columns: the first to the left, the others to the right."""
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join(_line(line, widths) for line in cells)


def _cells(row: Row) -> tuple[str, ...]:
    test = "-" if row.test is None else f"{row.test:.1f}"
    return (row.variant, f"{row.bytes / 1e6:.2f}", f"{row.val:.1f}", test, f"{row.agreement:.1f}", f"{row.ms:.2f}")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = cells
    return "  ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True))])
