"""What the converter's int8 files are worth: agreement, latency, sizes, and what making them takes.

Run: ``python benchmarks/suites/quantization.py [--rows 1,5] [--data FOLDER] [-o FILE.json] [--page FILE.md]``

Rows whose data or weights are absent are skipped, saying so. Ends with exit code 1 when a required figure is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from hawklet.errors import HawkletError, WeightsError
from hawklet_benchmarks.conditions import read_moment
from hawklet_converter.one_thread import one_thread
from quantization_rows import ROWS, Bench, Row
from suite_figures import Figure, Page, Results, cells_of, record_row, table_of

PAGE = Page(
    "hawklet-quantization/1",
    (
        "# Quantization: the measured figures",
        "",
        "Written by `make benchmark-quantization`, kept exactly as measured: what was missed is here too. *must* is",
        "what this project requires of itself, *aim* what it would like; the last column says which is reached.",
        "",
        "- Pictures: 500, one of every second ImageNet class; every fifth calibrates, the other 400 are measured. They",
        "  are probably training pictures of the networks, so agreement with the float file is the figure; a top-1 on",
        "  them is no validation accuracy. One picture is 0.25 %.",
        "- Latency: CPU time of the bare inference, 1 thread, contestants taking turns: the ratio of medians, its 95 %",
        "  interval, and both medians. The files are those of a bundle: `uint8` pixels in, `float32` logits out.",
        "- The libraries' own ways to int8 get the network as it was published, with its own normalization, and are",
        "  judged by its own float answers.",
        "- Wall times are of a machine that others use as well (see the load of each row), so they are pessimistic.",
    ),
)


def main() -> int:
    """Measure, print, keep, and say by the exit code whether every required figure is reached."""
    arguments = _parse()
    bench, results = Bench(arguments.data, arguments.rounds), Results(PAGE, arguments.output, arguments.page)
    missed = False
    for number in arguments.rows:
        row = ROWS[number]
        print(f"\n{number}. {row.title}", flush=True)
        absent = [need for need in row.needs if not (arguments.data / need).exists()]
        if absent:
            print(f"skipped: {arguments.data} has no {', '.join(absent)}")
            continue
        try:
            figures = _measure(number, row, bench, results)
        except WeightsError as error:
            print(f"skipped: {error}")
            continue
        except HawkletError as error:
            print(f"quantization: {error}", file=sys.stderr)
            return error.exit_code
        missed |= any(figure.verdict == "MISSED" for figure in figures)
    return 1 if missed else 0


def _measure(number: int, row: Row, bench: Bench, results: Results) -> list[Figure]:
    before, start = read_moment(), time.monotonic()
    figures = []
    with one_thread():
        for figure in row.measure(bench):
            print(f"  {figure.what}: {cells_of(figure)[3]}", file=sys.stderr, flush=True)  # a row takes minutes
            figures.append(figure)
    print(table_of(figures), flush=True)
    results.put(number, record_row(row.title, figures, before, time.monotonic() - start))
    return figures


def _parse() -> argparse.Namespace:
    rows = "\n".join(f"  {number}  {row.title}" for number, row in ROWS.items())
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n\n")[0],
        epilog=f"rows:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=_rows, default=list(ROWS), metavar="1,5", help="which rows; default: all")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of test data")
    parser.add_argument("--rounds", type=int, default=40, help="of latency measurements")
    parser.add_argument("-o", "--output", type=Path, help="keep the figures in this JSON file, row by row")
    parser.add_argument("--page", type=Path, help="write the kept figures as this Markdown page")
    return parser.parse_args()


def _rows(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    unknown = [number for number in numbers if number not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"rows must be of 1..{max(ROWS)}, got {unknown[0]}")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
