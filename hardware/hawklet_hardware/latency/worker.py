"""One engine's candidates in one process: ``python -m hawklet_hardware.latency.worker``, asked on standard input.

The first line is the request; it loads the candidates and answers which of them the engine takes. Every further line
names the candidates of a round in their order, and is answered with their times. A file tells which candidate is in
hand at any moment, so that whoever finds this process dead knows whom to blame.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import IO, Any

import numpy as np

from hawklet.engines import Engine, open_engine
from hawklet.errors import HawkletError
from hawklet.spec import ModelFormat, Pixels

_SETTLE_S = 0.05
"""Pools of several threads spin for a while after an inference, and would take the processor from who comes next."""
_WARM_S = 0.02
"""Unmeasured inferences before the measured one: caches filled, clocks raised, as in a row of frames."""


def main() -> None:
    """Serve one supervisor until it closes our input."""
    answers = _stdout_of_our_own()
    _let_the_kernel_kill_us_first()
    request = json.loads(sys.stdin.readline())
    in_hand = os.open(request["in_hand"], os.O_WRONLY | os.O_CREAT, 0o600)
    shape = tuple(request["shape"])
    picture = np.frombuffer(Path(request["picture"]).read_bytes(), dtype=np.uint8).reshape(shape)
    engines, refused = _load(request, picture, in_hand)
    said = {name: {"runtime": e.info.runtime, "accelerator": e.info.accelerator} for name, e in engines.items()}
    _answer(answers, {"loaded": said, "refused": refused})
    for line in sys.stdin:
        times = {}
        for name in json.loads(line):
            _take(in_hand, name)
            times[name] = _turn(engines[name], picture, request["threads"])
        _take(in_hand, "")
        _answer(answers, times)
    os._exit(0)  # skips engines' slow tear-down


def _load(request: dict[str, Any], picture: Pixels, in_hand: int) -> tuple[dict[str, Engine], dict[str, str]]:
    engines, refused = {}, {}
    for name, file in request["files"].items():
        _take(in_hand, name)
        try:
            engine = open_engine(file, ModelFormat(request["format"]), threads=request["threads"])
            engine.infer(picture)
            engines[name] = engine
        except (HawkletError, MemoryError) as error:
            refused[name] = str(error) or "there is not enough memory for it"
    _take(in_hand, "")
    return engines, refused


def _turn(engine: Engine, picture: Pixels, threads: int) -> tuple[float, float]:
    """CPU and wall milliseconds of one inference."""
    if threads > 1:
        time.sleep(_SETTLE_S)
    warm = time.perf_counter() + _WARM_S
    engine.infer(picture)
    while time.perf_counter() < warm:
        engine.infer(picture)
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    engine.infer(picture)
    return (time.process_time_ns() - cpu) / 1e6, (time.perf_counter_ns() - wall) / 1e6


def _take(in_hand: int, name: str) -> None:
    # One short write into the page cache: it costs a microsecond, and outlives this process.
    text = name.encode()
    os.ftruncate(in_hand, os.pwrite(in_hand, text, 0) if text else 0)


def _stdout_of_our_own() -> IO[str]:
    """Our answers' stream; whatever an engine prints goes to standard error instead."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def _answer(stream: IO[str], data: dict[str, Any]) -> None:
    stream.write(json.dumps(data) + "\n")
    stream.flush()


def _let_the_kernel_kill_us_first() -> None:
    # Out of memory, a classifier that runs on the board must not be the victim of a measurement.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    main()
