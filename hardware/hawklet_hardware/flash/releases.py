"""Releases on a board: what is kept, which one is current, and how that changes atomically.

::

    PREFIX/                         ~/.local/share/hawklet
    ├── envs/KEY/                   a virtual environment; KEY names the wheel, the engine and the Python it was made of
    ├── releases/ID/
    │   ├── bundle/                 the unpacked bundle
    │   ├── start                   shell script: which interpreter runs it, from which source
    │   └── release.json            see Release
    ├── current -> releases/ID      the only thing that decides what runs
    ├── history                     IDs in the order they were first made current, newest last
    ├── data/                       working folder of the running classifier
    └── incoming/                   uploads; empty between flashes

ID is the first 16 digits of the bundle's sha256, a dash, and 8 digits that name everything else that matters
(environment, interpreter, arguments of ``hawklet run``): a release never changes once it is made. This module needs
the standard library alone beside :mod:`hawklet`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hawklet.bundle import Bundle
from hawklet.errors import BundleError, FlashError, HawkletError
from hawklet.safefiles import write_text

SCHEMA = "hawklet-release/1"
_ID = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}")


@dataclass(frozen=True)
class Release:
    """What ``release.json`` holds."""

    id: str
    model: str
    """The bundle's name."""
    bundle_sha256: str
    hawklet_version: str
    python: str
    """Absolute path of the interpreter that runs it."""
    env: str | None
    """Key of its environment under ``envs``; None = an interpreter that was there before."""
    run: tuple[str, ...]
    """Arguments of ``hawklet run`` after the bundle."""

    @property
    def variant(self) -> str | None:
        """The model of the bundle that ``run`` asks for by name; None = the first whose engine is there."""
        return variant_of(self.run)

    @classmethod
    def make(
        cls, *, model: str, bundle_sha256: str, hawklet_version: str, python: str, env: str | None, run: Sequence[str]
    ) -> Release:
        """A release, named by what it is made of."""
        rest = json.dumps([hawklet_version, python, env, list(run)])
        made_id = f"{bundle_sha256[:16]}-{hashlib.sha256(rest.encode()).hexdigest()[:8]}"
        return cls(made_id, model, bundle_sha256, hawklet_version, python, env, tuple(run))

    @classmethod
    def from_dict(cls, data: Any) -> Release:
        """Inverse of :meth:`to_dict`.

        Raises:
            FlashError: it is not a release of this layout.
        """
        try:
            if data["schema"] != SCHEMA or not _ID.fullmatch(data["id"]):
                raise ValueError(f"schema {data['schema']}, id {data['id']}")
            return cls(
                id=data["id"],
                model=str(data["model"]),
                bundle_sha256=str(data["bundle_sha256"]),
                hawklet_version=str(data["hawklet_version"]),
                python=str(data["python"]),
                env=None if data["env"] is None else str(data["env"]),
                run=tuple(str(word) for word in data["run"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FlashError(f"a release.json must be of {SCHEMA}, this one is not ({error!r})") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"schema": SCHEMA, **asdict(self), "run": list(self.run)}


def variant_of(run: Sequence[str]) -> str | None:
    """What ``--variant`` names among arguments of ``hawklet run``; None = it is not given."""
    for word, following in zip(run, [*run[1:], None], strict=True):
        if word == "--variant":
            return following
        if word.startswith("--variant="):
            return word.partition("=")[2]
    return None


class Store:
    """The releases under one prefix on this machine.

    Args:
        prefix: Absolute path of hawklet's folder.
    """

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix

    @property
    def link(self) -> Path:
        """``current``."""
        return self.prefix / "current"

    def folder(self, release_id: str) -> Path:
        """Where a release is kept.

        Raises:
            FlashError: that is no release's name.
        """
        if not _ID.fullmatch(release_id):
            raise FlashError(f"a release is named by 16 and 8 hexadecimal digits, got {release_id!r}")
        return self.prefix / "releases" / release_id

    def current(self) -> str | None:
        """ID of the current release; None before the first flash."""
        try:
            return self.link.readlink().name
        except OSError:
            return None

    def history(self) -> list[str]:
        """IDs in the order they were first made current, newest last."""
        try:
            return (self.prefix / "history").read_text(encoding="utf-8").split()
        except FileNotFoundError:
            return []

    def read(self, release_id: str) -> Release:
        """The record of a release.

        Raises:
            FlashError: it is not there, or malformed.
        """
        try:
            return Release.from_dict(json.loads((self.folder(release_id) / "release.json").read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise FlashError(f"release {release_id} is not on this board, or damaged ({error})") from error

    def add(self, release: Release, bundle: Path) -> Path:
        """Unpack a bundle as a release, every file checked against its digest; nothing runs it yet.

        Args:
            release: Its record.
            bundle: The uploaded bundle file.

        Returns:
            The release's folder, complete; one that was already there and whole is left as it is.

        Raises:
            BundleError: a file of the bundle is missing or differs.
        """
        folder = self.folder(release.id)
        if self._is_whole(release):
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{release.id}.", dir=folder.parent))
        try:
            Bundle.open(bundle).unpack(part / "bundle")
            write_text(part / "start", _start_script(release, folder))
            write_text(part / "release.json", json.dumps(release.to_dict()) + "\n")
            _sync_tree(part)  # what `current` will name must be on the disk before the link is
            if folder.exists():
                shutil.rmtree(folder)  # damaged, as found above
            part.replace(folder)
            _sync(folder.parent)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return folder

    def _is_whole(self, release: Release) -> bool:
        try:
            Bundle.open(self.folder(release.id) / "bundle").verify()
            return self.read(release.id) == release and (self.folder(release.id) / "start").is_file()
        except (BundleError, FlashError):
            return False

    def switch(self, release_id: str | None) -> None:
        """Make a release current in one step that cannot be seen half done; None takes the link away."""
        if release_id is None:
            self.link.unlink(missing_ok=True)
            return
        temporary = self.prefix / f".current.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(Path("releases") / self.folder(release_id).name)
        temporary.replace(self.link)
        _sync(self.prefix)

    def remember(self, release_id: str, before: str | None = None) -> None:
        """Note a release as the newest, and ``before``, which was current until now, as the one to go back to."""
        newest = [before, release_id] if before and before != release_id else [release_id]
        kept = [known for known in self.history() if known not in newest]
        write_text(self.prefix / "history", "\n".join([*kept, *newest]) + "\n")

    def prune(self, keep: int) -> list[str]:
        """Delete all but the newest releases and the current one, and environments that none of them uses.

        Returns:
            IDs of the releases that were deleted.
        """
        history = self.history()
        kept = {*history[-keep:], self.current()}
        write_text(self.prefix / "history", "".join(f"{known}\n" for known in history if known in kept))
        for folder in (self.prefix / "releases").iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)
        self._prune_environments([known for known in kept if known])
        shutil.rmtree(self.prefix / "incoming", ignore_errors=True)
        return [known for known in history if known not in kept]

    def discard(self, release_id: str) -> None:
        """Delete a release that failed its check; one that was good before stays."""
        if release_id not in [*self.history(), self.current()]:
            shutil.rmtree(self.folder(release_id), ignore_errors=True)

    def _prune_environments(self, kept: Sequence[str]) -> None:
        try:
            used = {self.read(release_id).env for release_id in kept}
        except HawkletError:
            return  # one record is damaged, so which environment it needs is unknown: all stay
        folder = self.prefix / "envs"
        for environment in folder.iterdir() if folder.is_dir() else []:
            if environment.name not in used:
                shutil.rmtree(environment, ignore_errors=True)


def _start_script(release: Release, folder: Path) -> str:
    # Absolute paths of this very release: a later switch of `current` cannot mix two releases in a running process.
    words = [release.python, "-m", "hawklet", "run", str(folder / "bundle"), *release.run]
    return f'#!/bin/sh\n# Runs release {release.id}; hawklet.service starts it.\nexec {shlex.join(words)} "$@"\n'


def _sync_tree(folder: Path) -> None:
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            _sync(Path(parent, name))
        _sync(Path(parent))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
