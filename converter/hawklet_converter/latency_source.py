"""Where candidates are timed: on this machine, or on a board over SSH."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from hawklet.classifier import Classifier
from hawklet.spec import ModelFormat, Pixels
from hawklet_converter.measure_latency import measure_latency

if TYPE_CHECKING:
    from hawklet_hardware.latency.remote import BoardAccess, MeasuringBoard

_NONE: Mapping[str, Pixels] = MappingProxyType({})

_FILE, _REFERENCE = "it", "reference"
_CALLS, _ENOUGH_S = 5, 10.0

File = tuple[ModelFormat, bytes]
"""A model file."""
Files = Mapping[str, File]
"""Name -> model file."""
Open = Callable[[bytes, ModelFormat, Pixels], Classifier]
"""Makes a classifier with one thread, for pictures of this one's size."""


class Measuring(Protocol):
    """Times files, all of a call in turns."""

    def __call__(self, files: Files, pictures: Mapping[str, Pixels] = ...) -> Mapping[str, float]:
        """Milliseconds of one inference of each file; a file that does not run there is absent.

        Args:
            files: By name.
            pictures: Of the files that take another size than the source's own picture, by name:
                ``uint8 [H, W, C]``, prepared.
        """


@dataclass
class LatencySource:
    """Times files, all of a call in turns, and remembers under which conditions."""

    where: str
    """In words, for tables and notes."""
    measure: Measuring
    doubts: dict[str, None] = field(default_factory=dict)
    """What makes the numbers worth less, each said once, in order."""
    calls: int = 1
    """How many measurements :meth:`ratio` takes the median of: a machine that others use needs some."""

    def ratio(self, file: File, reference: File, picture: Pixels | None = None) -> float | None:
        """How long a file takes by another, the two alone in turns; None where one of them does not run.

        Args:
            file: What is timed.
            reference: What it is held against.
            picture: What ``file`` takes, where that is of another size: ``uint8 [H, W, C]``, prepared.
        """
        found: list[float] = []
        start = time.monotonic()
        while len(found) < self.calls and (not found or time.monotonic() - start < _ENOUGH_S):
            pictures = {} if picture is None else {_FILE: picture}
            times = self.measure({_REFERENCE: reference, _FILE: file}, pictures)
            if len(times) < 2:
                return None
            found.append(times[_FILE] / times[_REFERENCE])
        return median(found)


def on_this_machine(picture: Pixels, open_file: Open) -> LatencySource:
    """CPU milliseconds on one thread of this machine.

    Args:
        picture: ``uint8 [H, W, C]``, prepared.
        open_file: Makes classifiers.
    """

    def measure(files: Files, pictures: Mapping[str, Pixels] = _NONE) -> Mapping[str, float]:
        shown = {name: pictures.get(name, picture) for name in files}
        return measure_latency({name: open_file(c, f, shown[name]) for name, (f, c) in files.items()}, shown)

    return LatencySource("this machine, 1 thread, CPU time", measure, calls=_CALLS)


@contextlib.contextmanager
def on_a_board(
    host: str, picture: Pixels, access: BoardAccess | None, say: Callable[[str], None]
) -> Iterator[LatencySource]:
    """Milliseconds on a board, with as many threads as its profile says; nothing of the files remains there.

    Args:
        host: ``user@host``.
        picture: ``uint8 [H, W, C]``, prepared.
        access: How to log in.
        say: Told about each step.
    """
    from hawklet_hardware.latency.remote import board_at

    with board_at(host, tuple(ModelFormat), access=access, say=say) as board:
        source = LatencySource(board.name, lambda files, pictures=_NONE: {})

        def measure(files: Files, pictures: Mapping[str, Pixels] = _NONE) -> Mapping[str, float]:
            # A call there takes one picture: files of another input's size have a turn of their own.
            times = dict(_measured(board, {n: f for n, f in files.items() if n not in pictures}, picture, source))
            for name in files.keys() & pictures.keys():
                times |= _measured(board, {name: files[name]}, pictures[name], source)
            return times

        source.measure = measure
        yield source


def _measured(board: MeasuringBoard, files: Files, picture: Pixels, source: LatencySource) -> Mapping[str, float]:
    measurement = board.measure(files, picture)
    threads = measurement.conditions.threads
    source.where = f"{measurement.conditions}, {'CPU' if threads == 1 else 'elapsed'} time"
    source.doubts.update(dict.fromkeys(measurement.conditions.warnings()))
    source.doubts.update(
        dict.fromkeys(f"{name} does not run there: {why}" for name, why in measurement.refused.items())
    )
    return {
        # Threads that wait for work spin, and CPU time counts that too.
        name: latency.median_cpu_ms if threads == 1 else latency.median_wall_ms
        for name, latency in measurement.latencies.items()
    }
