"""Verifying an SSH host key against ``known_hosts`` files, strictly.

paramiko's own lookup takes one key per type and host, ignores ``@revoked`` lines and wildcards; sshd(8), section
SSH_KNOWN_HOSTS FILE FORMAT, is what this module follows. Certificate authorities (``@cert-authority``) are not used.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hawklet.errors import HostKeyError

PORT = 22


@dataclass(frozen=True)
class KnownKey:
    """One line of a ``known_hosts`` file."""

    patterns: tuple[str, ...]
    """Host names, ``[host]:port``, wildcards, ``!`` exclusions, or one hashed name ``|1|salt|hash``."""
    key_type: str
    """As ``ssh-ed25519``."""
    key: str
    """The public key, base64."""
    revoked: bool
    file: Path
    line: int

    def matches(self, host: str) -> bool:
        """Whether the line speaks of this host, named as :func:`host_name` does."""
        if any(pattern.startswith("!") and _pattern_matches(pattern[1:], host) for pattern in self.patterns):
            return False
        return any(_pattern_matches(pattern, host) for pattern in self.patterns)


def host_name(host: str, port: int) -> str:
    """The name under which ``known_hosts`` lists a host: ``host``, or ``[host]:port`` off port 22; lower case."""
    return host.lower() if port == PORT else f"[{host.lower()}]:{port}"


def fingerprint(key: bytes) -> str:
    """What ``ssh-keygen -l`` shows of a public key blob: ``SHA256:`` and base64 without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def read_known_hosts(files: Sequence[Path]) -> list[KnownKey]:
    """All lines of the files that state a key; absent files and lines that do not are passed over, as ssh does.

    Raises:
        HostKeyError: a file is there but cannot be read.
    """
    found = []
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HostKeyError(f"the known host keys in {file} cannot be read: {error.strerror}") from error
        found += [known for number, line in enumerate(lines, 1) if (known := _parse(line, file, number))]
    return found


class HostKeys:
    """The host keys on record, and the rule for a key that a server shows.

    Args:
        files: Files to look in; an unknown key is stored in the first.
        accept_new: Store the key of a host that has none on record, instead of refusing it.
    """

    def __init__(self, files: Sequence[Path], *, accept_new: bool = False) -> None:
        self._files = list(files)
        self._accept_new = accept_new
        self._known = read_known_hosts(self._files)
        self.stored: str | None = None
        """Fingerprint of a key that was stored by :meth:`verify`."""

    def types(self, host: str) -> list[str]:
        """Key types on record for ``host`` (a :func:`host_name`), to be asked for first."""
        return [known.key_type for known in self._known if known.matches(host) and not known.revoked]

    def verify(self, host: str, key_type: str, key: bytes) -> None:
        """Accept the key that ``host`` (a :func:`host_name`) shows, or raise.

        Raises:
            HostKeyError: it is revoked, is not the one on record, or none is on record and new ones are not accepted.
        """
        encoded = base64.b64encode(key).decode()
        lines = [known for known in self._known if known.matches(host)]
        if any(known.revoked and known.key == encoded for known in lines):
            raise HostKeyError(
                f"{host} shows a key marked @revoked in known_hosts ({fingerprint(key)}); not connecting"
            )
        valid = [known for known in lines if not known.revoked]
        if any(known.key_type == key_type and known.key == encoded for known in valid):
            return
        if valid:
            raise HostKeyError(_changed(host, key_type, key, valid[0]))
        if not self._accept_new:
            raise HostKeyError(
                f"the SSH host key of a board must be known before anything is sent, but {host} is in none of "
                f"{', '.join(map(str, self._files))}; it shows {key_type} {fingerprint(key)}. Compare that with "
                "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the board's own screen, then add "
                "--accept-new-host-key (or connect once with ssh)"
            )
        self._store(host, key_type, encoded)
        self._known = read_known_hosts(self._files)  # from now on another key is a changed one
        self.stored = f"{key_type} {fingerprint(key)}"

    def _store(self, host: str, key_type: str, encoded: str) -> None:
        file = self._files[0]
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b") as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(max(0, size - 1))
                start = b"\n" if size and stream.read(1) != b"\n" else b""
                stream.write(start + f"{host} {key_type} {encoded}\n".encode())
        except OSError as error:
            raise HostKeyError(
                f"the host key of {host} cannot be stored in {file}: {error.strerror}; name another with --known-hosts"
            ) from error


def _changed(host: str, key_type: str, key: bytes, known: KnownKey) -> str:
    return (
        f"{host} shows another SSH host key ({key_type} {fingerprint(key)}) than the one on record "
        f"({known.key_type} {fingerprint(base64.b64decode(known.key))}, {known.file} line {known.line}); somebody may "
        "be in between, so nothing was sent. If the board was installed anew, remove the old key: "
        f"ssh-keygen -R '{host}' -f {known.file}"
    )


def _parse(line: str, file: Path, number: int) -> KnownKey | None:
    fields = line.split()
    marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
    if len(fields) < 3 or fields[0].startswith("#") or marker not in ("", "@revoked"):
        return None
    try:
        base64.b64decode(fields[2], validate=True)
    except ValueError:
        return None
    return KnownKey(tuple(fields[0].split(",")), fields[1], fields[2], bool(marker), file, number)


def _pattern_matches(pattern: str, host: str) -> bool:
    if not pattern.startswith("|1|"):
        # Brackets belong to [host]:port here; only * and ? are wildcards.
        return fnmatch.fnmatchcase(host, pattern.lower().replace("[", "[[]"))
    try:
        salt, digest = (base64.b64decode(part) for part in pattern.split("|")[2:4])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, host.encode(), "sha1").digest(), digest)
