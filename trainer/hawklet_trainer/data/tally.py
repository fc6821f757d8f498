"""How many pictures each class has in each split, counted in a stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from hawklet_trainer.data.index import IndexRow
from hawklet_trainer.data.listing import UNSPLIT
from hawklet_trainer.data.photo_set import SPLITS


def escaped(name: str) -> str:
    """A name as it is, or with escapes for what cannot be printed or written as UTF-8."""
    return name if name.isprintable() else ascii(name)[1:-1]


def counted(pictures: int, classes: int) -> str:
    """``3 pictures of 1 class``."""
    return f"{pictures} picture{'s' if pictures != 1 else ''} of {classes} class{'es' if classes != 1 else ''}"


class Tally:
    """Counts of pictures by class and split."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}

    @classmethod
    def of(cls, counts: Mapping[str, Mapping[str, int]]) -> Tally:
        """A tally of known counts, class -> split -> pictures."""
        tally = cls()
        tally.counts = {label: Counter(of_split) for label, of_split in counts.items()}
        return tally

    def counted(self, rows: Iterable[IndexRow]) -> Iterator[IndexRow]:
        """The same rows, each counted as it passes."""
        for row in rows:
            self.counts.setdefault(row.label, Counter())[row.split] += 1
            yield row

    @property
    def classes(self) -> list[str]:
        """Sorted by name."""
        return sorted(self.counts)

    @property
    def splits(self) -> list[str]:
        """Those with pictures, train first, :data:`~hawklet_trainer.data.listing.UNSPLIT` last."""
        return [split for split in (*SPLITS, UNSPLIT) if self.of_split(split)]

    def of_split(self, split: str) -> int:
        """Pictures of every class."""
        return sum(counts[split] for counts in self.counts.values())

    @property
    def total(self) -> int:
        """Every picture."""
        return sum(counts.total() for counts in self.counts.values())

    def to_dict(self) -> dict[str, dict[str, int]]:
        """Class -> split -> pictures; names are escaped, and pictures in no split are under the empty name."""
        return {escaped(label): dict(sorted(self.counts[label].items())) for label in self.classes}
