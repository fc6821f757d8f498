"""The workstation's half of a flash: the steps, in order, over one connection.

Nothing before the last step touches what runs on the board; the last step is one process there that switches, checks
and goes back by itself (:mod:`hawklet_hardware.flash.onboard`). So a connection that is cut at any moment leaves the
previous release current, or the new one proved.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import shlex
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hawklet import __version__
from hawklet.bundle import Bundle, Manifest, Variant
from hawklet.errors import FlashError, SelfTestError, UsageError
from hawklet.safefiles import sha256_of
from hawklet_hardware.boards import BoardProfile, profile_of
from hawklet_hardware.flash.lock import FlashLock
from hawklet_hardware.flash.onboard import read_report
from hawklet_hardware.flash.options import EnvironmentOptions, FlashOptions, RunOptions, ServiceChoice
from hawklet_hardware.flash.probe import BoardState, probe
from hawklet_hardware.flash.releases import Release, variant_of
from hawklet_hardware.flash.wheel import find_wheel, wheel_version
from hawklet_hardware.service import UNIT
from hawklet_hardware.ssh import Connection, Login, Target

_ENVIRONMENT_BYTES = 450 << 20
"""Disk that a new environment may take while pip builds it."""
_MARGIN_BYTES = 50 << 20
_INSTALL_SILENCE_S = 1800.0
"""Unpacking a large wheel on a Pi Zero's card is silent for minutes."""
_CHECK_SILENCE_S = 900.0
# These come from the board's own packages (picamera2, GStreamer) or need nothing; other sources need the camera extra.
_NEEDS_NO_EXTRA = ("picamera2://", "csi://", "synthetic://")
_EXTRA_OF_OPTION = {"--web": "web", "--mqtt": "mqtt", "--gpio": "gpio"}


@dataclass(frozen=True)
class GoldenRow:
    """How one variant did on the golden frames on the board."""

    variant: str
    frames: int
    largest_difference: float
    """In units of the raw output."""
    tolerance: float
    top1_changed: int
    runtime: str
    passed: bool


@dataclass(frozen=True)
class FlashReport:
    """What a board runs after a flash."""

    release: Release
    board: str
    golden: tuple[GoldenRow, ...]
    """The variant that runs first."""
    service: str | None
    """Scope of the unit that was installed; None: none was."""
    start: str
    """The command on the board that runs the release by hand."""
    already_there: bool
    """Nothing had to be sent or switched."""
    removed: tuple[str, ...]
    """Releases that were cleared away."""


@dataclass(frozen=True)
class _Plan:
    """Everything that is decided before the board is touched."""

    bundle: Path
    manifest: Manifest
    state: BoardState
    profile: BoardProfile | None
    release: Release
    base_python: str
    """Runs the lock, and makes the environment."""
    extras: str
    """As ``tflite`` or ``onnx,camera``; of no use with an interpreter that is there."""
    wheel: Path | None
    """None: an interpreter that is there is used."""
    wheelhouse: tuple[Path, ...]
    scope: str | None
    """Of the unit to install."""
    bytes_needed: int

    @property
    def board(self) -> str:
        """The board as people say it, with its system."""
        name = self.state.model or (self.profile.name if self.profile else self.state.machine)
        return f"{name}, {self.state.os or 'Linux'}, {self.state.machine}"

    @property
    def needs_environment(self) -> bool:
        return self.release.env is not None and self.release.env not in self.state.environments

    @property
    def is_current(self) -> bool:
        return self.state.current == self.release.id and self.state.release(self.release.id) == self.release

    def at(self, *parts: str) -> str:
        """A path under the prefix on the board."""
        return "/".join([self.state.prefix, *parts])


