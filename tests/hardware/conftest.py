"""Fixtures for flashing: a real sshd on loopback, and a stand-in for systemd that starts real processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny_models
from hawklet import __version__
from hawklet.bundle import Bundle
from hawklet.safefiles import sha256_of
from hawklet_hardware.flash.flasher import FlashReport, flash
from hawklet_hardware.flash.options import EnvironmentOptions, FlashOptions, RunOptions, ServiceChoice
from hawklet_hardware.flash.releases import Release, Store
from loopback_sshd import Sshd, running_sshd

# What `systemctl` of a board does, as far as a flash uses it: it runs the unit's ExecStart for real, knows units only
# after daemon-reload, and tells the truth about the process.
_SYSTEMCTL = """#!{python}
import os, shlex, subprocess, sys
from pathlib import Path
state = Path({state!r})
words = [w for w in sys.argv[1:] if w != "--user"]
with (state / "calls").open("a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
if not (state / "booted").exists():
    print("offline")
    sys.exit(1)
unit = Path(os.environ["XDG_CONFIG_HOME"], "systemd/user/hawklet.service")
loaded, pid_file = state / "loaded", state / "pid"

def alive():
    try:
        stat = Path("/proc", pid_file.read_text(), "stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"

def stop():
    if alive():
        os.kill(int(pid_file.read_text()), 15)

if words[0] == "is-system-running":
    print("running")
elif words[0] == "daemon-reload":
    loaded.write_text(unit.read_text())
elif words[0] == "restart":
    if not loaded.exists():
        sys.exit("Unit hawklet.service not found.")
    settings = dict(l.split("=", 1) for l in loaded.read_text().splitlines() if "=" in l)
    command = shlex.split(settings["ExecStart"].replace("$$", "$").replace("%%", "%"))
    stop()
    out = (state / "log").open("w")
    child = subprocess.Popen(command, cwd=settings["WorkingDirectory"], stdin=subprocess.DEVNULL, stdout=out,
                             stderr=out, start_new_session=True)
    pid_file.write_text(str(child.pid))
elif words[0] == "enable":
    (state / "enabled").touch()
elif words[0] == "disable":
    (state / "enabled").unlink(missing_ok=True)
    if "--now" in words:
        stop()
elif words[0] == "stop":
    stop()
elif words[0] == "is-enabled":
    sys.exit(0 if (state / "enabled").exists() else 1)
elif words[0] == "is-active":
    print("active" if alive() and "--user" in sys.argv else "inactive")
elif words[0] == "show" and "--property=MainPID" in words:
    print("MainPID=" + (pid_file.read_text() if alive() and "--user" in sys.argv else "0"))
elif words[0] == "show":
    print("ActiveState=" + ("active" if alive() else "failed"), "NRestarts=0", "Result=exit-code", sep="\\n")
"""


class Systemd:
    """The stand-in, as the tests see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unit = folder / "config" / "systemd" / "user" / "hawklet.service"

    def boot(self) -> None:
        """From now on systemd runs."""
        (self.folder / "booted").touch()

    def calls(self) -> list[str]:
        """Every call of systemctl so far."""
        return (self.folder / "calls").read_text().splitlines()

    def command_line(self) -> list[str]:
        """Of the process that runs as the service."""
        pid = (self.folder / "pid").read_text()
        return Path("/proc", pid, "cmdline").read_text().split("\0")[:-1]

    def log(self) -> str:
        """What the service printed."""
        return (self.folder / "log").read_text()

    def shut_down(self) -> None:
        """Stop the service and forget all."""
        if (self.folder / "pid").exists():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int((self.folder / "pid").read_text()), signal.SIGKILL)
        for name in ("booted", "calls", "loaded", "pid", "log", "config", "enabled"):
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def _systemd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("systemd")
    (folder / "bin").mkdir()
    (folder / "temporary").mkdir()
    (folder / "home").mkdir()
    for name, text in {
        "systemctl": _SYSTEMCTL,
        "loginctl": "#!/bin/sh\n",
        "journalctl": '#!/bin/sh\ncat "{state}/log"\n',
    }.items():
        program = folder / "bin" / name
        program.write_text(
            text.replace("{python}", sys.executable)
            .replace("{state!r}", repr(str(folder)))
            .replace("{state}", str(folder))
        )
        program.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def sshd(_systemd_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An sshd that every test of this folder logs in to."""
    environment = {
        "PATH": f"{_systemd_folder}/bin:/usr/local/bin:/usr/bin:/bin",
        "XDG_CONFIG_HOME": f"{_systemd_folder}/config",
        "TMPDIR": f"{_systemd_folder}/temporary",
        "HOME": f"{_systemd_folder}/home",
    }
    if "PYTHONPATH" in os.environ:  # this very interpreter serves as the board's, and must find the same hawklet
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    with running_sshd(tmp_path_factory.mktemp("sshd"), environment) as running:
        yield running


@pytest.fixture
def systemd(_systemd_folder: Path) -> Iterator[Systemd]:
    """The stand-in for systemd, not booted yet."""
    stand_in = Systemd(_systemd_folder)
    yield stand_in
    stand_in.shut_down()


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that works, and is another than ``tiny_bundle``."""
    return tiny_models.write_colour_bundle(tmp_path_factory.mktemp("other") / "other.hawklet", name="other")


@pytest.fixture(scope="session")
def wrong_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole bundle whose golden outputs no machine reproduces."""
    path = tmp_path_factory.mktemp("wrong") / "wrong.hawklet"
    return tiny_models.write_colour_bundle(path, golden_shift=1.0, name="wrong")


class LoopbackBoard:
    """A folder on this machine, flashed through sshd."""

    def __init__(self, sshd: Sshd, prefix: Path, temporary: Path, home: Path) -> None:
        self.sshd = sshd
        self.store = Store(prefix)
        self.temporary = temporary
        """What ``TMPDIR`` is for every command that runs there."""
        self.home = home
        """The user's home there."""
        self.said: list[str] = []

    def options(
        self,
        *,
        source: str = "synthetic://cards",
        service: ServiceChoice = ServiceChoice.AUTO,
        watch_s: float = 1.0,
        arguments: tuple[str, ...] = (),
        **changes: object,
    ) -> FlashOptions:
        """This very interpreter is used as it is: no downloads."""
        environment = EnvironmentOptions(python=sys.executable)
        run = RunOptions(source=source, arguments=arguments, service=service, watch_s=watch_s)
        fields = {"environment": environment, "run": run, "prefix": str(self.store.prefix)}
        return FlashOptions(**{**fields, **changes})  # type: ignore[arg-type] # the test names the fields

    def place(self, bundle: Path) -> str:
        """Have a bundle there as a flash leaves it, without the way through sshd; returns the release's ID."""
        release = Release.make(
            model=Bundle.open(bundle).manifest.name,
            bundle_sha256=sha256_of(bundle),
            hawklet_version=__version__,
            python=sys.executable,
            env=None,
            run=("--source", "synthetic://cards"),
        )
        self.store.add(release, bundle)
        self.store.switch(release.id)
        self.store.remember(release.id)
        return release.id

    def flash(self, bundle: Path, **changes: object) -> FlashReport:
        """Flash a bundle; the arguments are those of :meth:`options`."""
        options = self.options(**changes)  # type: ignore[arg-type] # the test names the fields
        report = flash(bundle, self.sshd.target, self.sshd.login(), options, self.said.append)
        assert report is not None
        return report


@pytest.fixture
def board(sshd: Sshd, _systemd_folder: Path, tmp_path: Path) -> LoopbackBoard:
    """A board on which nothing was flashed yet."""
    return LoopbackBoard(sshd, tmp_path / "board", _systemd_folder / "temporary", _systemd_folder / "home")
