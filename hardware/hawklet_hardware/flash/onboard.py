"""The board's half of a flash: ``python -m hawklet_hardware.flash.onboard``, with a request as JSON on standard input.

Requests (``do``): ``add`` unpacks an uploaded bundle, ``check`` replays the golden frames, ``discard`` clears away what
failed that, ``activate`` switches ``current``, checks again through the link, starts the service and watches it, and
goes back by itself when any of that fails. The last line on standard output is :data:`MARK` and a report as JSON; the
exit status is 0 when the report's ``ok`` is true.

``activate`` is one process that no longer needs the connection: cut off in the middle, it still ends either way.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawklet.bundle import Bundle
from hawklet.errors import FlashError, HawkletError, SelfTestError
from hawklet_hardware.flash.releases import Release, Store
from hawklet_hardware.service import Scope, Service, unit_text

if TYPE_CHECKING:
    from hawklet.golden import GoldenReport

MARK = "hawklet-report:"
_CHECK_TIMEOUT_S = 600.0


def main() -> None:
    """Read one request, do it, report."""
    request = json.load(sys.stdin)
    os.umask(0o077)  # arguments of `hawklet run` may hold a camera's or a broker's password
    try:
        report = {"ok": True, **_DO[request["do"]](request)}
    except HawkletError as error:
        report = {"ok": False, "error": str(error), "kind": type(error).__name__, **getattr(error, "report", {})}
    except OSError as error:
        report = {"ok": False, "error": f"{error.strerror}: {error.filename}", "kind": "OSError"}
    with contextlib.suppress(BrokenPipeError):  # the connection is gone; what was to be done is done
        print(MARK + json.dumps(report), flush=True)
    # Skips the interpreter's flush of a pipe that may be closed, and engines' slow tear-down.
    os._exit(0 if report["ok"] else 1)


def add(request: dict[str, Any]) -> dict[str, Any]:
    """Unpack ``bundle`` as ``release`` under ``prefix``; every file is checked against its digest."""
    folder = Store(Path(request["prefix"])).add(Release.from_dict(request["release"]), Path(request["bundle"]))
    return {"folder": str(folder)}


def check(request: dict[str, Any]) -> dict[str, Any]:
    """Replay the golden frames of the unpacked bundle at ``folder`` with every engine that is here.

    The variant that would run (``variant``, or the first) must come out as recorded; another one that does not is
    reported only.

    Raises:
        SelfTestError: the variant that would run comes out differently.
        FlashError: no engine is here for it.
    """
    from hawklet.engines import is_available
    from hawklet.golden import replay, require

    bundle = Bundle.open(request["folder"])
    here = [variant.name for variant in bundle.manifest.variants if is_available(variant.format)]
    wanted = request["variant"]
    if not here or (wanted is not None and wanted not in here):
        names = wanted or f"one of {', '.join(v.name for v in bundle.manifest.variants)}"
        raise FlashError(f"a board must have an engine for {names}, this interpreter has none; name one with --engine")
    runs = wanted or here[0]
    reports = [replay(bundle, name) for name in (runs, *(name for name in here if name != runs))]
    rows = [_row(report) for report in reports]
    try:
        require(reports[0])
    except SelfTestError as error:
        raise _with_report(error, {"golden": rows}) from error
    return {"golden": rows}


def _row(report: GoldenReport) -> dict[str, Any]:
    return {
        "variant": report.variant,
        "frames": report.frames,
        "largest_difference": report.largest_difference,
        "tolerance": report.tolerance,
        "top1_changed": report.top1_changed,
        "runtime": report.runtime,
        "passed": report.passed,
    }


def discard(request: dict[str, Any]) -> dict[str, Any]:
    """Delete ``release`` under ``prefix``, unless it was good once."""
    Store(Path(request["prefix"])).discard(str(request["release"]))
    return {}


def activate(request: dict[str, Any]) -> dict[str, Any]:
    """Make ``release`` current under ``prefix`` and prove it, or put everything back as it was.

    ``service`` is None or ``user``/``system`` with ``user`` the account a system unit runs as; ``watch_s`` is how long
    the service must stay up; ``keep`` is how many releases stay; ``newest`` tells a flash from a rollback. Put back are
    ``current`` and the unit: its text, and whether it was enabled and running.

    Raises:
        FlashError: the check failed; ``current`` is what it was, and ``rolled_back_to`` is in the report.
    """
    _outlive_the_connection()
    store = Store(Path(request["prefix"]))
    release_id = str(request["release"])
    release = store.read(release_id)
    with _alone(store.prefix):
        before = store.current()
        service = Service(Scope(request["service"])) if request["service"] else None
        unit_before = service.snapshot() if service else None
        try:
            warning = _try(store, release, service, request)
        except BaseException as error:
            # Whatever it was, an interrupt too: the board must not stay half switched.
            store.switch(before)
            if service is not None and unit_before is not None:
                with contextlib.suppress(FlashError):  # the failure that led here is the one to be told
                    service.restore(unit_before)
            store.discard(release_id)
            if isinstance(error, (HawkletError, OSError)):
                raise _with_report(FlashError(str(error)), {"rolled_back_to": before}) from error
            raise
        if request["newest"]:
            store.remember(release_id, before)
        removed = store.prune(int(request["keep"])) if request["newest"] else []
    state = service.state().active if service else None
    return {"previous": before, "removed": removed, "service": state, "warning": warning}


def _try(store: Store, release: Release, service: Service | None, request: dict[str, Any]) -> str | None:
    (store.prefix / "data").mkdir(exist_ok=True)
    store.switch(release.id)
    _check_through_the_link(store, release.variant)
    if service is None:
        return None
    warning = service.install(unit_text(Scope(request["service"]), store.prefix, str(request["user"])))
    service.restart()
    service.watch(float(request["watch_s"]))
    return warning


def _check_through_the_link(store: Store, variant: str | None) -> None:
    # In a process of its own: an engine that kills its process must not kill the one that can go back.
    command = [sys.executable, "-m", "hawklet_hardware.flash.onboard"]
    request = json.dumps({"do": "check", "folder": str(store.link / "bundle"), "variant": variant})
    try:
        done = subprocess.run(
            command, input=request, capture_output=True, text=True, timeout=_CHECK_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise FlashError(f"the check through {store.link} did not end in {_CHECK_TIMEOUT_S:g} s") from error
    if done.returncode:
        report = read_report(done.stdout)
        raise FlashError(report["error"] if report else f"the check died with status {done.returncode}: {done.stderr}")


def read_report(stdout: str) -> dict[str, Any] | None:
    """The report among the lines that this module printed; None if it did not get so far."""
    lines = [line.removeprefix(MARK) for line in stdout.splitlines() if line.startswith(MARK)]
    report: dict[str, Any] | None = json.loads(lines[-1]) if lines else None
    return report


def _with_report(error: HawkletError, report: dict[str, Any]) -> HawkletError:
    error.report = report  # type: ignore[attr-defined] # travels to main(), which is the only one to read it
    return error


def _outlive_the_connection() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an exception, so that everything is put back
    with contextlib.suppress(PermissionError):  # already leads its session
        os.setsid()


@contextlib.contextmanager
def _alone(prefix: Path) -> Iterator[None]:
    """Two activations never overlap, even when the connection (and with it the flash lock) of one was cut."""
    descriptor = os.open(prefix / "activate.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


_DO = {"add": add, "check": check, "discard": discard, "activate": activate}

if __name__ == "__main__":
    main()
