"""hawklet on a board: the environment it is installed in there, or an interpreter that has it already."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hawklet import __version__
from hawklet.errors import FlashError
from hawklet.safefiles import sha256_of
from hawklet_hardware.flash.options import EnvironmentOptions
from hawklet_hardware.flash.probe import BoardState
from hawklet_hardware.flash.steps import Steps
from hawklet_hardware.flash.wheel import wheel_version
from hawklet_hardware.ssh import Connection

_ENVIRONMENT_BYTES = 450 << 20
"""Disk that a new environment may take while pip builds it."""
_INSTALL_SILENCE_S = 1800.0
"""Unpacking a large wheel on a Pi Zero's card is silent for minutes."""


@dataclass(frozen=True)
class Environment:
    """What runs hawklet on a board."""

    prefix: str
    """hawklet's folder there, absolute."""
    key: str | None
    """Its name under ``envs``; None = an interpreter that was there before, and is used as it is."""
    base_python: str
    """What the environment is made of; without one, the interpreter itself."""
    version: str
    """Of the hawklet in it."""
    extras: str
    """As ``tflite`` or ``onnx,camera``; of no use with an interpreter that is there."""
    wheel: Path | None = None
    wheelhouse: tuple[Path, ...] = ()

    @property
    def folder(self) -> str:
        """Where it is, absolute."""
        return f"{self.prefix}/envs/{self.key}"

    @property
    def python(self) -> str:
        """Absolute path of the interpreter that runs hawklet."""
        return self.base_python if self.key is None else f"{self.folder}/bin/python"

    def is_missing(self, state: BoardState) -> bool:
        """Whether it has yet to be made."""
        return self.key is not None and self.key not in state.environments

    def bytes_needed(self, state: BoardState) -> int:
        """Disk on the board to make it with; 0 where it is there."""
        shipped = (self.wheel, *self.wheelhouse) if self.wheel else ()
        return self.is_missing(state) * (_ENVIRONMENT_BYTES + 2 * sum(file.stat().st_size for file in shipped))


def choose_environment(
    connection: Connection, state: BoardState, options: EnvironmentOptions, wheel: Path | None, extras: str
) -> Environment:
    """The environment that the options ask for on this board; nothing is changed there.

    Args:
        connection: The open connection.
        state: What is on the board.
        options: What is wanted.
        wheel: hawklet to ship; None where ``options.python`` names an interpreter.
        extras: What of hawklet the board needs, as ``tflite,camera``.

    Raises:
        FlashError: no Python there is new enough, or the engines have no wheels for its processor.
    """
    if options.python:
        version = check_interpreter(connection, options.python)
        return Environment(state.prefix, None, options.python, version, extras)
    assert wheel is not None, "made by the caller"  # noqa: S101 -- narrows the type
    _check_processor(state)
    base_python, python_version = state.python
    key = _key(wheel, extras, base_python, python_version)
    wheelhouse = tuple(sorted(options.wheelhouse.glob("*.whl"))) if options.wheelhouse else ()
    return Environment(state.prefix, key, base_python, wheel_version(wheel), extras, wheel, wheelhouse)


def ensure_environment(connection: Connection, environment: Environment, state: BoardState, steps: Steps) -> None:
    """Make the environment where it is missing, and anew where it is damaged.

    Raises:
        FlashError: it cannot be made; what else is on the board is as it was.
    """
    if environment.is_missing(state):
        _make(connection, environment, steps)
    elif environment.key is not None and not _works(connection, environment.python):
        steps.say("          note: the environment there is damaged and is made anew")
        _make(connection, environment, steps)


def check_interpreter(connection: Connection, python: str) -> str:
    """The version of the hawklet that an interpreter on the board has: the same as this one.

    Raises:
        FlashError: it is no such interpreter, or has another version.
    """
    # Nothing heavy is imported for this; whether there is an engine comes out when a model runs.
    code = (
        "import hawklet, importlib.util as u; "
        "print(hawklet.__version__ if u.find_spec('hawklet_hardware.flash.onboard') else 'without flash')"
    )
    result = connection.run([python, "-c", code])
    if result.exit_status:
        raise FlashError(
            f"--python must be an interpreter on the board that has hawklet, {python} says: {result.last_words}"
        )
    version = result.stdout.split()[-1]
    if version != __version__:
        raise FlashError(
            f"--python must have the same hawklet as this machine, {python} has {version}, here is {__version__}; "
            f"there: {python} -m pip install 'hawklet[tflite]=={__version__}'"
        )
    return version


