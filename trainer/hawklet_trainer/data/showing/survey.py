"""All that ``hawklet data show`` finds out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawklet.errors import DataError, ImageError
from hawklet.images import ImageHeader
from hawklet_trainer.data.importing.recognise import refuse_foreign
from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.listing import (
    EACH_INTO_ITS_FOLDER,
    ONE_FOLDER_PER_CLASS,
    folders_of_classes,
    holds_pictures,
    stream_photos,
)
from hawklet_trainer.data.photo_set import WORKERS
from hawklet_trainer.data.place import Place
from hawklet_trainer.data.showing.contact_sheets import (
    MOST_SHEETS,
    ContactSheet,
    Layout,
    contact_sheet,
    lay_out,
)
from hawklet_trainer.data.showing.sampling import Sample, pick
from hawklet_trainer.data.showing.sizes import Sizes
from hawklet_trainer.data.tally import Tally, counted, escaped

if TYPE_CHECKING:
    from hawklet_trainer.augment.sheet import Sheet

SCHEMA = "hawklet-data-show/1"
MOST_HEADERS = 20_000
"""Pictures whose files' beginnings are read, for sizes and formats."""


@dataclass(frozen=True)
class Survey:
    """Photos, counted and sampled."""

    source: str
    """As it was named, printable."""
    tally: Tally
    sizes: Sizes | None
    """None where no picture could be opened."""
    layout: Layout
    sheets: tuple[ContactSheet, ...]
    unreadable: tuple[str, ...]
    """One line for each picture among the sampled ones that cannot be read."""

    @property
    def splits(self) -> dict[str, str]:
        """Splits with pictures, and what their counts are called."""
        alone = len(self.tally.splits) == 1
        return {split: split or ("pictures" if alone else "in no split") for split in self.tally.splits}

    @property
    def by_size(self) -> list[tuple[str, int]]:
        """Classes and their pictures in all splits, the largest first."""
        counts = {label: self.tally.counts[label].total() for label in self.tally.classes}
        return sorted(counts.items(), key=lambda item: -item[1])

    @property
    def imbalance(self) -> float:
        """How many times the pictures of the smallest class that has any the largest has."""
        sizes = [count for _, count in self.by_size if count]
        return sizes[0] / sizes[-1]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        total = self.tally.total
        classes = {
            escaped(label): {
                "pictures": count,
                "share": round(count / total, 6),
                "splits": {split: self.tally.counts[label][split] for split in self.tally.splits},
            }
            for label, count in self.by_size
        }
        return {
            "schema": SCHEMA,
            "source": self.source,
            "pictures": total,
            "splits": {split: self.tally.of_split(split) for split in self.tally.splits},
            "classes": classes,
            "imbalance": round(self.imbalance, 3),
            "sizes": self.sizes and self.sizes.to_dict(),
            "unreadable": list(self.unreadable),
        }


def survey(source: Path, per_class: int, seed: int, say: Callable[[str], None]) -> tuple[Survey, Sample]:
    """Look at photos.

    Args:
        source: What :func:`~hawklet_trainer.data.listing.list_photos` takes; it need not be fit for training.
        per_class: Small pictures of each class, where there is room for as many.
        seed: Of what is sampled.
        say: Called with one line for each thing worth knowing.

    Returns:
        What was found, and which pictures stand for the others.

    Raises:
        DataError: there are no pictures, or nothing that names any; or a layout that is to be imported first.
    """
    refuse_foreign(source)
    tally = Tally()
    for label in folders_of_classes(source):
        tally.counts[label] = Counter()
    for _ in tally.counted(stream_photos(source)):
        pass
    if not tally.total:
        raise DataError(f"there must be pictures to show, got none in {source}; {_way_out(source)}")
    layout = lay_out(len(tally.classes), per_class)
    counts = {label: tally.counts[label].total() for label in tally.classes}
    sample = pick(stream_photos(source), counts, layout.sampled, MOST_HEADERS, seed)
    say(f"{counted(tally.total, len(tally.classes))}; looking at {_size_of(sample)} of them")
    look = _Look(source)
    headers = look.headers(sample.overall)
    sheets = tuple(
        contact_sheet(label, rows, layout, seed, look.unreadable)
        for label, rows in [*sample.by_class.items()][:MOST_SHEETS]
    )
    sizes = Sizes.of(headers) if headers else None
    return Survey(escaped(str(source)), tally, sizes, layout, sheets, look.lines()), sample


def _way_out(source: Path) -> str:
    if source.is_dir() and holds_pictures(source):
        return EACH_INTO_ITS_FOLDER
    return f"name {ONE_FOLDER_PER_CLASS}, or bring other layouts in: hawklet data import"


def augmented(sample: Sample, kind: str, seed: int) -> Sheet:
    """What training with ``--augment kind`` makes of some of the sampled pictures, in the size most networks take."""
    from hawklet.spec import PreprocessSpec
    from hawklet_trainer.augment import Augment
    from hawklet_trainer.augment.sheet import choose, make_sheet

    places = {escaped(label): [row.place for row in rows] for label, rows in sample.by_class.items() if rows}
    return make_sheet(choose(places), PreprocessSpec(224, 224), Augment(kind), True, None, seed)


def _size_of(sample: Sample) -> int:
    return len({row.place for rows in (sample.overall, *sample.by_class.values()) for row in rows})


class _Look:
    """Opens pictures, and remembers which could not be."""

    def __init__(self, source: Path):
        source = source.expanduser().resolve()
        self._folder = source if source.is_dir() else source.parent
        self._errors: dict[Place, str] = {}

    def headers(self, rows: list[IndexRow]) -> list[ImageHeader]:
        with ThreadPoolExecutor(WORKERS) as pool:
            return [header for header in pool.map(self._header, rows) if header is not None]

    def _header(self, row: IndexRow) -> ImageHeader | None:
        try:
            return row.place.header()
        except ImageError as error:
            self.unreadable(row.place, error)
            return None

    def unreadable(self, place: Place, error: ImageError) -> None:
        parent = place.path.parent
        below = parent.relative_to(self._folder) if parent.is_relative_to(self._folder) else parent
        self._errors[place] = escaped((below / "x").as_posix()[:-1] + str(error))

    def lines(self) -> tuple[str, ...]:
        return tuple(sorted(self._errors.values()))
