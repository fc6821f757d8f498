"""Candidates in turns: one process an engine, all alive together, every candidate once a round.

A candidate that kills its process is blamed by name; the others go on in a new process, and the culprit is tried once
more, alone: then it is known whether it crashes by itself, or only found no room beside the others.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import site
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_WORKER = (sys.executable, "-m", "hawklet_hardware.latency.worker")
_LOAD_LIMIT_S = 600.0
"""TensorRT builds an engine for minutes."""
_ROUND_LIMIT_S = 300.0
_SAY_EVERY_S = 5.0


@dataclass(frozen=True)
class Request:
    """What is to be measured; files lie in a folder of the measurement's own."""

    candidates: dict[str, tuple[str, str]]
    """Name -> format and path of the file."""
    picture: str
    """Path of the raw bytes, ``uint8 [H, W, C]``."""
    shape: tuple[int, int, int]
    threads: int
    rounds: int


class Stopped(Exception):
    """The measurement was called off."""


class _Died(Exception):
    """A candidate killed its process; without a name, the process died with none in hand."""

    def __init__(self, name: str, reason: str, *, hung: bool) -> None:
        super().__init__(reason)
        self.name = name
        self.reason = reason
        self.hung = hung


class Turns:
    """One measurement.

    Args:
        folder: Private to it; for the workers' notes.
        request: What to measure.
        say: Told (rounds done, rounds in all), now and then.
    """

    def __init__(self, folder: Path, request: Request, say: Callable[[int, int], None]) -> None:
        self._folder = folder
        self._request = request
        self._say = say
        self._workers: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self._latencies: dict[str, dict[str, Any]] = {}
        self._refused: dict[str, str] = {}

    def run(self) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """Measure.

        Returns:
            Candidate -> its times and engine, as :class:`hawklet_hardware.latency.results.Latency` has them; and
            candidate -> why it has none.

        Raises:
            Stopped: :meth:`stop` was called.
        """
        for name, death in self._measure(list(self._request.candidates), in_turns=True).items():
            self._latencies.pop(name, None)  # times from before its death are of no use: they are too few
            again = {name: death} if death.hung else self._measure([name], in_turns=False)
            if name in again:
                self._latencies.pop(name, None)
                self._refused[name] = again[name].reason
        return self._latencies, self._refused

    def stop(self) -> None:
        """End every process at once; may be called from another thread."""
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                worker.kill()

    def _measure(self, names: Sequence[str], *, in_turns: bool) -> dict[str, _Died]:
        groups = [
            _Group(self, model_format, [name for name in names if self.format_of(name) == model_format])
            for model_format in dict.fromkeys(map(self.format_of, names))
        ]
        try:
            for group in groups:
                group.start(in_turns=in_turns)
            self._take_turns(groups)
        finally:
            for group in groups:
                group.close()
        return {name: death for group in groups for name, death in group.fallen.items()}

    def _take_turns(self, groups: Sequence[_Group]) -> None:
        said = 0.0
        for index in range(self._request.rounds):
            for group in groups if index % 2 == 0 else reversed(groups):
                group.round(backwards=index % 2 == 1)
            if time.monotonic() - said > _SAY_EVERY_S or index + 1 == self._request.rounds:
                said = time.monotonic()
                self._say(index + 1, self._request.rounds)

    def format_of(self, name: str) -> str:
        """The format of a candidate."""
        return self._request.candidates[name][0]

    def keep(self, name: str, cpu_ms: float, wall_ms: float) -> None:
        """Note the times of one inference."""
        self._latencies[name]["cpu_ms"].append(round(cpu_ms, 5))
        self._latencies[name]["wall_ms"].append(round(wall_ms, 5))

    def accept(self, name: str, engine: dict[str, str], *, in_turns: bool) -> None:
        """Note that an engine takes a candidate; times that it has already stay."""
        kept = self._latencies.get(name, {"cpu_ms": [], "wall_ms": []})
        self._latencies[name] = {**kept, **engine, "in_turns": in_turns}

    def refuse(self, name: str, reason: str) -> None:
        """Note that an engine does not take a candidate."""
        self._refused[name] = reason

    def worker(self, model_format: str, names: Sequence[str]) -> _Worker:
        """A new process for candidates of one format."""
        with self._lock:
            if self._stopped:
                raise Stopped
            worker = _Worker(self._folder, self._request, model_format, names)
            self._workers.add(worker.process)
        return worker

    def check(self) -> None:
        """Raise if the measurement was called off."""
        if self._stopped:
            raise Stopped


