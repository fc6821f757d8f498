"""The seam: what every kind of source is read through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from hawklet_trainer.data.importing.intake import Intake
from hawklet_trainer.data.index import IndexRow


class Importer(ABC):
    """One kind of source.

    An implementer must provide

    * :attr:`kind` and :attr:`summary`;
    * :meth:`rows`.

    It may be a frozen dataclass, whose fields are its options on the command line, with what :func:`described` says as
    their metadata: ``min_side: int`` is ``--min-side``. It is made known in
    :data:`hawklet_trainer.data.importing.registry.IMPORTERS`.
    """

    kind: ClassVar[str]
    """What ``hawklet data import`` calls it."""
    summary: ClassVar[str]
    """One line of help."""

    @abstractmethod
    def rows(self, source: Path, intake: Intake) -> Iterator[IndexRow]:
        """The pictures of a source, one after the other, never all in memory.

        Classes are bound by the names that the source gives them, never by position. Whatever a picture or box is not
        taken for goes to ``intake.leave_out``, what was guessed to ``intake.note``, and pictures that are no files yet
        are written by ``intake.keep``. Nothing of the source is changed.

        Args:
            source: A file or folder that exists, absolute.
            intake: Who is told.

        Raises:
            DataError: the source is not of this kind, or is damaged so that its labels cannot be trusted.
        """


def described(
    help: str, *, at_least: float | None = None, at_most: float | None = None, choices: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The metadata of a field that is an option: what ``--help`` says of it, and what the command line takes."""
    return {"help": help, "at_least": at_least, "at_most": at_most, "choices": choices}
