"""Pictures a second of fine-tuning: both loops run for real, in processes that take turns, one epoch a turn.

An epoch is timed from its start until its last step is done, with all that comes between: reading and augmenting the
pictures, starting the reference's workers, the optimizer, the running average. Judging is not.

An empty line on a contestant's input asks for its next turn; a line on its output says what it took.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hawklet.errors import HawkletError
from hawklet.safefiles import write_json
from hawklet_benchmarks.interleave import take_turns
from training_clock import Spent, spent_until_now
from training_process import command_of, environment
from training_task import Epochs

_TURN = "turn "


@dataclass(frozen=True)
class Turns:
    """What epochs took."""

    pictures: int
    """In each."""
    wall: Mapping[str, Sequence[float]]
    """By contestant, seconds of each turn."""
    cpu: Mapping[str, Sequence[float]]


def turns_of(contestants: Mapping[str, tuple[str, Epochs]], rounds: int, kept: Path) -> Turns:
    """Let contestants take turns, or read what was kept of it; each has one that is not counted first.

    Args:
        contestants: By name: a script of this folder, and what it is to do.
        rounds: How many turns each has.
        kept: JSON file.

    Raises:
        HawkletError: one of them failed, or they do not see as many pictures.
    """
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        print(f"  {kept.stem} ...", file=sys.stderr, flush=True)
        write_json(kept, _take_turns(contestants, rounds))
    return Turns(**json.loads(kept.read_text(encoding="utf-8")))


def _take_turns(contestants: Mapping[str, tuple[str, Epochs]], rounds: int) -> Mapping[str, object]:
    with ExitStack() as stack:
        cache = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hawklet-")))
        running = {}
        for name, told in contestants.items():
            running[name] = stack.enter_context(_Running(*told, cache))
            running[name].turn()  # before another starts: what it tries for speed is not to be disturbed
        wall = take_turns({name: _wall_of(contestant) for name, contestant in running.items()}, rounds)
        cpu = {name: [spent.cpu for spent in contestant.spent[1:]] for name, contestant in running.items()}
        pictures = {contestant.pictures for contestant in running.values()}
    if len(pictures) != 1:
        raise HawkletError(f"contestants must see as many pictures an epoch, got {sorted(pictures)}")
    return {"pictures": pictures.pop(), "wall": wall, "cpu": cpu}


def _wall_of(contestant: _Running) -> Callable[[], float]:
    return lambda: contestant.turn().wall


class _Running:
    """A contestant's process, seen from outside."""

    def __init__(self, script: str, task: Epochs, cache: Path) -> None:
        self._script, self._task, self._cache = script, task, cache
        self.spent: list[Spent] = []
        self.pictures = 0

    def __enter__(self) -> _Running:
        command, pipe = command_of(self._script, self._task), subprocess.PIPE
        surroundings = environment(self._task, self._cache)
        self._process = subprocess.Popen(command, env=surroundings, stdin=pipe, stdout=pipe, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()  # the end of its input ends it

    def turn(self) -> Spent:
        """Have it train for an epoch while the others wait."""
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101 -- narrows the type
        print(file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith(_TURN):
                said = json.loads(line.removeprefix(_TURN))
                self.pictures = said["pictures"]
                self.spent.append(Spent(said["wall"], said["cpu"]))
                return self.spent[-1]
        raise HawkletError(f"{self._task.model} by {self._task.who} must train until it is told to end; see above")


class Baton:
    """Whose turn it is, seen from a contestant's process."""

    def begin(self) -> None:
        """Wait for the next turn and start the clock; when there is none, the process ends."""
        if not sys.stdin.readline():
            raise SystemExit
        self._begun = self._last = spent_until_now()
        self._pictures = 0

    def passed(self, pictures: int) -> None:
        """A step is done, of so many pictures."""
        self._pictures += pictures
        self._last = spent_until_now()

    def give(self) -> None:
        """The turn is over; it ended with its last step."""
        spent = self._last.since(self._begun)
        print(_TURN + json.dumps({"pictures": self._pictures, **spent._asdict()}), flush=True)
