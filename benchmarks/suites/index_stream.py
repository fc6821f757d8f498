"""An index of a million pictures: rows a second of CPU, and peak memory of the process, written, read and listed.

Each is measured in a process of its own, at a tenth of the rows and at all of them: what is a stream takes as much
memory for both. Run by hand: ``python benchmarks/suites/index_stream.py [--rows 1000000]``
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hawklet.errors import HawkletError
from hawklet_trainer.data.index import INDEX, IndexRow, read_index, write_index
from hawklet_trainer.data.listing import list_photos
from hawklet_trainer.data.place import Place
from suite_figures import Figure, Goal, table_of

_CLASSES = 1000
_FLAT = Goal(1.1, 1.02, more=False)
_FAST = Goal(50, 150, more=True, unit=" thousand rows/s")
_STREAMS = ("write", "read")


def _rows(folder: Path, count: int) -> Iterator[IndexRow]:
    for number in range(count):
        label = f"class{number % _CLASSES:04d}"
        yield IndexRow(Place(folder / "train" / label / f"picture{number:08d}.jpg"), label, "train")


def _write(folder: Path, count: int) -> int:
    return write_index(folder / INDEX, _rows(folder, count))


def _read(folder: Path, count: int) -> int:
    return sum(1 for _ in read_index(folder / INDEX))


def _list(folder: Path, count: int) -> int:
    return len(list_photos(folder).places())


_PARTS: dict[str, Callable[[Path, int], int]] = {"write": _write, "read": _read, "list": _list}


def index_stream(folder: Path, count: int) -> Iterator[Figure]:
    """Speed and memory of an index of ``count`` rows; ``list`` is what holds every picture, for comparison."""
    tenth = count // 10
    measured = {
        (part, rows): _in_own_process(part, folder / str(rows), rows) for rows in (tenth, count) for part in _PARTS
    }
    for part in _PARTS:
        (_, few_mib), (seconds, mib) = measured[part, tenth], measured[part, count]
        goal = _FAST if part in _STREAMS else None
        yield Figure(
            f"{part} {count:,} rows", count / seconds / 1000, goal, " thousand rows/s", f"{seconds:.1f} s of CPU"
        )
        flat = _FLAT if part in _STREAMS else None
        yield Figure(f"{part}: memory for {count:,} / for a tenth", mib / few_mib, flat, note=f"peak {mib:.0f} MiB")


def _in_own_process(part: str, folder: Path, count: int) -> tuple[float, float]:
    """Seconds of CPU that the part took, and the largest resident set of its process, MiB."""
    words = [sys.executable, __file__, "--part", part, "--rows", str(count), "--folder", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # noqa: S101 -- asked for above
    seconds = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise HawkletError(f"{part} of {count} rows ended with exit code {process.returncode}")
    return float(seconds), usage.ru_maxrss / 1024  # Linux counts in KiB


def _measure_here(part: str, folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    begin = time.process_time()
    done = _PARTS[part](folder, count)
    print(time.process_time() - begin)
    if done != count:
        raise HawkletError(f"{part} must come to {count} rows, got {done}")


def main() -> int:
    """Measure, print, and say by the exit code whether every required figure is reached."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--part", choices=list(_PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        _measure_here(arguments.part, arguments.folder, arguments.rows)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        figures = list(index_stream(Path(folder), arguments.rows))
    print(table_of(figures))
    return int(any(figure.verdict == "MISSED" for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
