"""A folder with one folder of pictures per class, with or without folders of splits above them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hawklet_trainer.data.importing.importer import Importer
from hawklet_trainer.data.importing.intake import Intake
from hawklet_trainer.data.importing.reasons import NO_PICTURE
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.listing import ONE_FOLDER_PER_CLASS, stream_photos


@dataclass(frozen=True)
class ClassFolders(Importer):
    """``<class>/...`` or ``{train,val,test}/<class>/...``: what ``hawklet train`` takes without an import."""

    kind: ClassVar[str] = "folder"
    summary: ClassVar[str] = f"{ONE_FOLDER_PER_CLASS[0].upper()}{ONE_FOLDER_PER_CLASS[1:]}, with or without splits."

    def rows(self, source: Path, intake: Intake) -> Iterator[IndexRow]:
        """See :meth:`Importer.rows`."""
        yield from stream_photos(
            source, skipped=lambda path: intake.leave_out(NO_PICTURE, path.relative_to(source).as_posix())
        )
