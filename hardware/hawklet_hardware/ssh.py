"""One SSH connection to a board: verified host key, commands, uploads. Every foreign error is mapped here.

The engine is paramiko (``docs/decisions/0060-paramiko-for-flashing.md``). ``~/.ssh/config`` is honoured as far as
HostName, Port, User, IdentityFile, ProxyJump and ProxyCommand go.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import re
import shlex
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import paramiko

from hawklet.errors import FlashError, UsageError
from hawklet_hardware.known_hosts import HostKeys, host_name

KNOWN_HOSTS = Path("~/.ssh/known_hosts")
SYSTEM_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")
SSH_CONFIG = Path("~/.ssh/config")
SILENCE_S = 60.0
"""Longest silence of a command, seconds, where the caller sets no other."""
_KEEPALIVE_S = 10
_BLOCK = 1 << 16
_TARGET = re.compile(r"(?:(?P<user>[\w.\\+-]+)@)?(?P<host>\[[\w:.%-]+\]|[\w.-]+)(?::(?P<port>\d+))?")

# paramiko reports on its own thread what it also raises; without a handler Python would print that on stderr.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Target:
    """A board as the user named it: ``[user@]host[:port]``."""

    host: str
    user: str | None = None
    """None = what ``~/.ssh/config`` says, else the local user name."""
    port: int | None = None
    """None = what ``~/.ssh/config`` says, else 22."""

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read ``[user@]host[:port]``; an IPv6 address stands in brackets.

        Raises:
            UsageError: it is nothing of the kind.
        """
        match = _TARGET.fullmatch(text)
        port = int(match["port"]) if match and match["port"] else None
        # A name that starts with a dash would be taken for an option by the ssh program of a ProxyJump.
        if not match or text.startswith("-") or match["host"].startswith("-") or (port and port > 65535) or port == 0:
            raise UsageError(f"a board is named as user@host or user@host:port, got {text!r}")
        return cls(match["host"].strip("[]"), match["user"], port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (f"{self.user}@" if self.user else "") + host + (f":{self.port}" if self.port else "")


@dataclass(frozen=True)
class Login:
    """How to log in, and whom to trust."""

    identity: Path | None = None
    """Private key file; None = the agent's keys, those of ~/.ssh/config, and the usual files in ~/.ssh."""
    known_hosts: Path | None = None
    """None = ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts."""
    accept_new_host_key: bool = False
    ssh_config: Path = SSH_CONFIG
    connect_timeout: float = 15.0
    """Seconds to connect, and again to log in."""
    ask: Callable[[str], str] | None = field(default=None, repr=False)
    """Asks a person for a secret, which is neither stored nor logged; None = nobody is there to be asked."""


@dataclass(frozen=True)
class Result:
    """What a command on the board left."""

    exit_status: int
    stdout: str
    stderr: str

    @property
    def last_words(self) -> str:
        """The last line it said, errors first."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit status {self.exit_status} and no message"


@dataclass(frozen=True)
class _Route:
    host: str
    port: int
    user: str
    identities: tuple[str, ...]
    proxy: str | None


class Connection:
    """An open, verified connection; use it as a context manager.

    Args:
        target: Which board.
        login: How to log in.

    Raises:
        HostKeyError: the host key is unknown, has changed, or is revoked.
        FlashError: nothing answers there, or it does not let us in.
    """

    def __init__(self, target: Target, login: Login) -> None:
        self.target = target
        self._login = login
        self._route = _route(target, login)
        self._keys = HostKeys(_key_files(login), accept_new=login.accept_new_host_key)
        with mapped_errors(f"{target}"):
            self._client = self._connect()
            transport = self._client.get_transport()
            assert transport is not None, "connected"  # noqa: S101 -- narrows the type
            transport.set_keepalive(_KEEPALIVE_S)
            self._transport = transport

    @property
    def user(self) -> str:
        """Whom we are logged in as."""
        return self._route.user

    @property
    def stored_host_key(self) -> str | None:
        """Type and fingerprint of a host key that was new and is now on record."""
        return self._keys.stored

    def run(
        self,
        command: Sequence[str] | str,
        *,
        stdin: bytes | IO[bytes] = b"",
        on_line: Callable[[str], None] | None = None,
        silence_s: float = SILENCE_S,
    ) -> Result:
        """Run a command to its end.

        Args:
            command: Words, which are quoted; or a script for ``sh``.
            stdin: What it reads.
            on_line: Called with each line of its standard output as it comes.
            silence_s: Give up when nothing is heard for so long, seconds.

        Raises:
            FlashError: the connection was lost, or the board fell silent. A failing command is no error here.
        """
        script = command if isinstance(command, str) else shlex.join(command)
        with mapped_errors(f"{self.target}"), contextlib.closing(self._session(silence_s)) as channel:
            # The login shell may be any; the scripts are for sh. It stays to the end, so that a program killed by a
            # signal has a status like any other, and none at all means that the connection is gone.
            channel.exec_command(shlex.join(["sh", "-c", f"{script}\nexit $?"]))
            _send(channel, stdin)
            lines = _read_lines(channel, on_line)
            stderr = channel.makefile_stderr("rb").read().decode("utf-8", "replace")
            status = channel.recv_exit_status()
        if status < 0:
            raise FlashError(f"the connection to {self.target} was lost before the command ended; try again")
        return Result(status, "".join(lines), stderr)

    def start(self, command: Sequence[str], silence_s: float = SILENCE_S) -> paramiko.Channel:
        """Start a command that is to live beside others; its channel is the caller's to close.

        Reading from it gives up when nothing is heard for ``silence_s`` seconds.

        Raises:
            FlashError: the connection was lost.
        """
        with mapped_errors(f"{self.target}"):
            channel = self._session(silence_s)
            channel.exec_command(shlex.join(command))
            return channel

    def upload(self, data: bytes | IO[bytes], path: str, sha256: str) -> None:
        """Write a file on the board, whole or not at all: under another name first, checked there, then renamed.

        Raises:
            FlashError: the disk is full, the folder is not writable, or what arrived is not what was sent.
        """
        part = f"{path}.part"
        words = {"path": path, "part": part, "folder": path.rpartition("/")[0], "check": f"{sha256}  {part}"}
        quoted = {name: shlex.quote(word) for name, word in words.items()}
        script = (
            "umask 077 && mkdir -p {folder} && cat > {part} && printf '%s' {check} | sha256sum -c --status - "
            "&& sync {part} && mv -f {part} {path} || {{ status=$?; rm -f {part}; exit $status; }}"
        ).format(**quoted)
        result = self.run(script, stdin=data)
        if result.exit_status:
            reason = result.stderr.strip().splitlines()[-1:] or ["what arrived there is not what was sent"]
            raise FlashError(f"{Path(path).name} could not be stored on {self.target}: {reason[0]}")

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _session(self, silence_s: float) -> paramiko.Channel:
        if not self._transport.is_active():
            raise EOFError("paramiko itself would call this an SSH error like any other")
        channel = self._transport.open_session(timeout=SILENCE_S)
        channel.settimeout(silence_s)
        return channel

    def _connect(self) -> paramiko.SSHClient:
        ask, identity = self._login.ask, self._login.identity
        try:
            return self._try()
        except paramiko.AuthenticationException as error:
            if ask is None:
                raise
            if identity is None:  # nobody asked for the keys that were tried, encrypted or not
                return self._try(password=ask(f"Password of {self._route.user} on {self._route.host}"))
            if isinstance(error, paramiko.PasswordRequiredException):
                return self._try(passphrase=ask(f"Passphrase of {identity}"))
            raise

    def _try(self, *, password: str | None = None, passphrase: str | None = None) -> paramiko.SSHClient:
        login, route = self._login, self._route
        client = paramiko.SSHClient()
        verify = _Verify(self._keys)
        client.set_missing_host_key_policy(verify)
        keys_wanted = password is None and login.identity is None
        try:
            client.connect(
                route.host,
                route.port,
                username=route.user,
                password=password,
                passphrase=passphrase,
                key_filename=None if password is not None else list(route.identities) or None,  # type: ignore[arg-type] # a list is documented, the stubs lag
                allow_agent=keys_wanted,
                look_for_keys=keys_wanted,
                timeout=login.connect_timeout,
                banner_timeout=login.connect_timeout,
                auth_timeout=login.connect_timeout,
                sock=_socket(route, login.connect_timeout),
                transport_factory=self._transport_that_asks_for_known_types,
            )
        except BaseException as error:
            transport = client.get_transport()
            at_the_door = transport is not None and transport.is_active() and verify.done
            client.close()
            if type(error) is paramiko.SSHException and at_the_door:
                # Such as "No authentication methods available": somebody without any key.
                raise paramiko.AuthenticationException(str(error)) from error
            raise
        return client

    def _transport_that_asks_for_known_types(self, sock: Any, **options: Any) -> paramiko.Transport:
        transport = paramiko.Transport(sock, **options)
        known = self._keys.types(host_name(self._route.host, self._route.port))
        security = transport.get_security_options()
        # Stable sort: types on record first, so that a server with several keys shows the one that can be checked.
        security.key_types = sorted(security.key_types, key=lambda offered: _key_type(offered) not in known)
        return transport


class _Verify(paramiko.MissingHostKeyPolicy):
    """Hands every key to :class:`HostKeys`: the client holds no keys itself, so paramiko knows of none."""

    def __init__(self, keys: HostKeys) -> None:
        self._keys = keys
        self.done = False
        """The host has shown a key that is trusted."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        self._keys.verify(hostname.lower(), key.get_name(), key.asbytes())
        self.done = True


def _key_type(algorithm: str) -> str:
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _key_files(login: Login) -> list[Path]:
    return [login.known_hosts] if login.known_hosts else [KNOWN_HOSTS.expanduser(), SYSTEM_KNOWN_HOSTS]


def _route(target: Target, login: Login) -> _Route:
    config = _ssh_config(target.host, login.ssh_config.expanduser())
    host = str(config.get("hostname", target.host))
    port = target.port or _port(str(config.get("port", 22)), login.ssh_config)
    user = target.user or str(config.get("user") or getpass.getuser())
    proxy, jump = config.get("proxycommand"), config.get("proxyjump")
    if jump and str(jump).lower() != "none":
        proxy = _through(str(jump), f"[{host}]:{port}")
    if login.identity is not None:
        if not login.identity.is_file():
            raise UsageError(f"--identity must name a private key file, got {login.identity}, which is not there")
        identities = [str(login.identity)]
    else:
        identities = [name for name in config.get("identityfile", []) if Path(name).is_file()]
    return _Route(host, port, user, tuple(identities), str(proxy) if proxy and str(proxy).lower() != "none" else None)


def _through(jump: str, to: str) -> str:
    """The command that reaches ``to`` by ssh_config(5)'s ProxyJump: ``[user@]host[:port]``, several with commas."""
    *earlier, last = (hop.strip() for hop in jump.split(","))
    by = ["-J", ",".join(earlier)] if earlier else []
    return shlex.join(["ssh", *by, "-W", to, last if last.startswith("ssh://") else f"ssh://{last}"])


def _port(text: str, file: Path) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 65535):
        raise FlashError(f"a port must be a number from 1 to 65535, got {text} in {file}")
    return int(text)


