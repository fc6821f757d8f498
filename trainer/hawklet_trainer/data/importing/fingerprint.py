"""A cheap fingerprint of a source, which changes when a file of it does."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from hawklet_trainer.data.listing import walk


def fingerprint(source: Path, without: Path) -> str:
    """SHA-256 over names, sizes and times of change; contents are not read.

    Args:
        source: A file, or a folder with all that is below it but hidden files.
        without: A folder whose files do not count, since they are written there meanwhile.
    """
    digest = hashlib.sha256()
    begin, elsewhere = len(str(source)), f"{without}{os.sep}"
    for path in (source,) if source.is_file() else walk(source):
        name = str(path)
        if not name.startswith(elsewhere):
            facts = _facts(path)
            line = f"{name[begin:]}\0{facts.st_size}\0{facts.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _facts(path: Path) -> os.stat_result:
    """Of what a link leads to, or of the link itself where it leads nowhere."""
    try:
        return path.stat()
    except OSError:
        return path.lstat()
