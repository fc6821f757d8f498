"""Connections to a real sshd: who is trusted, who is let in, and what happens when the line breaks."""

from __future__ import annotations

import io
import logging
import socket
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import paramiko
import pytest

from hawklet.errors import FlashError, HostKeyError, UsageError
from hawklet_hardware import ssh
from hawklet_hardware.ssh import Connection, Login, Target
from loopback_sshd import Sshd, make_key

PASSWORD = "correct horse"  # noqa: S105 -- of a server that lives for one test


@pytest.fixture
def connection(sshd: Sshd) -> Iterator[Connection]:
    with Connection(sshd.target, sshd.login()) as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("pi@raspberrypi.local", Target("raspberrypi.local", "pi")),
        ("pi5", Target("pi5")),
        ("me@10.0.0.7:2222", Target("10.0.0.7", "me", 2222)),
        ("pi@[fe80::1%eth0]:22", Target("fe80::1%eth0", "pi", 22)),
    ],
)
def test_a_board_is_named_as_ssh_users_do(text: str, target: Target) -> None:
    assert Target.parse(text) == target
    assert str(target) == text


@pytest.mark.parametrize(
    "text", ["", "@host", "a@b@c", "pi@host:0", "pi@host:70000", "pi@host:x", "-oProxy=x", "p i@h"]
)
def test_anything_else_is_no_board(text: str) -> None:
    with pytest.raises(UsageError, match="user@host"):
        Target.parse(text)


def test_an_unknown_host_key_is_refused_with_its_fingerprint_and_the_way_out(sshd: Sshd, tmp_path: Path) -> None:
    shown = sha256_fingerprint(sshd)
    with pytest.raises(HostKeyError) as caught:
        Connection(sshd.target, sshd.login(known_hosts=tmp_path / "known"))
    assert shown in str(caught.value) and "--accept-new-host-key" in str(caught.value)
    assert not (tmp_path / "known").exists()


