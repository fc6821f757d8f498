"""The workstation's half of a measurement on a board: over one verified SSH connection, leaving nothing behind.

What stays on the board is the environment, where there was none that could be used; the next measurement, or a flash
that needs the same one, takes it.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hawklet import __version__
from hawklet.errors import FlashError
from hawklet.spec import ModelFormat, Pixels
from hawklet_hardware.boards import BoardProfile, profile_of
from hawklet_hardware.flash.beats import BEATS_MISSED_S
from hawklet_hardware.flash.companion import Companion
from hawklet_hardware.flash.environment import check_interpreter, check_room, choose_environment, ensure_environment
from hawklet_hardware.flash.lock import flash_lock
from hawklet_hardware.flash.options import DEFAULT_PREFIX, EnvironmentOptions, checked_prefix
from hawklet_hardware.flash.probe import BoardState, probe
from hawklet_hardware.flash.steps import Steps
from hawklet_hardware.flash.wheel import find_wheel
from hawklet_hardware.latency.onboard import MARK, PROTOCOL
from hawklet_hardware.latency.results import (
    Candidates,
    Measurement,
    check_request,
    contents_by_digest,
    measurement_from,
)
from hawklet_hardware.ssh import Connection, Login, Target

_MODULE = "hawklet_hardware.latency.onboard"
_MARGIN_BYTES = 20 << 20
_SILENCE_S = 1800.0
"""TensorRT builds an engine of each candidate before the first word of a round."""


@dataclass(frozen=True)
class BoardAccess:
    """How to get onto a board, and what of hawklet to use there."""

    login: Login = field(default_factory=Login)
    environment: EnvironmentOptions = field(default_factory=EnvironmentOptions)
    """``engine`` is of no concern here: the candidates say which they need."""
    prefix: str = DEFAULT_PREFIX
    """hawklet's folder on the board; relative to the home folder, or absolute."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", checked_prefix(self.prefix))


@dataclass(frozen=True)
class MeasuringBoard:
    """A board that is ready to measure, with nobody else at work there; :func:`board_at` makes one."""

    name: str
    """As people say it, with its system."""
    profile: BoardProfile | None
    """None: it is of no known kind."""
    python: str
    """Absolute path of the interpreter that measures there."""
    services: tuple[str, ...]
    """Scopes whose hawklet.service is active and competes for the processor."""
    connection: Connection
    steps: Steps

    def measure(
        self, candidates: Candidates, picture: Pixels, *, threads: int | None = None, rounds: int = 30
    ) -> Measurement:
        """Measure candidates, all in turns.

        Args:
            candidates: Name -> format and bytes of the model file.
            picture: ``uint8 [H, W, C]``, prepared: what the models take.
            threads: CPU threads; None = what the board's profile says, and no more than it has cores.
            rounds: How often each is measured.

        Returns:
            Times of every candidate that runs there, why the others do not, and the conditions.

        Raises:
            UsageError: the request cannot be meant.
            FlashError: the board has no room, or was lost; nothing of the candidates remains there.
        """
        check_request(candidates, picture, 1 if threads is None else threads, rounds)
        command = [self.python, "-m", _MODULE, "serve", str(BEATS_MISSED_S)]
        with Companion(self.connection, command, MARK, _SILENCE_S) as half:
            place = _answer(half, self.connection)
            if threads is None:
                threads = min(place["threads"], self.profile.threads if self.profile else place["threads"])
            with self.steps.step(f"{_many(len(candidates), 'candidate')} sent"):
                request = _send(self.connection, place, candidates, picture)
            with self.steps.step(f"measured in {rounds} rounds with {_many(threads, 'thread')}"):
                half.tell(json.dumps({**request, "threads": threads, "rounds": rounds}).encode())
                report = _follow(half, self.connection, self.steps.say)
            half.finish()
        profile = self.profile.id if self.profile else None
        return measurement_from(report, board=self.name, profile=profile, threads=threads, services=self.services)


