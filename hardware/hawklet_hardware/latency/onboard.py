"""The board's half of a measurement: ``python -m hawklet_hardware.latency.onboard``.

``look FORMAT...`` says which engines are here, and ends. ``serve SECONDS`` makes a private folder, says where, takes a
request as a line of JSON once the files are there, and answers with the times. When its input closes or stays silent
for so many seconds, it ends what runs, deletes the folder and ends itself: a connection that is cut leaves nothing
behind.

Every line of ours on standard output is :data:`MARK` and JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hawklet import __version__
from hawklet.engines import ENGINES, default_threads
from hawklet.errors import FlashError, HawkletError
from hawklet.spec import ModelFormat
from hawklet_hardware.flash.beats import BEAT
from hawklet_hardware.latency.turns import Request, Stopped, Turns, how_it_ended, private_environment
from hawklet_hardware.sensors import read_sensors

MARK = "hawklet-latency:"
PROTOCOL = 1
"""Changes with the requests and answers of this module: both halves must speak the same."""


def main() -> None:
    """Do what the first argument says."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)  # an exception, so that the folder goes
    try:
        with _private_folder() as folder:
            if sys.argv[1] == "look":
                _say({"version": __version__, "protocol": PROTOCOL, **look(folder, sys.argv[2:])})
            else:
                serve(folder, float(sys.argv[2]))
    except KeyboardInterrupt:
        os._exit(1)
    except FlashError as error:
        _say({"error": str(error)})
    os._exit(0)  # a thread may still be waiting for a process that was killed


def look(folder: Path, formats: Sequence[str]) -> dict[str, Any]:
    """Which of these formats have an engine here that can be imported, and what stands in the way of the others."""
    engines, lacking = {}, {}
    for name in formats:
        # In a process of its own: an engine that was built for another processor ends the one that imports it.
        module = ENGINES[ModelFormat(name)].partition(":")[0]
        command = [sys.executable, "-c", f"import {module} as engine; print(engine.load_library()[1])"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=private_environment(folder))
        if done.returncode:
            lacking[name] = how_it_ended(done.returncode, done.stderr)
        else:
            engines[name] = done.stdout.strip().rpartition("\n")[2]
    return {"engines": engines, "lacking": lacking}


def serve(folder: Path, patience_s: float) -> None:
    """Say where the folder is and how many threads make sense here; serve requests until nobody is there any more."""
    _say({"folder": str(folder), "free_bytes": shutil.disk_usage(folder).free, "threads": default_threads()})
    running: list[Turns] = []
    try:
        for line in _lines(patience_s):
            request = json.loads(line)
            request["candidates"] = {name: tuple(pair) for name, pair in request["candidates"].items()}
            turns = Turns(folder, Request(**request), lambda done, rounds: _say({"done": done, "rounds": rounds}))
            running.append(turns)
            threading.Thread(target=_measure, args=(turns,), daemon=True).start()
    finally:
        for turns in running:
            turns.stop()


def _lines(patience_s: float) -> Iterator[bytes]:
    """Lines of standard input, beats left out; ends with it, or when it stays silent for too long."""
    rest = b""
    while select.select([0], [], [], patience_s)[0] and (block := os.read(0, 1 << 16)):
        *lines, rest = (rest + block).split(b"\n")
        yield from (line.lstrip(BEAT) for line in lines)


def _measure(turns: Turns) -> None:
    try:
        _say({"report": report_of(turns)})
    except Stopped:
        pass
    except (HawkletError, OSError) as error:
        _say({"error": str(error)})
    except Exception as error:  # noqa: BLE001 -- whatever it was, somebody waits for an answer
        _say({"error": f"the board's half failed: {error!r}"})


def report_of(turns: Turns) -> dict[str, Any]:
    """Measure, and say how it went and under which conditions, as plain JSON types.

    Raises:
        Stopped: the measurement was called off.
    """
    before, earlier = read_sensors(), _clock()
    latencies, refused = turns.run()
    busy, total, own = (now - then for now, then in zip(_clock(), earlier, strict=True))
    after = read_sensors()
    return {
        "latencies": latencies,
        "refused": refused,
        "before": asdict(before),
        "after": asdict(after),
        "others_percent": round(100 * max(0.0, busy - own) / total, 1) if total > 0 else 0.0,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "engines": {turns.format_of(name): latency["runtime"] for name, latency in latencies.items()},
    }


def _clock() -> tuple[float, float, float]:
    """Processor seconds: in use by anyone, all there were (both 0 where the kernel does not say), used by us."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()[1:9]
    except OSError:
        fields = ["0"] * 8
    hertz, ticks, times = os.sysconf("SC_CLK_TCK"), [int(field) for field in fields], os.times()
    idle = ticks[3] + ticks[4]  # doing nothing, and waiting for a disk
    own = times.user + times.system + times.children_user + times.children_system
    return (sum(ticks) - idle) / hertz, sum(ticks) / hertz, own


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    folder = _new_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _new_folder() -> Path:
    # /tmp is memory on many boards, and memory is what the candidates need.
    bases = [base for base in (os.environ.get("TMPDIR"), "/var/tmp", "/tmp") if base]  # noqa: S108 -- made private below
    for base in bases:
        with contextlib.suppress(OSError):
            return Path(tempfile.mkdtemp(prefix="hawklet-measure-", dir=base))
    raise FlashError(f"a temporary folder must be writable on the board, and none of {', '.join(bases)} is")


def _say(data: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the connection is gone, as the end of our input will tell
        print(MARK + json.dumps(data), flush=True)


if __name__ == "__main__":
    main()
