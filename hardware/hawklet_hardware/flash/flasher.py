"""The workstation's half of a flash: the steps, in order, over one connection.

Nothing before the last step touches what runs on the board; the last step is one process there that switches, checks
and goes back by itself (:mod:`hawklet_hardware.flash.onboard`). So a connection that is cut at any moment leaves the
previous release current, or the new one proved.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hawklet.bundle import Bundle, Manifest, Variant
from hawklet.errors import FlashError, SelfTestError, UsageError
from hawklet.safefiles import sha256_of
from hawklet_hardware.boards import BoardProfile, profile_of
from hawklet_hardware.flash.environment import Environment, check_room, choose_environment, ensure_environment
from hawklet_hardware.flash.lock import flash_lock
from hawklet_hardware.flash.onboard import read_report
from hawklet_hardware.flash.options import EnvironmentOptions, FlashOptions, RunOptions, ServiceChoice
from hawklet_hardware.flash.probe import BoardState, probe
from hawklet_hardware.flash.releases import Release, variant_of
from hawklet_hardware.flash.steps import Steps
from hawklet_hardware.flash.wheel import find_wheel
from hawklet_hardware.service import UNIT
from hawklet_hardware.ssh import Connection, Login, Target

_MARGIN_BYTES = 50 << 20
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
    environment: Environment
    scope: str | None
    """Of the unit to install."""

    @property
    def board(self) -> str:
        """The board as people say it, with its system."""
        return self.state.described(self.profile)

    @property
    def is_current(self) -> bool:
        return self.state.current == self.release.id and self.state.release(self.release.id) == self.release

    def at(self, *parts: str) -> str:
        """A path under the prefix on the board."""
        return "/".join([self.state.prefix, *parts])


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
            stack.enter_context(flash_lock(connection, plan.environment.base_python, plan.state))
            # Once more: another flash may have ended between the first look and the lock.
            plan = replace(plan, state=probe(connection, options.prefix))
            return _carry_out(connection, plan, options, steps)


def _make_plan(
    connection: Connection, bundle: Path, manifest: Manifest, wheel: Path | None, options: FlashOptions
) -> _Plan:
    """Look at the board and decide; changes nothing there.

    Raises:
        FlashError: the board cannot take it: no Python, no space, no permission, no engine for its processor.
    """
    state = probe(connection, options.prefix)
    profile = profile_of(state.model, state.machine)
    run = ("--source", options.run.source or _usual_camera(profile), *options.run.arguments)
    extras = _extras(manifest, options.environment, profile, run)
    environment = choose_environment(connection, state, options.environment, wheel, extras)
    release = Release.make(
        model=manifest.name,
        bundle_sha256=sha256_of(bundle),
        hawklet_version=environment.version,
        python=environment.python,
        env=environment.key,
        run=run,
    )
    check_room(state, _MARGIN_BYTES + 2 * bundle.stat().st_size + environment.bytes_needed(state))
    return _Plan(bundle, manifest, state, profile, release, environment, _scope(options.run, state))


def _carry_out(connection: Connection, plan: _Plan, options: FlashOptions, steps: Steps) -> FlashReport:
    ensure_environment(connection, plan.environment, plan.state, steps)
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
    environment = plan.environment
    if environment.is_missing(plan.state):
        where = "from the wheels shipped along" if environment.wheelhouse else "from the board's package index"
        made_with = f"{environment.base_python}: hawklet[{environment.extras}]"
        say(f"  make {environment.folder} with {made_with}, {where}")
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