@contextlib.contextmanager
def board_at(
    host: str,
    formats: Iterable[ModelFormat],
    *,
    access: BoardAccess | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[MeasuringBoard]:
    """A board that can measure models of these formats, for as long as the block runs.

    A search opens it before its work: whatever is wrong with the board comes out then, and a password is asked for
    once. No flash gets in between.

    Args:
        host: ``[user@]host[:port]``.
        formats: What the candidates will be.
        access: How to get there.
        say: Takes progress, a line at a time.

    Raises:
        UsageError: the host or an option cannot be meant.
        HostKeyError: the board's host key is not the one on record; nothing was sent.
        FlashError: it cannot be reached, or cannot be made ready; what ran there still runs.
    """
    target, access, steps, wanted = Target.parse(host), access or BoardAccess(), Steps(say), list(formats)
    with contextlib.ExitStack() as stack:
        with steps.step(f"connected to {target}"):
            connection = stack.enter_context(Connection(target, access.login))
        if connection.stored_host_key:
            say(f"          the host key was new and is now on record: {connection.stored_host_key}")
        with steps.step("looked at the board"):
            state = probe(connection, access.prefix)
            python = _usable(connection, state, access.environment, wanted)
        stack.enter_context(flash_lock(connection, python or state.python[0], state))
        if python is None:
            python = _make_environment(connection, state, access.environment, wanted, steps)
        profile = profile_of(state.model, state.machine)
        name = state.described(profile)
        say(f"          {name}, {python}")
        yield MeasuringBoard(name, profile, python, state.service_scopes, connection, steps)


def _usable(
    connection: Connection, state: BoardState, options: EnvironmentOptions, formats: Sequence[ModelFormat]
) -> str | None:
    """An interpreter on the board that can measure these formats; None = there is none yet."""
    if options.python:
        check_interpreter(connection, options.python)
        _require_engines(connection, options.python, formats)
        return options.python
    releases = sorted(state.releases, key=lambda release: release.id != state.current)
    environments = [f"{state.prefix}/envs/{key}/bin/python" for key in state.environments]
    known = dict.fromkeys([*(release.python for release in releases), *environments])
    return next((python for python in known if _can_measure(connection, python, formats)), None)


def _look(connection: Connection, python: str, formats: Sequence[ModelFormat]) -> dict[str, str]:
    """What stands in the way of measuring there: format -> why it has no engine; empty = nothing.

    Raises:
        FlashError: it cannot measure at all: its hawklet is another one, or it has none.
    """
    names = [model_format.value for model_format in dict.fromkeys(formats)]
    result = connection.run([python, "-m", _MODULE, "look", *names], silence_s=_SILENCE_S)
    lines = [line.removeprefix(MARK) for line in result.stdout.splitlines() if line.startswith(MARK)]
    found = json.loads(lines[-1]) if lines else {}
    if "error" in found:
        raise FlashError(found["error"])
    if (found.get("version"), found.get("protocol")) != (__version__, PROTOCOL):
        words = "its hawklet is another one" if found else result.last_words
        raise FlashError(f"hawklet on the board must be able to measure, but {python} says: {words}")
    lacking: dict[str, str] = found["lacking"]
    return lacking


def _can_measure(connection: Connection, python: str, formats: Sequence[ModelFormat]) -> bool:
    try:
        return not _look(connection, python, formats)
    except FlashError:
        return False  # a connection that is lost is told by whoever uses it next


def _require_engines(connection: Connection, python: str, formats: Sequence[ModelFormat]) -> None:
    lacking = _look(connection, python, formats)
    if lacking:
        raise FlashError(
            f"the board needs an engine for .{' and .'.join(lacking)} candidates, and {python} has none that works "
            f"({'; '.join(lacking.values())}); there: {python} -m pip install "
            f"'hawklet[{','.join(lacking)}]=={__version__}'"
        )


def _make_environment(
    connection: Connection, state: BoardState, options: EnvironmentOptions, formats: Sequence[ModelFormat], steps: Steps
) -> str:
    extras = ",".join(model_format.value for model_format in ModelFormat if model_format in formats)
    with tempfile.TemporaryDirectory(prefix="hawklet-") as scratch:
        wheel = find_wheel(options.wheel, Path(scratch))
        environment = choose_environment(connection, state, options, wheel, extras)
        check_room(state, environment.bytes_needed(state))
        ensure_environment(connection, environment, state, steps)
    _require_engines(connection, environment.python, formats)
    return environment.python


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _send(connection: Connection, place: dict[str, Any], candidates: Candidates, picture: Pixels) -> dict[str, Any]:
    """Bring the files into the board's folder; each is checked there against its digest."""
    folder = str(place["folder"])
    contents, files, of_picture = contents_by_digest(candidates, picture)
    needed = _MARGIN_BYTES + sum(map(len, contents.values()))
    if place["free_bytes"] < needed:
        raise FlashError(
            f"{needed / 1e6:.0f} MB must be free for the candidates where {folder} is on the board, "
            f"{place['free_bytes'] / 1e6:.0f} MB are; clear some space, or measure fewer at a time"
        )
    for digest, content in contents.items():
        connection.upload(content, f"{folder}/{digest}", digest)
    placed = {name: (model_format, f"{folder}/{digest}") for name, (model_format, digest) in files.items()}
    return {"candidates": placed, "picture": f"{folder}/{of_picture}", "shape": list(picture.shape)}


def _follow(half: Companion, connection: Connection, say: Callable[[str], None]) -> dict[str, Any]:
    """The report, at the end of the rounds."""
    while True:
        answer = _answer(half, connection)
        if "report" in answer:
            report: dict[str, Any] = answer["report"]
            return report
        say(f"          round {answer['done']} of {answer['rounds']}")


def _answer(half: Companion, connection: Connection) -> dict[str, Any]:
    words = half.next_words()
    if not words:
        status = half.finish()
        raise FlashError(f"the board's half of the measurement died with status {status}: {half.last_words()}")
    answer: dict[str, Any] = json.loads(words)
    if "error" in answer:
        raise FlashError(f"{answer['error']} -- nothing was measured on {connection.target}")
    return answer