class Steps:
    """Says each step with the time it took."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self._start = time.monotonic()

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """One step, said when it is done."""
        began = time.monotonic()
        yield
        now = time.monotonic()
        self.say(f"{now - self._start:6.1f} s  {what} ({now - began:.1f} s)")


def flash(
    bundle_path: Path, target: Target, login: Login, options: FlashOptions, say: Callable[[str], None]
) -> FlashReport | None:
    """Put a bundle on a board and prove it there.

    Args:
        bundle_path: ``NAME.hawklet``.
        target: Which board.
        login: How to log in.
        options: What is wanted of it.
        say: Takes progress, a line at a time.

    Returns:
        What the board runs now; None for a dry run, which only says the plan.

    Raises:
        BundleError: the bundle is damaged here; nothing was sent.
        HostKeyError: the board's host key is not the one on record; nothing was sent.
        SelfTestError: the golden frames come out differently on the board; it runs what it ran before.
        FlashError: a step failed; the board runs what it ran before.
    """
    steps = Steps(say)
    with steps.step(f"checked {bundle_path.name} here"):
        manifest = _checked_manifest(bundle_path)
    with tempfile.TemporaryDirectory(prefix="hawklet-") as scratch:
        wheel = None if options.environment.python else find_wheel(options.environment.wheel, Path(scratch))
        with contextlib.ExitStack() as stack:
            with steps.step(f"connected to {target}"):
                connection = stack.enter_context(Connection(target, login))
            if connection.stored_host_key:
                say(f"          the host key was new and is now on record: {connection.stored_host_key}")
            with steps.step("looked at the board"):
                plan = _make_plan(connection, bundle_path, manifest, wheel, options)
            say(f"          {plan.board}")
            if options.dry_run:
                _say_plan(plan, options, say)
                return None
            stack.enter_context(flash_lock(connection, plan.base_python, plan.state))
            # Once more: another flash may have ended between the first look and the lock.
            plan = replace(plan, state=probe(connection, options.prefix))
            return _carry_out(connection, plan, options, steps)


def flash_lock(connection: Connection, python: str, state: BoardState) -> FlashLock:
    """The lock that every change of a board is made under."""
    return FlashLock(connection, python, f"{state.prefix}/flash.lock", f"{getpass.getuser()} on {socket.gethostname()}")


def _make_plan(
    connection: Connection, bundle: Path, manifest: Manifest, wheel: Path | None, options: FlashOptions
) -> _Plan:
    """Look at the board and decide; changes nothing there.

    Raises:
        FlashError: the board cannot take it: no Python, no space, no permission, no engine for its processor.
    """
    state = probe(connection, options.prefix)
    profile = profile_of(state.model, state.machine)
    environment, wheelhouse = options.environment, _wheelhouse(options.environment)
    run = ("--source", options.run.source or _usual_camera(profile), *options.run.arguments)
    extras = _extras(manifest, environment, profile, run)
    if environment.python:
        base_python, version = environment.python, _check_interpreter(connection, environment.python)
        env, python, wheel_bytes = None, environment.python, 0
    else:
        assert wheel is not None, "made by the caller"  # noqa: S101 -- narrows the type
        _check_processor(state)
        base_python, python_version = state.python
        version, wheel_bytes = wheel_version(wheel), sum(file.stat().st_size for file in (wheel, *wheelhouse))
        env = _environment_key(wheel, extras, base_python, python_version)
        python = f"{state.prefix}/envs/{env}/bin/python"
    release = Release.make(
        model=manifest.name, bundle_sha256=sha256_of(bundle), hawklet_version=version, python=python, env=env, run=run
    )
    new_environment = env is not None and env not in state.environments
    needed = _MARGIN_BYTES + 2 * bundle.stat().st_size + new_environment * (_ENVIRONMENT_BYTES + 2 * wheel_bytes)
    scope = _scope(options.run, state)
    plan = _Plan(bundle, manifest, state, profile, release, base_python, extras, wheel, wheelhouse, scope, needed)
    _check_room(plan)
    return plan


def _carry_out(connection: Connection, plan: _Plan, options: FlashOptions, steps: Steps) -> FlashReport:
    if plan.needs_environment:
        _make_environment(connection, plan, steps)
    elif plan.release.env is not None and not _works(connection, plan.release.python):
        steps.say("          note: the environment there is damaged and is made anew")
        _make_environment(connection, plan, steps)
    if plan.is_current and (plan.scope is None or plan.state.runs(plan.scope, plan.release.id)):
        try:
            with steps.step("it is there already; golden frames replayed on the board"):
                golden = _check(connection, plan)
            _say_what_still_runs(plan, steps)
            return _report(plan, golden, already_there=True)
        except FlashError as error:
            steps.say(f"          note: what is there is damaged and is sent anew: {error}")
    with steps.step(f"bundle sent ({plan.bundle.stat().st_size / 1e6:.1f} MB) and unpacked"):
        _send_bundle(connection, plan)
    with steps.step("golden frames replayed on the board"):
        golden = _check(connection, plan)
    _require_camera(connection, plan)
    with steps.step("switched, " + ("service started and watched, " if plan.scope else "") + "checked again"):
        done = activate(connection, plan.release, plan.state, plan.scope, options.run.watch_s, options.keep)
    _say_what_still_runs(plan, steps)
    if done["warning"]:
        steps.say(f"          note: {done['warning']}")
    return _report(plan, golden, already_there=False, removed=tuple(done["removed"]))


def _works(connection: Connection, python: str) -> bool:
    return connection.run([python, "-c", "import hawklet_hardware.flash.onboard"]).exit_status == 0


def _say_what_still_runs(plan: _Plan, steps: Steps) -> None:
    stale = [scope for scope in plan.state.service_scopes if not plan.state.runs(scope, plan.release.id)]
    if plan.scope is None and stale:
        steps.say(f"          note: {UNIT} is active there and runs another release until it is restarted")


def activate(
    connection: Connection,
    release: Release,
    state: BoardState,
    scope: str | None,
    watch_s: float,
    keep: int,
    *,
    newest: bool = True,
) -> dict[str, Any]:
    """Make a release on the board current and prove it there.

    Raises:
        FlashError: it does not hold; the board went back by itself.
    """
    request = {
        "do": "activate",
        "prefix": state.prefix,
        "release": release.id,
        "service": scope,
        "user": state.user,
        "watch_s": watch_s,
        "keep": keep,
        "newest": newest,
    }
    report = _ask(connection, release.python, request, _CHECK_SILENCE_S + watch_s)
    if report["ok"]:
        return report
    if "rolled_back_to" not in report:
        raise FlashError(f"{report['error']} -- nothing was switched on {connection.target}")
    before = report["rolled_back_to"]
    now = f"{before} is current again" if before else "nothing is current, as before"
    raise FlashError(f"{report['error']} -- rolled back: {now} on {connection.target}")


def _checked_manifest(path: Path) -> Manifest:
    if path.is_dir():
        raise UsageError(f"a bundle file NAME.hawklet is flashed, got the folder {path}; `hawklet convert` writes one")
    bundle = Bundle.open(path)
    bundle.verify()
    bundle.golden()
    return bundle.manifest


def _wheelhouse(options: EnvironmentOptions) -> tuple[Path, ...]:
    return tuple(sorted(options.wheelhouse.glob("*.whl"))) if options.wheelhouse else ()


def _usual_camera(profile: BoardProfile | None) -> str:
    return profile.camera if profile else "/dev/video0"


def _extras(manifest: Manifest, options: EnvironmentOptions, profile: BoardProfile | None, run: Sequence[str]) -> str:
    """What of hawklet the board needs: an engine, and what the ``hawklet run`` there will ask for."""
    formats = list(dict.fromkeys(variant.format for variant in _may_run(manifest, run)))
    engine = options.engine
    if engine is None:
        engine = profile.engine if profile and profile.engine in formats else formats[0]
    if engine not in formats:
        raise UsageError(f"--engine must be of a model that may run ({', '.join(formats)}), got {engine.value}")
    extras = [engine.value]
    if not run[1].startswith(_NEEDS_NO_EXTRA):
        extras.append("camera")
    options_given = {word.partition("=")[0] for word in run[2:]}
    extras += [extra for option, extra in _EXTRA_OF_OPTION.items() if option in options_given]
    return ",".join(extras)


def _may_run(manifest: Manifest, run: Sequence[str]) -> list[Variant]:
    wanted = variant_of(run)
    found = [variant for variant in manifest.variants if wanted in (None, variant.name)]
    if not found:
        names = ", ".join(variant.name for variant in manifest.variants)
        raise UsageError(f"--variant in --run-args must be one of the bundle's {names}, got {wanted}")
    return found


def _check_interpreter(connection: Connection, python: str) -> str:
    # Nothing heavy is imported for this; whether there is an engine comes out when the golden frames are replayed.
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


def _check_processor(state: BoardState) -> None:
    if state.machine not in ("aarch64", "arm64", "x86_64"):
        raise FlashError(
            f"the engines have wheels for 64-bit systems, this board runs a {state.machine} one; install the 64-bit "
            "image, or name an interpreter that has hawklet and an engine with --python"
        )


def _environment_key(wheel: Path, extras: str, python: str, version: tuple[int, ...]) -> str:
    made_of = json.dumps([sha256_of(wheel), extras, python, list(version)])
    return hashlib.sha256(made_of.encode()).hexdigest()[:12]


def _scope(run: RunOptions, state: BoardState) -> str | None:
    choice = run.service
    if choice is ServiceChoice.AUTO:
        if state.service_scopes:
            return state.service_scopes[0]
        if not state.system_manager:
            return None
        choice = ServiceChoice.SYSTEM if state.uid == 0 else ServiceChoice.USER
    if choice is ServiceChoice.NONE:
        return None
    if not (state.user_manager if choice is ServiceChoice.USER else state.system_manager):
        raise FlashError(
            f"a {choice.value} service needs systemd to run for it, and on this board it does not; add --service none"
        )
    other = next((scope for scope in state.service_scopes if scope != choice.value), None)
    if other:
        raise FlashError(
            f"two services would fight for the camera, and a {other} service is active on the board; stop that one "
            f"there (systemctl {'--user ' * (other == 'user')}disable --now hawklet), or use --service {other}"
        )
    return str(choice.value)


def _check_room(plan: _Plan) -> None:
    state = plan.state
    if not state.writable:
        raise FlashError(f"{state.user} may not write {state.prefix} on the board; name another folder with --prefix")
    if state.free_bytes < plan.bytes_needed:
        raise FlashError(
            f"{plan.bytes_needed / 1e6:.0f} MB must be free under {state.prefix} on the board, "
            f"{state.free_bytes / 1e6:.0f} MB are; clear some space, or name another folder with --prefix"
        )


def _make_environment(connection: Connection, plan: _Plan, steps: Steps) -> None:
    env, wheel = plan.release.env, plan.wheel
    assert env is not None and wheel is not None, "needs_environment"  # noqa: S101 -- narrows the type
    incoming = plan.at("incoming", env)
    with steps.step(f"hawklet {plan.release.hawklet_version} sent"):
        _send_file(connection, wheel, f"{incoming}/{wheel.name}")
    for file in plan.wheelhouse:
        with steps.step(f"{file.name} sent"):
            _send_file(connection, file, f"{incoming}/wheelhouse/{file.name}")
    folder = plan.at("envs", env)
    with steps.step(f"environment made with {plan.base_python}"):
        _make_venv(connection, plan.base_python, folder)
    with steps.step(f"hawklet[{plan.extras}] installed on the board"):
        _install(connection, folder, f"{incoming}/{wheel.name}[{plan.extras}]", plan, steps.say)


def _make_venv(connection: Connection, python: str, folder: str) -> None:
    # System packages stay in sight: picamera2 comes from apt and works with apt's numpy, which pip leaves alone.
    words = shlex.join([python, "-m", "venv", "--system-site-packages", folder])
    result = connection.run(f"rm -rf {shlex.quote(folder)} && {words} 2>&1", silence_s=_INSTALL_SILENCE_S)
    if result.exit_status:
        if "ensurepip" in result.stdout:
            raise FlashError("the board's Python cannot make environments; there, once: sudo apt install python3-venv")
        raise FlashError(f"an environment cannot be made on the board: {result.last_words}")


def _install(connection: Connection, folder: str, what: str, plan: _Plan, say: Callable[[str], None]) -> None:
    def follow(line: str) -> None:
        if line.startswith(("Collecting ", "Downloading ", "Installing ", "Processing ")):
            say(f"          {line[:100]}")

    pip = [f"{folder}/bin/python", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    if plan.wheelhouse:
        wheels = what.rpartition("/")[0] + "/wheelhouse"
        pip += ["--no-index", "--find-links", wheels]
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


def _send_bundle(connection: Connection, plan: _Plan) -> None:
    uploaded = plan.at("incoming", f"{plan.release.bundle_sha256}.hawklet")
    with plan.bundle.open("rb") as stream:
        connection.upload(stream, uploaded, plan.release.bundle_sha256)
    request = {"do": "add", "prefix": plan.state.prefix, "release": plan.release.to_dict(), "bundle": uploaded}
    report = _ask(connection, plan.release.python, request)
    if not report["ok"]:
        raise FlashError(f"the bundle cannot be unpacked on the board: {report['error']}")


def _check(connection: Connection, plan: _Plan) -> tuple[GoldenRow, ...]:
    folder = plan.at("releases", plan.release.id, "bundle")
    report = _ask(connection, plan.release.python, {"do": "check", "folder": folder, "variant": plan.release.variant})
    if not report["ok"]:
        with contextlib.suppress(FlashError):  # why the check failed is the one thing to be told
            request = {"do": "discard", "prefix": plan.state.prefix, "release": plan.release.id}
            _ask(connection, plan.release.python, request)
        what = SelfTestError if report["kind"] == SelfTestError.__name__ else FlashError
        raise what(f"{report['error']} -- nothing was switched on {connection.target}")
    return tuple(GoldenRow(**row) for row in report["golden"])


def _require_camera(connection: Connection, plan: _Plan) -> None:
    source = plan.release.run[1]
    if plan.scope is None or not source.startswith("picamera2:"):
        return
    result = connection.run([plan.release.python, "-c", "import picamera2"])
    if result.exit_status:
        raise FlashError(
            f"--source {source} needs picamera2, and the board says: {result.last_words}; there, once: sudo apt "
            "install python3-picamera2, or name another --source"
        )


def _ask(
    connection: Connection, python: str, request: dict[str, Any], silence_s: float = _CHECK_SILENCE_S
) -> dict[str, Any]:
    """Have the board's half do something; its report, whether good or bad."""
    words = [python, "-m", "hawklet_hardware.flash.onboard"]
    result = connection.run(words, stdin=json.dumps(request).encode(), silence_s=silence_s)
    report = read_report(result.stdout)
    if report is None:
        raise FlashError(
            f"the board's half ({request['do']}) died with status {result.exit_status}: {result.last_words}"
        )
    return report


