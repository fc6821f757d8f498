"""Classes of a model that none of the pictures it is measured on shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hawklet_trainer.data import Photo


def absent_classes(labels: Sequence[str], photos: Iterable[Photo]) -> tuple[str, ...]:
    """A note that names them; none where every class has a picture."""
    shown = {photo.label_index for photo in photos}
    absent = [label for index, label in enumerate(labels) if index not in shown]
    if not absent:
        return ()
    which = some_labels(absent)
    return (f"{len(absent)} of {len(labels)} classes have no picture here: {which}; the figures are of the others",)


def some_labels(labels: Sequence[str]) -> str:
    """The first few, for a message."""
    return ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
