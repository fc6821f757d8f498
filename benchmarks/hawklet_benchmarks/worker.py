"""One fresh process of a measurement: started as ``python -m hawklet_benchmarks.worker``, asked on stdin, answers on
stdout, both one JSON object.

It imports what a program that classifies would import and nothing more, and times each step: the interpreter's own
start, the imports, opening the model, the first classification. Then it warms up until the times stand still, and
measures: every round takes one picture through all stages, so that the stages see the caches as they do in real life.
"""

from __future__ import annotations

import time

_ENTERED_NS = time.monotonic_ns()  # before any other import: what came earlier is the interpreter's start

import importlib  # noqa: E402 -- the line above must stand before every other import
import io  # noqa: E402 -- as above
import json  # noqa: E402 -- as above
import sys  # noqa: E402 -- as above
from collections.abc import Callable  # noqa: E402 -- as above
from pathlib import Path  # noqa: E402 -- as above
from typing import TYPE_CHECKING, Any  # noqa: E402 -- as above

if TYPE_CHECKING:
    from hawklet.classifier import Classifier

STAGES = ("decode", "preprocess", "infer", "postprocess")
"""A picture file's bytes -> picture -> the model's input -> its output -> the answer."""
INVOKE = "invoke"
"""The engine's library alone: the graph executed, input not written, output not read."""

_WINDOW = 8  # rounds whose median is compared with that of as many before them
_STEADY = 0.03  # largest relative change between two windows that counts as standing still
_MIN_ROUNDS = 5

_Marks = list[tuple[int, int]]
"""Clock readings between stages: wall and CPU time of the process (all threads), ns."""


def main() -> int:
    """Serve one request; exit code 1 with ``{"error": message}`` when the model fails."""
    request = json.loads(sys.stdin.read())
    images = importlib.import_module("hawklet.images")
    classifier_class = importlib.import_module("hawklet.classifier").Classifier
    errors = importlib.import_module("hawklet.errors")
    importlib.import_module(request["engine_module"]).load_library()
    imported = time.monotonic_ns()
    try:
        classifier = classifier_class.open(request["model"], **request["open"])
        loaded, loaded_cpu = time.monotonic_ns(), time.process_time_ns()
        picture = Path(request["picture"])
        first_wall, first_cpu = _first(classifier, images.read_image(picture, planes=classifier.spec.planes))
        start = {
            "interpreter_ms": _ms(_ENTERED_NS - request["spawned_ns"]),
            "import_ms": _ms(imported - _ENTERED_NS),
            "load_ms": _ms(loaded - imported),
            "first_ms": _ms(first_wall),
            "cpu_ms": _ms(loaded_cpu + first_cpu),
        }
        answer = {"start": start, "peak_rss_mb": peak_rss_mb()} | _measure(classifier, picture.read_bytes(), request)
    except errors.HawkletError as error:
        print(json.dumps({"error": str(error)}))
        return 1
    print(json.dumps(answer))
    return 0


def _first(classifier: Classifier, image: Any) -> tuple[int, int]:
    """Wall and CPU time of the first classification, ns."""
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    classifier.classify(image)
    return time.perf_counter_ns() - wall, time.process_time_ns() - cpu


def _measure(classifier: Classifier, encoded: bytes, request: dict[str, Any]) -> dict[str, Any]:
    """Warm-up and samples, as the fields of a result's run."""
    play = _round_of(classifier, encoded, with_invoke=request["invoke"])
    names = [*STAGES, INVOKE] if request["invoke"] else [*STAGES]
    warmup = _warm_up(play, request["warmup_s"])
    rounds = _collect(play, request["seconds"], request["rounds"])
    wall = {name: [_ms(marks[i + 1][0] - marks[i][0]) for marks in rounds] for i, name in enumerate(names)}
    cpu = {name: [_ms(marks[i + 1][1] - marks[i][1]) for marks in rounds] for i, name in enumerate(names)}
    return {"warmup": warmup, "wall_ms": wall, "cpu_ms": cpu}


def _round_of(classifier: Classifier, encoded: bytes, *, with_invoke: bool) -> Callable[[], _Marks]:
    """A function that takes one picture through all stages and returns the clock readings around each."""
    from hawklet.images import read_image

    planes = classifier.spec.planes

    def mark() -> tuple[int, int]:
        return time.perf_counter_ns(), time.process_time_ns()

    def play() -> _Marks:
        marks = [mark()]
        image = read_image(io.BytesIO(encoded), planes=planes)
        marks.append(mark())
        pixels = classifier.prepare(image)
        marks.append(mark())
        raw = classifier.raw_output(pixels)
        marks.append(mark())
        classifier.decide(raw)
        marks.append(mark())
        if with_invoke:
            classifier.engine.invoke()
            marks.append(mark())
        return marks

    return play


def _warm_up(play: Callable[[], _Marks], limit_s: float) -> dict[str, Any]:
    """Play rounds until their time stands still, or the limit is reached (at least :data:`_MIN_ROUNDS`)."""
    begin = time.perf_counter()
    totals: list[int] = []
    steady = False
    while not steady and (time.perf_counter() - begin < limit_s or len(totals) < _MIN_ROUNDS):
        marks = play()
        totals.append(marks[-1][0] - marks[0][0])
        steady = is_steady(totals)
    return {"rounds": len(totals), "seconds": round(time.perf_counter() - begin, 3), "steady": steady}


def is_steady(totals: list[int]) -> bool:
    """Whether the last :data:`_WINDOW` times have the median of as many before them, within :data:`_STEADY`."""
    if len(totals) < 2 * _WINDOW:
        return False
    earlier, later = sorted(totals[-2 * _WINDOW : -_WINDOW]), sorted(totals[-_WINDOW:])
    before, after = earlier[_WINDOW // 2], later[_WINDOW // 2]
    return abs(after - before) <= _STEADY * before


def _collect(play: Callable[[], _Marks], seconds: float, rounds: int | None) -> list[_Marks]:
    """``rounds`` rounds, or as many as fit into ``seconds`` (at least :data:`_MIN_ROUNDS`)."""
    if rounds is not None:
        return [play() for _ in range(rounds)]
    collected: list[_Marks] = []
    end = time.perf_counter() + seconds
    while len(collected) < _MIN_ROUNDS or time.perf_counter() < end:
        collected.append(play())
    return collected


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, MiB.

    From ``VmHWM``: ``getrusage`` would also count what the parent held when it forked this process.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return round(int(kilobytes) / 1024, 2)
    except (OSError, StopIteration):
        import resource

        divisor = 1 << 20 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / divisor, 2)


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 5)


if __name__ == "__main__":
    sys.exit(main())
