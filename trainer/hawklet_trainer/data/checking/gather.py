"""Every picture looked at once, by several threads and in chunks, so that memory stays what the records need.

Threads, since Pillow decodes, resizes and counts without holding Python's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hawklet_trainer.data.checking.facts import FACTS, Depth, look
from hawklet_trainer.data.checking.stream import in_chunks
from hawklet_trainer.data.photo_set import WORKERS
from hawklet_trainer.data.place import Place

_CHUNK = 32


@dataclass(frozen=True)
class Facts:
    """What is known of pictures, in the order that they were given in."""

    depth: Depth
    records: npt.NDArray[np.void]
    """``[N]`` of :data:`~hawklet_trainer.data.checking.facts.FACTS`."""
    refused: dict[int, str]
    """Why a picture cannot be read, in one line that begins with its file's name; by its position."""

    def readable(self) -> npt.NDArray[np.bool_]:
        """``bool [N]``."""
        mask = np.ones(len(self.records), bool)
        mask[list(self.refused)] = False
        return mask


def gather(
    places: Sequence[Place], depth: Depth, workers: int = WORKERS, step: Callable[[int], None] = lambda count: None
) -> Facts:
    """Look at pictures.

    Args:
        places: Which.
        depth: How closely.
        workers: Threads.
        step: Called with the number of pictures done since it was called last.
    """
    records = np.zeros(len(places), FACTS)
    refused: dict[int, str] = {}
    begin = 0

    def look_at(some: Sequence[Place]) -> list[tuple[np.void, str]]:
        return [look(place, depth) for place in some]

    for looked in in_chunks(look_at, places, _CHUNK, workers):
        for position, (record, error) in enumerate(looked, begin):
            records[position] = record
            if error:
                refused[position] = error
        begin += len(looked)
        step(len(looked))
    return Facts(depth, records, refused)
