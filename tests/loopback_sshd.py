"""A real sshd on the loopback interface, with keys, configuration and environment of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hawklet_hardware.ssh import Login, Target

_STARTS_IN_S = 10.0


@dataclass(frozen=True)
class Sshd:
    """A running sshd."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def target(self) -> Target:
        return Target("127.0.0.1", _me(), self.port)

    @property
    def identity(self) -> Path:
        return self.folder / "user_key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def host_key(self) -> str:
        """Type and base64 of the host's public key."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def login(self, **changes: object) -> Login:
        """A login that works, apart from the changes."""
        fields = {"identity": self.identity, "known_hosts": self.known_hosts, "ssh_config": self.folder / "none"}
        return Login(**{**fields, **changes})  # type: ignore[arg-type] # the test names the fields

    def cut_connections(self) -> None:
        """Kill the processes that serve connections, as if the network were gone."""
        for pid in _sshd_below(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def running_sshd(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Sshd]:
    """Start sshd in ``folder``; the test is skipped where there is none.

    Args:
        folder: For keys and configuration; must be private to this user.
        environment: Set for every command that runs through it.
    """
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None or shutil.which("ssh-keygen") is None:
        pytest.skip("needs sshd and ssh-keygen (Debian: openssh-server, openssh-client), which are not here")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("host_key", "user_key"):
        make_key(folder / name)
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    port = _free_port()
    config = folder / "sshd_config"
    config.write_text(_config(folder, port, environment or {}))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd wants it for privilege separation
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=log)
    sshd = Sshd(port, folder, process)
    sshd.known_hosts.write_text(f"[127.0.0.1]:{port} {sshd.host_key}\n")
    try:
        _wait_until_it_listens(sshd)
        yield sshd
    finally:
        sshd.cut_connections()
        process.terminate()
        process.wait(timeout=10)


def make_key(path: Path, kind: str = "ed25519") -> None:
    """Make a key pair without a passphrase."""
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)


def _config(folder: Path, port: int, environment: Mapping[str, str]) -> str:
    words = " ".join(f'"{name}={value}"' for name, value in environment.items())
    return f"""
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
LogLevel INFO
{"SetEnv " + words if words else ""}
"""


def _wait_until_it_listens(sshd: Sshd) -> None:
    end = time.monotonic() + _STARTS_IN_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", sshd.port), timeout=1):
            return
        if sshd.process.poll() is not None:
            break
        time.sleep(0.05)
    pytest.fail(f"sshd did not start: {(sshd.folder / 'sshd.log').read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sshd_below(parent: int) -> list[int]:
    """Processes named sshd beneath one, the nearest first: a connection has a privileged and an ordinary one."""
    # From every process's stat: sshd keeps its own /proc/PID/task closed to an ordinary user.
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            name, _, rest = stat.read_text().rpartition(")")
            if int(rest.split()[1]) == parent and name.endswith("(sshd"):
                found.append(int(stat.parent.name))
    return [*found, *(pid for child in found for pid in _sshd_below(child))]


def _me() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