def _ssh_config(host: str, file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        return dict(paramiko.SSHConfig.from_path(str(file)).lookup(host))
    except (paramiko.ConfigParseError, paramiko.CouldNotCanonicalize, OSError) as error:
        raise FlashError(f"{file} cannot be understood: {error}; name another with --ssh-config") from error


def _socket(route: _Route, timeout: float) -> socket.socket | paramiko.ProxyCommand:
    if route.proxy:
        return paramiko.ProxyCommand(route.proxy)
    sock = socket.create_connection((route.host, route.port), timeout=timeout)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A board whose power was cut answers nothing: with the keepalives this finds out in half a minute.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
    return sock


def _send(channel: paramiko.Channel, stdin: bytes | IO[bytes]) -> None:
    # A command that ends before it has read all says why on its standard error; that matters more than the broken pipe.
    with contextlib.suppress(OSError):
        if isinstance(stdin, bytes):
            channel.sendall(stdin)
        else:
            while block := stdin.read(_BLOCK):
                channel.sendall(block)
        channel.shutdown_write()


def _read_lines(channel: paramiko.Channel, on_line: Callable[[str], None] | None) -> list[str]:
    lines = []
    for raw in channel.makefile("rb"):
        line = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
        lines.append(line)
        if on_line:
            on_line(line.rstrip())
    return lines


# Most specific first: the first class that fits gives the message.
_MESSAGES: tuple[tuple[type[Exception], str], ...] = (
    (paramiko.PasswordRequiredException, "the private key is encrypted; run on a terminal, or load it into ssh-agent"),
    (
        paramiko.AuthenticationException,
        "it does not let us in ({error}); put your key there with ssh-copy-id, name another with --identity, or run on "
        "a terminal to be asked for the password",
    ),
    (paramiko.ProxyCommandFailure, "the proxy of ~/.ssh/config failed: {error}"),
    (paramiko.ssh_exception.IncompatiblePeer, "its SSH server speaks no algorithm in common with us: {error}"),
    (paramiko.ChannelException, "it refuses to run commands: {error}"),
    (paramiko.SSHException, "SSH failed: {error}"),
    (UnicodeError, "that is no name of a host"),
    (socket.gaierror, "there is no host of that name ({error.strerror}); is the board on, and in this network?"),
    (ConnectionRefusedError, "nothing listens on that port; is SSH enabled on the board (sudo raspi-config)?"),
    (TimeoutError, "it does not answer; is the board on, and in this network?"),
    (EOFError, "the connection was lost; try again"),
    (OSError, "the connection failed: {error}"),
)


@contextlib.contextmanager
def mapped_errors(where: str) -> Iterator[None]:
    """Turn what paramiko and sockets raise within the block into :class:`FlashError`, naming ``where`` it happened."""
    try:
        yield
    except FlashError:
        raise
    except tuple(kind for kind, _ in _MESSAGES) as error:
        message = next(text for kind, text in _MESSAGES if isinstance(error, kind))
        raise FlashError(f"{where}: {message.format(error=error)}") from error
