from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from hawklet.safefiles import atomic_file, require_writable, sha256_of, write_json, write_text


def test_an_error_while_writing_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_text(target, "old")
    with pytest.raises(RuntimeError), atomic_file(target) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_folders_are_made_and_the_file_is_readable_by_others(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "c.txt"
    write_text(target, "text")
    assert target.stat().st_mode & 0o044


def test_json_refuses_nan_and_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    write_json(target, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"a": float("nan")})
    assert json.loads(target.read_text()) == {"a": 1}


def test_sha256_is_the_known_one(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_of(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_place_that_cannot_be_written_is_named_as_the_user_named_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for target in (tmp_path, tmp_path / "file" / "below.json"):
        for write in (require_writable, lambda path: write_text(path, "x")):
            with pytest.raises(OSError) as caught:
                write(target)
            assert caught.value.filename == str(target)
    target = tmp_path / "new.json"
    require_writable(target)
    assert not target.exists()
    assert (tmp_path / "file").read_text() == "kept"


def test_what_is_no_regular_file_is_refused_and_left(tmp_path: Path) -> None:
    """A rename would put a file in a device's place, for every program."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    for target in (pipe, link, Path("/dev/null")):
        for write in (require_writable, lambda path: write_text(path, "x")):
            with pytest.raises(OSError, match="only a regular file can be written over; name another") as caught:
                write(target)
            assert caught.value.filename == str(target)
    assert pipe.is_fifo() and link.is_symlink() and Path("/dev/null").is_char_device()
    assert sorted(tmp_path.iterdir()) == [link, pipe]


def test_trying_a_place_leaves_no_folders(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b" / "c.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_the_file_and_leaves_no_folders(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "c.txt"
    with pytest.raises(OSError, match="free some, or name another place") as caught, atomic_file(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(target)
    assert list(tmp_path.iterdir()) == []
