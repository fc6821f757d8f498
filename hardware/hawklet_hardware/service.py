"""The systemd unit that keeps a flashed model running, and the few systemctl calls it needs.

This runs on the board, so it needs the standard library alone. A *user* unit belongs to the account that was flashed
and needs no root; a *system* unit is confined harder and needs root or a sudo that asks nothing.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hawklet.errors import FlashError
from hawklet.safefiles import write_text

UNIT = "hawklet.service"
_SYSTEM_UNITS = Path("/etc/systemd/system")
_TIMEOUT_S = 60.0
_POLL_S = 0.5


class Scope(str, Enum):
    """Whose service manager runs the unit."""

    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True)
class ServiceState:
    """What systemd says of the unit."""

    active: str
    """``active``, ``inactive``, ``failed``, ``activating`` ..."""
    restarts: int
    """Automatic restarts since it was last started on purpose."""
    result: str
    """``success``, ``exit-code``, ``signal`` ..."""

    @property
    def healthy(self) -> bool:
        """It runs, and has not been started a second time."""
        return self.active == "active" and self.restarts == 0


@dataclass(frozen=True)
class UnitSnapshot:
    """The unit as it was, to be put back."""

    text: str | None
    """None: there was none."""
    enabled: bool
    running: bool


def unit_text(scope: Scope, prefix: Path, user: str) -> str:
    """The unit file.

    It starts ``PREFIX/current/start``, which says what runs and with which interpreter; so a switch of ``current``
    changes all of that at once, and the unit itself stays the same for every model.

    Args:
        scope: A user's unit or the system's.
        prefix: hawklet's folder on the board, absolute.
        user: Whom a system unit runs as.
    """
    start = _quoted(str(prefix / "current" / "start"), command=True)
    lines = [
        "[Unit]",
        "Description=hawklet: live classification of camera frames",
        # A camera that is plugged in an hour later must still be found.
        "StartLimitIntervalSec=0",
        *(["After=network.target"] if scope is Scope.SYSTEM else []),
        "",
        "[Service]",
        "Type=exec",
        *([f"User={user}"] if scope is Scope.SYSTEM else []),
        f"ExecStart=/bin/sh {start}",
        f"WorkingDirectory={_specifiers(str(prefix / 'data'))}",
        "Environment=PYTHONUNBUFFERED=1",
        "Restart=always",
        "RestartSec=3",
        "TimeoutStopSec=20",
        "NoNewPrivileges=yes",
        "LockPersonality=yes",
        "RestrictSUIDSGID=yes",
        "SystemCallArchitectures=native",
        "UMask=0077",
        *(_confinement(prefix) if scope is Scope.SYSTEM else []),
        "",
        "[Install]",
        f"WantedBy={'multi-user.target' if scope is Scope.SYSTEM else 'default.target'}",
    ]
    return "\n".join(lines) + "\n"


def _confinement(prefix: Path) -> list[str]:
    # No PrivateDevices and no ProtectClock: both close /dev, and with it cameras and GPIO.
    return [
        "CapabilityBoundingSet=",
        "PrivateTmp=yes",
        "ProtectControlGroups=yes",
        "ProtectHome=read-only",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "ProtectSystem=strict",
        f"ReadWritePaths={_quoted(str(prefix / 'data'))}",
        "RestrictNamespaces=yes",
    ]


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str, *, command: bool = False) -> str:
    # systemd.service(5), "Command lines": backslash and quote are escaped, and $ is doubled in commands alone.
    escaped = _specifiers(text).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + (escaped.replace("$", "$$") if command else escaped) + '"'


class Service:
    """The unit on this machine.

    Args:
        scope: A user's unit or the system's.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        os.environ.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")

    @property
    def unit_file(self) -> Path:
        """Where the unit is installed."""
        if self._scope is Scope.SYSTEM:
            return _SYSTEM_UNITS / UNIT
        config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return Path(config) / "systemd" / "user" / UNIT

    def install(self, text: str) -> str | None:
        """Install and enable the unit, and let it outlive the login.

        Returns:
            A warning where it will not start at boot, else None.

        Raises:
            FlashError: systemd or sudo refuses.
        """
        self._replace(text)
        self._systemctl("enable", UNIT)
        return self._linger() if self._scope is Scope.USER else None

    def restart(self) -> None:
        """Start what ``current`` now is.

        Raises:
            FlashError: systemd refuses.
        """
        self._systemctl("reset-failed", UNIT, check=False)
        self._systemctl("restart", UNIT)

    def snapshot(self) -> UnitSnapshot:
        """What :meth:`restore` needs.

        Raises:
            FlashError: systemd is not there, or the unit cannot be read.
        """
        enabled = self._systemctl("is-enabled", UNIT, check=False).returncode == 0
        return UnitSnapshot(self._text(), enabled, self.state().active in ("active", "activating"))

    def restore(self, before: UnitSnapshot) -> None:
        """Put the unit back as it was; one that was not there is stopped and taken away.

        Raises:
            FlashError: systemd or sudo refuses.
        """
        if before.text is None:
            self._systemctl("disable", "--now", UNIT, check=False)
            self._remove()
            return
        self._replace(before.text)
        self._systemctl("enable" if before.enabled else "disable", UNIT)
        if before.running:
            self.restart()
        else:
            self._systemctl("stop", UNIT)

    def state(self) -> ServiceState:
        """What systemd says of it now."""
        names = "ActiveState,NRestarts,Result"
        out = self._systemctl("show", UNIT, f"--property={names}", check=False).stdout
        values = dict(line.partition("=")[::2] for line in out.splitlines())
        restarts = values.get("NRestarts", "0")
        return ServiceState(
            values.get("ActiveState", "unknown"), int(restarts) if restarts.isdigit() else 0, values.get("Result", "")
        )

    def watch(self, seconds: float) -> None:
        """Wait and see it stay up.

        Raises:
            FlashError: it ended within that time; the message holds its last words.
        """
        end = time.monotonic() + seconds
        while True:
            state = self.state()
            if not state.healthy:
                raise FlashError(
                    f"{UNIT} must stay up for {seconds:g} s, but it is {state.active} ({state.result}, restarted "
                    f"{state.restarts} times); its last words: {self._last_words()}"
                )
            if time.monotonic() >= end:
                return
            time.sleep(_POLL_S)

    def _text(self) -> str | None:
        try:
            return self.unit_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FlashError(f"{self.unit_file} cannot be read: {error.strerror}") from error

    def _replace(self, text: str) -> None:
        if self._text() == text:
            return
        if self._is_ours():
            write_text(self.unit_file, text)
            self.unit_file.chmod(0o644)  # it holds no secret, and another account's flash must be able to read it
        else:
            _call(["sudo", "-n", "install", "-m", "0644", "-T", "/dev/stdin", str(self.unit_file)], stdin=text)
        self._systemctl("daemon-reload")

    def _remove(self) -> None:
        if self._is_ours():
            self.unit_file.unlink(missing_ok=True)
        else:
            _call(["sudo", "-n", "rm", "-f", str(self.unit_file)])
        self._systemctl("daemon-reload")

    def _is_ours(self) -> bool:
        """Whether this account may write the unit file."""
        return self._scope is Scope.USER or os.getuid() == 0

    def _systemctl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        if self._scope is Scope.USER:
            return _call(["systemctl", "--user", *words], check=check)
        return _call([*([] if os.getuid() == 0 else ["sudo", "-n"]), "systemctl", *words], check=check)

    def _linger(self) -> str | None:
        """User services end with the last login unless lingering is on."""
        for command in (["loginctl", "enable-linger"], ["sudo", "-n", "loginctl", "enable-linger", _user_name()]):
            try:
                if _call(command, check=False).returncode == 0:
                    return None
            except FlashError:
                continue  # no loginctl, or no sudo
        return (
            "the service ends when you log out and will not start at boot; on the board, once: "
            f"sudo loginctl enable-linger {shlex.quote(_user_name())}"
        )

    def _last_words(self) -> str:
        which = ["--user-unit", UNIT] if self._scope is Scope.USER else ["--unit", UNIT]
        try:
            out = _call(["journalctl", *which, "--no-pager", "--output=cat", "--lines=20"], check=False).stdout
        except FlashError:
            out = ""  # a board without a journal
        ours = [line for line in out.splitlines() if line.startswith("hawklet:")]
        lines = ours or [line for line in out.splitlines() if line.strip()]
        return lines[-1] if lines else "none in the journal"


def _user_name() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _call(command: Sequence[str], *, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        raise FlashError(f"{command[0]} is not on this board, but a service needs it; add --service none") from error
    except subprocess.TimeoutExpired as error:
        raise FlashError(f"{shlex.join(command)} took longer than {_TIMEOUT_S:g} s") from error
    if check and done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
        hint = "; allow it without a password, or use --service user" if command[0] == "sudo" else ""
        raise FlashError(f"{shlex.join(command)} failed: {words}{hint}")
    return done