class _Group:
    """Candidates of one engine, and the process that has them; one that dies is replaced, without the culprit."""

    def __init__(self, turns: Turns, model_format: str, names: list[str]) -> None:
        self._turns = turns
        self._format = model_format
        self._names = names
        self._worker: _Worker | None = None
        self._in_turns = True
        self.fallen: dict[str, _Died] = {}

    def start(self, *, in_turns: bool) -> None:
        """Load the candidates."""
        self._in_turns = in_turns
        self._with_worker(lambda worker: None)

    def round(self, *, backwards: bool) -> None:
        """Every candidate once."""

        def play(worker: _Worker) -> None:
            for name, (cpu_ms, wall_ms) in worker.round(self._names[::-1] if backwards else self._names).items():
                self._turns.keep(name, cpu_ms, wall_ms)

        self._with_worker(play)

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()

    def _with_worker(self, what: Callable[[_Worker], None]) -> None:
        while self._names:
            try:
                what(self._worker or self._loaded())
                return
            except _Died as death:
                self._turns.check()
                blamed = [death.name] if death.name else list(self._names)
                self.fallen.update(dict.fromkeys(blamed, death))
                self._names = [name for name in self._names if name not in blamed]
                self.close()
                self._worker = None

    def _loaded(self) -> _Worker:
        worker = self._turns.worker(self._format, self._names)
        try:
            answer = worker.load()
        except BaseException:
            worker.close()
            raise
        for name, engine in answer["loaded"].items():
            self._turns.accept(name, engine, in_turns=self._in_turns)
        for name, reason in answer["refused"].items():
            self._turns.refuse(name, reason)
            self._names.remove(name)
        self._worker = worker
        return worker


class _Worker:
    """A process of :mod:`hawklet_hardware.latency.worker`."""

    def __init__(self, folder: Path, request: Request, model_format: str, names: Sequence[str]) -> None:
        self._format = model_format
        self._names = tuple(names)
        self._in_hand = folder / f"{model_format}.in-hand"
        self._words = folder / f"{model_format}.stderr"
        self._hung = False
        self._in_hand.write_bytes(b"")
        self._asked = {
            "format": model_format,
            "files": {name: request.candidates[name][1] for name in names},
            "picture": request.picture,
            "shape": list(request.shape),
            "threads": request.threads,
            "in_hand": str(self._in_hand),
        }
        with self._words.open("wb") as stderr:
            self.process = subprocess.Popen(
                _WORKER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=private_environment(folder),
            )

    def load(self) -> dict[str, Any]:
        """Which candidates the engine takes."""
        answer: dict[str, Any] = self._ask(self._asked, _LOAD_LIMIT_S * len(self._names))
        return answer

    def round(self, names: Sequence[str]) -> dict[str, tuple[float, float]]:
        """CPU and wall milliseconds of one inference of each."""
        times: dict[str, tuple[float, float]] = self._ask(list(names), _ROUND_LIMIT_S * len(names)) if names else {}
        return times

    def close(self) -> None:
        """End it: it ends by itself when its input closes, and is killed if it does not."""
        with contextlib.suppress(OSError):  # it is dead, with something unsent
            if self.process.stdin is not None:
                self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _ask(self, request: Any, limit_s: float) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None  # noqa: S101 -- narrows the types
        watchdog = threading.Timer(limit_s, self._kill)
        watchdog.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it is dead, as the missing answer will tell
                self.process.stdin.write(json.dumps(request) + "\n")
                self.process.stdin.flush()
            line = self.process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line.endswith("\n"):
            raise self._death(limit_s)
        return json.loads(line)

    def _kill(self) -> None:
        self._hung = True
        self.process.kill()

    def _death(self, limit_s: float) -> _Died:
        status = self.process.wait()
        name = self._in_hand.read_bytes().decode("utf-8", "replace")
        if self._hung:
            return _Died(name, f"it did not end within {limit_s:g} s there", hung=True)
        return _Died(name, how_it_ended(status, self._words.read_text("utf-8", "replace")), hung=False)


def private_environment(folder: Path) -> dict[str, str]:
    """Our environment variables for a process that imports an engine.

    onnxruntime and CUDA leave files in temporary, cache and home folders: here these go with ``folder``. Packages that
    were installed for this user alone are still found.
    """
    private = dict.fromkeys(("TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(folder))
    return {**os.environ, "PYTHONUSERBASE": site.getuserbase(), **private}


def how_it_ended(status: int, stderr: str) -> str:
    """How a process ended before its time, with its last words.

    Args:
        status: Its exit status; negative for a signal.
        stderr: What it said.
    """
    words = stderr.strip().rpartition("\n")[2][:300]
    return f"it {_how(status)}" + (f": {words}" if words else "")


def _how(status: int) -> str:
    if status >= 0:
        return f"ended the interpreter there with status {status}"
    name = next((known.name for known in signal.Signals if known == -status), f"signal {-status}")
    if -status == signal.SIGKILL:
        return f"was killed there ({name}), as the kernel does when memory runs out"
    return f"crashes the interpreter there ({name})"
