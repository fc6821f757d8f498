"""Imports of small sources, each of which is found as it was left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hawklet_trainer.data.importing import Importer, Record, import_photos
from hawklet_trainer.data.index import INDEX, IndexRow, read_index


@dataclass(frozen=True)
class Imported:
    """What an import came to."""

    folder: Path
    record: Record
    rows: list[IndexRow]

    def labels(self) -> dict[str, str]:
        """Path from the source or the import on -> label."""
        source = Path(self.record.source)
        roots = [self.folder, source if source.is_dir() else source.parent]
        return {_below(row.place.path, roots): row.label for row in self.rows}

    def left_out(self) -> dict[str, int]:
        """Reason -> count."""
        return {left["reason"]: left["count"] for left in self.record.left_out}


def _below(path: Path, roots: list[Path]) -> str:
    return next(path.relative_to(root).as_posix() for root in roots if root in path.parents)


def _snapshot(source: Path) -> dict[str, tuple[int, int]]:
    paths = [source, *source.rglob("*")]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


@pytest.fixture
def bring_in(tmp_path: Path) -> Callable[..., Imported]:
    """Import into ``tmp_path / "imported"``; fails where the source was touched."""

    def run(importer: Importer, source: Path) -> Imported:
        before, folder = _snapshot(source), tmp_path / "imported"
        record = import_photos(importer, source, folder)
        assert _snapshot(source) == before
        return Imported(folder, record, list(read_index(folder / INDEX)))

    return run