def test_a_new_host_key_is_stored_when_that_is_asked_for_and_then_known(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "ssh" / "known"
    with Connection(sshd.target, sshd.login(known_hosts=known, accept_new_host_key=True)) as first:
        assert first.stored_host_key is not None and sha256_fingerprint(sshd) in first.stored_host_key
    assert known.read_text() == f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n"
    assert known.stat().st_mode & 0o777 == 0o600
    with Connection(sshd.target, sshd.login(known_hosts=known)) as second:
        assert second.stored_host_key is None


def test_a_changed_host_key_is_refused_even_when_new_ones_are_accepted(sshd: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{sshd.port} {other}\n")
    with pytest.raises(HostKeyError, match=r"shows another SSH host key .* ssh-keygen -R"):
        Connection(sshd.target, sshd.login(known_hosts=known, accept_new_host_key=True))
    assert known.read_text() == f"[127.0.0.1]:{sshd.port} {other}\n"


def test_a_key_that_opens_nothing_is_said_so(sshd: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    with pytest.raises(FlashError, match=r"does not let us in .* ssh-copy-id"):
        Connection(sshd.target, sshd.login(identity=tmp_path / "stranger"))


def test_a_key_file_that_is_not_there_is_a_usage_error(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--identity"):
        Connection(sshd.target, sshd.login(identity=tmp_path / "missing"))


def test_a_port_where_nothing_listens_is_said_so(sshd: Sshd) -> None:
    with pytest.raises(FlashError, match="is SSH enabled"):
        Connection(Target("127.0.0.1", "pi", 1), sshd.login())


def test_something_that_is_no_ssh_server_is_said_so_in_time(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = Target("127.0.0.1", "pi", silent.getsockname()[1])
        with pytest.raises(FlashError, match=r"SSH failed|does not answer"):
            Connection(target, sshd.login(connect_timeout=0.5))


def test_the_ssh_configuration_of_the_user_is_honoured(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"Host bench-pi\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.target.user}\n"
        f" IdentityFile {sshd.identity}\n"
    )
    login = Login(known_hosts=sshd.known_hosts, ssh_config=config)
    with Connection(Target("bench-pi"), login) as connection:
        assert connection.run(["echo", "hello"]).stdout == "hello\n"


def test_words_arrive_as_they_are_whatever_they_hold(connection: Connection) -> None:
    words = ["a b", "$HOME", "'", '"', "`id`", "; exit 3", "*", "é"]
    assert connection.run(["printf", "%s\n", *words]).stdout.splitlines() == words


def test_a_command_that_fails_is_reported_not_raised(connection: Connection) -> None:
    result = connection.run("echo out; echo first >&2; echo why >&2; exit 7")
    assert (result.exit_status, result.stdout, result.last_words) == (7, "out\n", "why")


def test_a_program_killed_by_a_signal_is_no_lost_connection(connection: Connection) -> None:
    assert connection.run("sh -c 'kill -SEGV $$'").exit_status == 128 + 11


def test_lines_come_one_by_one(connection: Connection) -> None:
    heard: list[str] = []
    connection.run("echo one; echo two", on_line=heard.append)
    assert heard == ["one", "two"]


def test_silence_beyond_the_limit_ends_the_wait(connection: Connection) -> None:
    with pytest.raises(FlashError, match="does not answer"):
        connection.run("sleep 5", silence_s=0.2)


def test_a_file_arrives_whole(connection: Connection, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    path = tmp_path / "a folder" / "it's here"
    connection.upload(io.BytesIO(data), str(path), sha256(data).hexdigest())
    assert path.read_bytes() == data
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_arrives_damaged_is_not_kept(connection: Connection, tmp_path: Path) -> None:
    path = tmp_path / "there" / "file"
    with pytest.raises(FlashError, match="what arrived there is not what was sent"):
        connection.upload(b"one", str(path), sha256(b"two").hexdigest())
    assert list(path.parent.iterdir()) == []


def test_a_connection_cut_in_the_middle_of_a_file_leaves_nothing(connection: Connection, tmp_path: Path) -> None:
    class Cut(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1 << 20:
                connection.close()
            return super().read(size)

    path = tmp_path / "there" / "file"
    data = bytes(4 << 20)
    with pytest.raises(FlashError):
        connection.upload(Cut(data), str(path), sha256(data).hexdigest())
    for _ in range(100):
        if path.parent.exists() and not list(path.parent.iterdir()):
            break
        threading.Event().wait(0.05)
    assert list(path.parent.iterdir()) == []


def test_a_full_or_forbidden_folder_is_said_in_the_words_of_the_board(connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FlashError, match=r"could not be stored .* (Not a directory|File exists)"):
        connection.upload(b"x", str(tmp_path / "file" / "x"), sha256(b"x").hexdigest())


class _PasswordServer(paramiko.ServerInterface):
    """Lets in whoever knows the password, and no key."""

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if password == PASSWORD else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"


@pytest.fixture
def password_server(tmp_path: Path) -> Iterator[tuple[Target, Path]]:
    make_key(tmp_path / "host")
    key = paramiko.Ed25519Key.from_private_key_file(str(tmp_path / "host"))
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    transports: list[paramiko.Transport] = []

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(sock)
            transport.add_server_key(key)
            # With an event it does not wait: a client that leaves early must not end this loop.
            transport.start_server(event=threading.Event(), server=_PasswordServer())
            transports.append(transport)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
    yield Target("127.0.0.1", "pi", port), known
    listener.close()
    for transport in transports:
        transport.close()


def test_where_keys_fail_the_password_is_asked_for_once_and_goes_into_no_log(
    password_server: tuple[Target, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    target, known = password_server
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return PASSWORD

    login = Login(known_hosts=known, ssh_config=tmp_path / "none", ask=ask)
    with caplog.at_level(logging.DEBUG), Connection(target, login) as connection:
        assert connection.user == "pi"
    assert asked == ["Password of pi on 127.0.0.1"]
    assert PASSWORD not in caplog.text and PASSWORD not in repr(login)


def test_an_encrypted_key_in_the_usual_place_leaves_the_password(
    password_server: tuple[Target, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    paramiko.RSAKey.generate(2048).write_private_key_file(str(tmp_path / ".ssh" / "id_rsa"), password="locked")  # noqa: S106 -- the test's own
    target, known = password_server
    login = Login(known_hosts=known, ssh_config=tmp_path / "none", ask=lambda prompt: PASSWORD)
    with Connection(target, login) as connection:
        assert connection.user == "pi"


@pytest.mark.parametrize(
    ("jump", "command"),
    [
        ("gate", "ssh -W '[board]:22' ssh://gate"),
        ("me@gate:2222", "ssh -W '[board]:22' ssh://me@gate:2222"),
        ("one,me@two:2222", "ssh -J one -W '[board]:22' ssh://me@two:2222"),
    ],
)
def test_jumps_are_made_as_ssh_makes_them(jump: str, command: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host pi\n  HostName board\n  ProxyJump {jump}\n")
    assert ssh._route(Target("pi", "pi"), Login(ssh_config=config)).proxy == command


def test_a_port_and_a_name_that_are_none_are_said_so(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host pi\n  Port abc\n")
    with pytest.raises(FlashError, match="a port must be a number"):
        Connection(Target("pi", "pi"), Login(ssh_config=config))
    with pytest.raises(FlashError, match="no name of a host"):
        Connection(Target("raspberrypi..local", "pi"), Login(ssh_config=tmp_path / "none"))


def test_a_wrong_password_and_nobody_to_ask_are_both_refused(
    password_server: tuple[Target, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    target, known = password_server
    login: dict[str, Any] = {"known_hosts": known, "ssh_config": tmp_path / "none"}
    with pytest.raises(FlashError, match="does not let us in"):
        Connection(target, Login(**login, ask=lambda prompt: "wrong"))
    with pytest.raises(FlashError, match=r"does not let us in .* on a terminal"):
        Connection(target, Login(**login))


def sha256_fingerprint(sshd: Sshd) -> str:
    """As ssh-keygen itself shows it."""
    import subprocess

    command = ["ssh-keygen", "-lf", str(sshd.folder / "host_key.pub")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]