def check_room(state: BoardState, bytes_needed: int) -> None:
    """Refuse a board whose folder cannot be written or has no room.

    Raises:
        FlashError: as said.
    """
    if not state.writable:
        raise FlashError(f"{state.user} may not write {state.prefix} on the board; name another folder with --prefix")
    if state.free_bytes < bytes_needed:
        raise FlashError(
            f"{bytes_needed / 1e6:.0f} MB must be free under {state.prefix} on the board, "
            f"{state.free_bytes / 1e6:.0f} MB are; clear some space, or name another folder with --prefix"
        )


def _check_processor(state: BoardState) -> None:
    if state.machine not in ("aarch64", "arm64", "x86_64"):
        raise FlashError(
            f"the engines have wheels for 64-bit systems, this board runs a {state.machine} one; install the 64-bit "
            "image, or name an interpreter that has hawklet and an engine with --python"
        )


def _key(wheel: Path, extras: str, python: str, version: tuple[int, ...]) -> str:
    made_of = json.dumps([sha256_of(wheel), extras, python, list(version)])
    return hashlib.sha256(made_of.encode()).hexdigest()[:12]


def _works(connection: Connection, python: str) -> bool:
    return connection.run([python, "-c", "import hawklet_hardware.flash.onboard"]).exit_status == 0


def _make(connection: Connection, environment: Environment, steps: Steps) -> None:
    assert environment.wheel is not None, "it has a key"  # noqa: S101 -- narrows the type
    incoming = f"{environment.prefix}/incoming/{environment.key}"
    try:
        with steps.step(f"hawklet {environment.version} sent"):
            _send_file(connection, environment.wheel, f"{incoming}/{environment.wheel.name}")
        for file in environment.wheelhouse:
            with steps.step(f"{file.name} sent"):
                _send_file(connection, file, f"{incoming}/wheelhouse/{file.name}")
        with steps.step(f"environment made with {environment.base_python}"):
            _make_venv(connection, environment.base_python, environment.folder)
        with steps.step(f"hawklet[{environment.extras}] installed on the board"):
            _install(connection, environment, incoming, steps.say)
    finally:
        with contextlib.suppress(FlashError):  # the connection is lost; a flash clears away what lies there
            folder = shlex.quote(f"{environment.prefix}/incoming")
            connection.run(f"rm -rf {shlex.quote(incoming)} && rmdir --ignore-fail-on-non-empty {folder}")


def _make_venv(connection: Connection, python: str, folder: str) -> None:
    # System packages stay in sight: picamera2 comes from apt and works with apt's numpy, which pip leaves alone.
    words = shlex.join([python, "-m", "venv", "--system-site-packages", folder])
    result = connection.run(f"rm -rf {shlex.quote(folder)} && {words} 2>&1", silence_s=_INSTALL_SILENCE_S)
    if result.exit_status:
        if "ensurepip" in result.stdout:
            raise FlashError("the board's Python cannot make environments; there, once: sudo apt install python3-venv")
        raise FlashError(f"an environment cannot be made on the board: {result.last_words}")


def _install(connection: Connection, environment: Environment, incoming: str, say: Callable[[str], None]) -> None:
    def follow(line: str) -> None:
        if line.startswith(("Collecting ", "Downloading ", "Installing ", "Processing ")):
            say(f"          {line[:100]}")

    assert environment.wheel is not None, "it has a key"  # noqa: S101 -- narrows the type
    folder, what = environment.folder, f"{incoming}/{environment.wheel.name}[{environment.extras}]"
    pip = [environment.python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    if environment.wheelhouse:
        pip += ["--no-index", "--find-links", f"{incoming}/wheelhouse"]
    script = (
        f"{shlex.join([*pip, what])} 2>&1 && sync -f {shlex.quote(folder)} && touch {shlex.quote(folder + '/ready')}"
    )
    result = connection.run(script, on_line=follow, silence_s=_INSTALL_SILENCE_S)
    if result.exit_status:
        errors = [line for line in result.stdout.splitlines() if line.startswith("ERROR:")]
        raise FlashError(
            f"hawklet cannot be installed on the board: {errors[0] if errors else result.last_words}; without internet "
            "there, ship the wheels with --wheelhouse DIR"
        )


def _send_file(connection: Connection, file: Path, path: str) -> None:
    with file.open("rb") as stream:
        connection.upload(stream, path, sha256_of(file))
