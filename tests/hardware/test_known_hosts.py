"""Host keys on record, read as sshd(8) describes them."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from hawklet.errors import HostKeyError
from hawklet_hardware.known_hosts import HostKeys, fingerprint, host_name

KIND = "ssh-ed25519"
KEY, OTHER = b"key one", b"key two"


def record(tmp_path: Path, *lines: str) -> HostKeys:
    file = tmp_path / "known_hosts"
    text = (
        "\n".join(lines)
        .replace("KEY", base64.b64encode(KEY).decode())
        .replace("OTHER", base64.b64encode(OTHER).decode())
    )
    file.write_text(text + "\n")
    return HostKeys([file])


@pytest.mark.parametrize(
    ("line", "host"),
    [
        (f"pi {KIND} KEY", "pi"),
        (f"pi,10.0.0.7 {KIND} KEY a comment", "10.0.0.7"),
        (f"*.lab {KIND} KEY", "pi.lab"),
        (f"[pi]:2222 {KIND} KEY", host_name("PI", 2222)),
        (f"pi? {KIND} KEY", "pi5"),
    ],
)
def test_a_key_on_record_is_accepted(tmp_path: Path, line: str, host: str) -> None:
    record(tmp_path, line).verify(host, KIND, KEY)


@pytest.mark.parametrize(
    ("line", "host"),
    [
        (f"pi {KIND} KEY", "pi5"),
        (f"*.lab,!pi.lab {KIND} KEY", "pi.lab"),
        (f"pi {KIND} KEY", host_name("pi", 2222)),
        (f"# pi {KIND} KEY", "pi"),
        (f"@cert-authority pi {KIND} KEY", "pi"),
        (f"pi {KIND} not-base64!", "pi"),
        ("pi", "pi"),
    ],
)
def test_a_host_without_a_line_of_its_own_is_unknown(tmp_path: Path, line: str, host: str) -> None:
    with pytest.raises(HostKeyError, match="must be known"):
        record(tmp_path, line).verify(host, KIND, KEY)


def test_another_key_than_the_one_on_record_is_refused_with_both_fingerprints(tmp_path: Path) -> None:
    with pytest.raises(HostKeyError) as caught:
        record(tmp_path, f"pi {KIND} KEY").verify("pi", KIND, OTHER)
    assert fingerprint(KEY) in str(caught.value) and fingerprint(OTHER) in str(caught.value)
    assert "line 1" in str(caught.value)


def test_a_key_of_another_type_does_not_count_as_new(tmp_path: Path) -> None:
    keys = record(tmp_path, f"pi {KIND} KEY")
    assert keys.types("pi") == [KIND]
    with pytest.raises(HostKeyError, match="another SSH host key"):
        keys.verify("pi", "ssh-rsa", OTHER)


def test_any_of_several_keys_on_record_will_do(tmp_path: Path) -> None:
    record(tmp_path, f"pi {KIND} OTHER", f"pi {KIND} KEY").verify("pi", KIND, KEY)


def test_a_revoked_key_is_refused_although_it_is_on_record(tmp_path: Path) -> None:
    with pytest.raises(HostKeyError, match="@revoked"):
        record(tmp_path, f"pi {KIND} KEY", f"@revoked * {KIND} KEY").verify("pi", KIND, KEY)


def test_names_hashed_by_ssh_keygen_are_found(tmp_path: Path) -> None:
    from loopback_sshd import make_key

    make_key(tmp_path / "key")
    kind, key = (tmp_path / "key.pub").read_text().split()[:2]
    file = tmp_path / "known_hosts"
    file.write_text(f"pi {kind} {key}\n[pi]:2222 {kind} {key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "pi" not in [line.split()[0] for line in file.read_text().splitlines()]
    keys = HostKeys([file])
    keys.verify("pi", kind, base64.b64decode(key))
    keys.verify("[pi]:2222", kind, base64.b64decode(key))
    with pytest.raises(HostKeyError):
        keys.verify("pi2", kind, base64.b64decode(key))


def test_a_key_that_was_stored_is_the_only_one_accepted_from_then_on(tmp_path: Path) -> None:
    file = tmp_path / "known"
    keys = HostKeys([file], accept_new=True)
    keys.verify("board", "ssh-ed25519", b"one")
    keys.verify("board", "ssh-ed25519", b"one")
    with pytest.raises(HostKeyError, match="another SSH host key"):
        keys.verify("board", "ssh-ed25519", b"two")
    assert len(file.read_text().splitlines()) == 1


def test_a_stored_key_starts_a_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("a line without an end")
    HostKeys([file], accept_new=True).verify("pi", KIND, KEY)
    assert file.read_text().splitlines()[1].startswith("pi ssh-ed25519 ")
    HostKeys([file]).verify("pi", KIND, KEY)
