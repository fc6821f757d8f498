"""Tables in plain columns that survive any terminal and log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hawklet_converter.request import Row

_HEAD = ("variant", "MB", "val %", "test %", "agree %", "ms")
_TRIED_HEAD = ("tried", "drop", "agree %", "MB", "ms", "float ms", "in float")


def conversion_table(rows: Sequence[Row]) -> str:
    """The table that a conversion ends with."""
    return aligned([_HEAD, *(_cells(row) for row in rows)])


def search_table(tried: Sequence[Mapping[str, Any]]) -> str:
    """The candidates of a search, as :meth:`hawklet_converter.candidate.Candidate.to_row` has them.

    Drop and agreement are those of the worse file, size and times of the TFLite file.
    """
    return aligned([_TRIED_HEAD, *(_tried_cells(row) for row in tried)])


def _tried_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    share = row["float_macs_share"]
    return (
        f"{row['recipe']}: {row['method']}",
        f"{row['drop']:.1f}",
        f"{min(row['agreement'].values()):.1f}",
        f"{row['bytes']['tflite'] / 1e6:.2f}",
        *(f"{row[key]['tflite']:.2f}" if "tflite" in row[key] else "-" for key in ("ms", "float_ms")),
        f"{share:.1%}" if share else "-",
    )


def aligned(lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lines of aligned columns: the first ``left`` ones to the left, the rest, numbers, to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(_line(line, widths, left) for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    test = "-" if row.test is None else f"{row.test:.1f}"
    ms = "-" if row.ms is None else f"{row.ms:.2f}"
    return (row.variant, f"{row.bytes / 1e6:.2f}", f"{row.val:.1f}", test, f"{row.agreement:.1f}", ms)


def _line(cells: Sequence[str], widths: Sequence[int], left: int) -> str:
    words = [
        cell.ljust(w) if n < left else cell.rjust(w) for n, (cell, w) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(words).rstrip()
