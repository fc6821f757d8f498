"""A suite as a table of rows: which are measured, printed, kept, and whether one is missed."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from hawklet.errors import HawkletError, WeightsError
from hawklet_benchmarks.conditions import read_moment
from suite_figures import Figure, Page, Results, cells_of, record_row, table_of

Shared = TypeVar("Shared")


@dataclass(frozen=True)
class Row(Generic[Shared]):
    """One row of a suite."""

    title: str
    measure: Callable[[Shared], Iterator[Figure]]
    """Gets what the rows share."""
    needs: tuple[str, ...] = ()
    """Paths below the data folder without which it is skipped."""


def run_rows(
    arguments: argparse.Namespace,
    page: Page,
    rows: Mapping[int, Row[Shared]],
    shared: Shared,
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> int:
    """Measure the chosen rows, print and keep them.

    Args:
        arguments: Of :func:`parser_of`.
        page: What the figures are called.
        rows: By number.
        shared: What they share.
        around: Each row is measured within it.

    Returns:
        The exit code: 1 when a required figure is missed.
    """
    results, missed = Results(page, arguments.output, arguments.page), False
    for number in arguments.rows:
        row = rows[number]
        print(f"\n{number}. {row.title}", flush=True)
        absent = [need for need in row.needs if not (arguments.data / need).exists()]
        if absent:
            print(f"skipped: {arguments.data} has no {', '.join(absent)}")
            continue
        before, start = read_moment(), time.monotonic()
        try:
            with around():
                figures = list(_told(row.measure(shared)))
        except WeightsError as error:
            print(f"skipped: {error}")
            continue
        except HawkletError as error:
            print(f"{page.schema.partition('/')[0]}: {error}", file=sys.stderr)
            return error.exit_code
        print(table_of(figures), flush=True)
        results.put(number, record_row(row.title, figures, before, time.monotonic() - start))
        missed |= any(figure.verdict == "MISSED" for figure in figures)
    return 1 if missed else 0


def _told(figures: Iterator[Figure]) -> Iterator[Figure]:
    """Each is said as soon as it is there, since a row takes minutes."""
    for figure in figures:
        print(f"  {figure.what}: {cells_of(figure)[3]}", file=sys.stderr, flush=True)
        yield figure


def parser_of(description: str, rows: Mapping[int, Row[Shared]]) -> argparse.ArgumentParser:
    """The options that every such suite has."""
    listed = "\n".join(f"  {number}  {row.title}" for number, row in rows.items())
    parser = argparse.ArgumentParser(
        description=description.partition("\n\n")[0],
        epilog=f"rows:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def numbers(text: str) -> list[int]:
        chosen = [int(part) for part in text.split(",")]
        unknown = [number for number in chosen if number not in rows]
        if unknown:
            raise argparse.ArgumentTypeError(f"rows must be of 1..{max(rows)}, got {unknown[0]}")
        return chosen

    parser.add_argument("--rows", type=numbers, default=list(rows), metavar="1,5", help="which rows; default: all")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of test data")
    parser.add_argument("-o", "--output", type=Path, help="keep the figures in this JSON file, row by row")
    parser.add_argument("--page", type=Path, help="write the kept figures as this Markdown page")
    return parser
