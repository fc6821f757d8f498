"""A folder with one folder of pictures per class, with or without folders of splits above them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hawklet.errors import DataError
from hawklet_trainer.data.importing.importer import Importer
from hawklet_trainer.data.importing.intake import Intake
from hawklet_trainer.data.importing.reasons import MISSING, NO_PICTURE
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.listing import ONE_FOLDER_PER_CLASS, holds_pictures, stream_photos


@dataclass(frozen=True)
class ClassFolders(Importer):
    """``<class>/...`` or ``{train,val,test}/<class>/...``: what ``hawklet train`` takes without an import."""

    kind: ClassVar[str] = "folder"
    summary: ClassVar[str] = f"{ONE_FOLDER_PER_CLASS[0].upper()}{ONE_FOLDER_PER_CLASS[1:]}, with or without splits."

    def rows(self, source: Path, intake: Intake) -> Iterator[IndexRow]:
        """See :meth:`Importer.rows`."""
        count = 0
        for row in stream_photos(source, skipped=lambda path: intake.leave_out(NO_PICTURE, _name(path, source))):
            count += 1
            # os.path's, since a million of Path's take long; a link may lead nowhere, and an index name anything.
            if os.path.isfile(row.place.path):  # noqa: PTH113
                yield row
            else:
                intake.leave_out(MISSING, _name(row.place.path, source))
        if not count and source.is_dir() and holds_pictures(source):
            raise DataError(
                f"{source} must be {ONE_FOLDER_PER_CLASS}, got pictures in no class's folder; put each class's "
                "pictures into a folder of its own"
            )


def _name(path: Path, source: Path) -> str:
    return path.relative_to(source).as_posix() if path.is_relative_to(source) else str(path)
