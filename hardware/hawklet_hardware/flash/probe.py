"""Looking at a board without changing anything on it: one shell script, no Python needed there."""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from dataclasses import dataclass

from hawklet.errors import FlashError
from hawklet_hardware.boards import BoardProfile
from hawklet_hardware.flash.releases import Release
from hawklet_hardware.service import UNIT
from hawklet_hardware.ssh import Connection

OLDEST_PYTHON = (3, 10)
_PYTHONS = "python3 python3.13 python3.12 python3.11 python3.10"
_BOOTED = {"running", "degraded", "starting", "initializing", "maintenance"}
_MARK = "hawklet:"

_SCRIPT = r"""
say() { printf 'hawklet:%s=%s\n' "$1" "$2"; }
cd "$HOME" || exit 1
case $prefix in /*) ;; *) prefix=$HOME/$prefix ;; esac
say prefix "$prefix"
say machine "$(uname -m)"
say kernel "$(uname -s)"
say uid "$(id -u)"
say user "$(id -un)"
say model "$(tr -d '\000' < /proc/device-tree/model 2>/dev/null)"
say os "$(. /etc/os-release 2>/dev/null && echo "$PRETTY_NAME")"
there=$prefix
while [ ! -d "$there" ]; do there=$(dirname "$there"); done
[ -w "$there" ] && say writable "$there"
say free_kib "$(df -Pk "$there" | awk 'NR == 2 { print $4 }')"
for name in $pythons; do
  version=$("$name" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) &&
    say python "$(command -v "$name") $version" &&
    case $version in 3.[0-9].*) ;; *) break ;; esac
done
say systemd "$(systemctl is-system-running 2>/dev/null)"
: "${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"
export XDG_RUNTIME_DIR
say systemd_user "$(systemctl --user is-system-running 2>/dev/null)"
say service_system "$(systemctl is-active "$unit" 2>/dev/null)"
say service_user "$(systemctl --user is-active "$unit" 2>/dev/null)"
runs() {
  pid=$(systemctl $1 show "$unit" --property=MainPID 2>/dev/null)
  [ "${pid#MainPID=}" -gt 0 ] 2>/dev/null && tr '\000' ' ' < "/proc/${pid#MainPID=}/cmdline" 2>/dev/null
}
say runs_system "$(runs)"
say runs_user "$(runs --user)"
current=$(readlink "$prefix/current") && say current "${current##*/}"
[ -r "$prefix/history" ] && say history "$(tr '\n' ' ' < "$prefix/history")"
for file in "$prefix"/releases/*/release.json; do [ -r "$file" ] && say record "$(cat "$file")"; done
for file in "$prefix"/envs/*/ready; do [ -r "$file" ] && say env "$(basename "$(dirname "$file")")"; done
exit 0
"""


@dataclass(frozen=True)
class BoardState:
    """What a board is and what is on it."""

    prefix: str
    """hawklet's folder there, absolute; it may not exist yet."""
    machine: str
    """As ``uname -m`` says it."""
    model: str
    """As the device tree says it; empty where there is none."""
    os: str
    uid: int
    user: str
    writable: bool
    """The folder exists, or can be made."""
    free_bytes: int
    pythons: tuple[tuple[str, tuple[int, ...]], ...]
    """(absolute path, version) of each interpreter found, the system's own first, up to one that is new enough."""
    system_manager: bool
    """systemd runs as the board's init."""
    user_manager: bool
    """systemd runs for this account."""
    service_scopes: tuple[str, ...]
    """Where a hawklet.service is active now: ``user``, ``system``."""
    commands: dict[str, str]
    """Scope -> command line of the process that its hawklet.service runs; empty where it runs none."""
    current: str | None
    """ID of the current release."""
    history: tuple[str, ...]
    """IDs of kept releases, newest last."""
    releases: tuple[Release, ...]
    environments: tuple[str, ...]
    """Keys of environments that are complete."""

    @property
    def python(self) -> tuple[str, tuple[int, ...]]:
        """The interpreter to make environments of.

        Raises:
            FlashError: none is new enough.
        """
        for path, version in self.pythons:
            if version[:2] >= OLDEST_PYTHON:
                return path, version
        found = ", ".join(f"{path} {'.'.join(map(str, version))}" for path, version in self.pythons) or "none"
        raise FlashError(
            f"hawklet needs Python {'.'.join(map(str, OLDEST_PYTHON))} or newer on the board, found {found}; use an OS "
            "release that has it (Raspberry Pi OS bookworm, JetPack 6), or name an interpreter with --python"
        )

    def described(self, profile: BoardProfile | None) -> str:
        """The board as people say it, with its system."""
        name = self.model or (profile.name if profile else self.machine)
        return f"{name}, {self.os or 'Linux'}, {self.machine}"

    def runs(self, scope: str, release_id: str) -> bool:
        """Whether the service of that scope runs that release, and not another one that was current before."""
        return f"/releases/{release_id}/" in self.commands[scope]

    def release(self, release_id: str | None) -> Release | None:
        """The record of a release that is on the board."""
        return next((release for release in self.releases if release.id == release_id), None)


def probe(connection: Connection, prefix: str) -> BoardState:
    """Look at a board.

    Args:
        connection: The open connection.
        prefix: hawklet's folder there; relative to the home folder, or absolute.

    Raises:
        FlashError: it is no Linux with the usual tools.
    """
    words = {"prefix": prefix, "pythons": _PYTHONS, "unit": UNIT}
    settings = "".join(f"{name}={shlex.quote(word)}\n" for name, word in words.items())
    result = connection.run(settings + _SCRIPT)
    said: defaultdict[str, list[str]] = defaultdict(list)
    for line in result.stdout.splitlines():
        if line.startswith(_MARK):
            key, _, value = line.removeprefix(_MARK).partition("=")
            said[key].append(value.strip())
    if result.exit_status or not said["prefix"] or said["kernel"] != ["Linux"]:
        raise FlashError(f"a board must run Linux with a shell, {connection.target} says: {result.last_words}")
    return _state(said)


def _state(said: dict[str, list[str]]) -> BoardState:
    def first(key: str) -> str:
        return (said.get(key) or [""])[0]

    scopes = tuple(scope for scope in ("user", "system") if first(f"service_{scope}") in ("active", "activating"))
    return BoardState(
        prefix=first("prefix"),
        machine=first("machine"),
        model=first("model"),
        os=first("os"),
        uid=int(first("uid") or -1),
        user=first("user"),
        writable=bool(first("writable")),
        free_bytes=int(first("free_kib") or 0) * 1024,
        pythons=tuple(dict.fromkeys(_python(line) for line in said.get("python", []))),
        system_manager=first("systemd") in _BOOTED,
        user_manager=first("systemd_user") in _BOOTED,
        service_scopes=scopes,
        commands={scope: first(f"runs_{scope}") for scope in ("user", "system")},
        current=first("current") or None,
        history=tuple(first("history").split()),
        releases=tuple(release for line in said.get("record", []) if (release := _release(line))),
        environments=tuple(said.get("env", [])),
    )


def _python(line: str) -> tuple[str, tuple[int, ...]]:
    path, _, version = line.rpartition(" ")
    return path, tuple(int(part) for part in version.split("."))


def _release(line: str) -> Release | None:
    try:
        return Release.from_dict(json.loads(line))
    except (ValueError, FlashError):
        return None  # damaged: it is passed over here, and cleared away by the next flash
