"""Files that are either whole or absent: write to a temporary name beside the target, fsync, rename."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary file for writing that replaces ``path`` only when the block ends without an error."""
    target = Path(path)
    with _no_folders_left(target), full_disk_named(target):
        descriptor, temporary = _make_temporary(target)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes it private; a result is an ordinary file
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def require_writable(path: str | os.PathLike[str]) -> None:
    """Raise OSError if :func:`atomic_file` could not write ``path``; what is there is left as it is."""
    target = Path(path)
    missing = _missing_folders(target)
    with _no_folders_left(target):
        descriptor, temporary = _make_temporary(target)
        os.close(descriptor)
        Path(temporary).unlink()
    _remove_empty(missing)


@contextlib.contextmanager
def full_disk_named(target: Path) -> Iterator[None]:
    """Name the target, which is what the user named, and a way out in the block's error of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        text = f"{os.strerror(error.errno)}; free some, or name another place"
        raise OSError(error.errno, text, str(target)) from error


@contextlib.contextmanager
def _no_folders_left(target: Path) -> Iterator[None]:
    """Take the folders that were made for a target away again if the block ends with an error."""
    missing = _missing_folders(target)
    try:
        yield
    except BaseException:
        _remove_empty(missing)
        raise


def _missing_folders(target: Path) -> list[Path]:
    """Those that writing it would make, the innermost first."""
    # Unlike Path's, os.path's does not raise for one that may not be looked into.
    return list(itertools.takewhile(lambda folder: not os.path.exists(folder), target.parents))  # noqa: PTH110


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # something is in it by now, or it was never made
            folder.rmdir()


def _make_temporary(target: Path) -> tuple[int, str]:
    """A file beside the target; errors name the target, which is what the user named."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.exists() and not target.is_file():  # such as /dev/null, which a rename would replace for everyone
        raise OSError(errno.EINVAL, "only a regular file can be written over; name another", str(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all."""
    with atomic_file(path) as stream:
        stream.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 ``text`` to ``path``, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write ``data`` as indented JSON to ``path``, whole or not at all; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, hexadecimal, read in blocks of 1 MiB."""
    with Path(path).open("rb") as stream:
        return sha256_of_stream(stream).hex()


def sha256_of_stream(stream: IO[bytes]) -> bytes:
    """SHA-256 of the rest of a stream, 32 bytes, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.digest()
