"""A table on the terminal: drawn by rich where someone looks at it, plain aligned columns where a program reads it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click


@dataclass(frozen=True)
class Table:
    """Headers and rows of text; every column but the first is aligned to the right."""

    headers: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def show(table: Table) -> None:
    """Print a table to stdout; one wider than the terminal as plain lines, which lose nothing where they wrap."""
    plain = aligned(table)
    room = shutil.get_terminal_size().columns - len(table.headers)  # it sets columns one further apart
    if not sys.stdout.isatty() or max(map(len, plain.splitlines())) > room:
        click.echo(plain)
        return
    from rich.console import Console
    from rich.table import Table as RichTable

    drawn = RichTable(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for index, header in enumerate(table.headers):
        drawn.add_column(header, justify="right" if index else "left", no_wrap=True)
    for row in table.rows:
        drawn.add_row(*row)
    Console().print(drawn, markup=False)


def aligned(table: Table) -> str:
    """The table as plain lines, columns two spaces apart."""
    lines = [table.headers, *table.rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(table.headers))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