def _report(
    plan: _Plan, golden: Sequence[GoldenRow], *, already_there: bool, removed: tuple[str, ...] = ()
) -> FlashReport:
    start = shlex.join(["sh", plan.at("current", "start")])
    return FlashReport(plan.release, plan.board, tuple(golden), plan.scope, start, already_there, removed)


def _say_plan(plan: _Plan, options: FlashOptions, say: Callable[[str], None]) -> None:
    say("plan (nothing is changed):")
    if plan.needs_environment:
        where = "from the wheels shipped along" if plan.wheelhouse else "from the board's package index"
        say(f"  make {plan.at('envs', str(plan.release.env))} with {plan.base_python}: hawklet[{plan.extras}], {where}")
    else:
        say(f"  use {plan.release.python} as it is")
    say(f"  send {plan.bundle.name} and unpack it as {plan.at('releases', plan.release.id)}")
    say("  replay its golden frames there; stop if they differ")
    say(f"  switch {plan.at('current')} from {plan.state.current or 'nothing'} to {plan.release.id}")
    if plan.scope:
        say(f"  install {UNIT} ({plan.scope}), start it, watch it for {options.run.watch_s:g} s; go back if it ends")
    else:
        say("  install no service" + ("" if plan.state.system_manager else ": systemd does not run there"))
    say(f"  keep the newest {options.keep} releases")
