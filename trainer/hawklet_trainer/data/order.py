"""In which order an epoch goes through the pictures.

Pictures that are files are shuffled as a whole. Pictures within shards are not, since reading them all over a disk or
a network is what shards are to avoid: shards are shuffled, a few of them are open at a time, and their pictures are
shuffled among each other (a shuffle buffer of whole shards). The order is drawn from torch's global random numbers, so
a training that goes on from a checkpoint goes on in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hawklet_trainer.data.place import Place

if TYPE_CHECKING:
    import torch

OPEN_SHARDS = 8
"""Shards that are read at a time; with shards of some thousand pictures neighbours of a batch are strangers."""


def shuffled(places: Sequence[Place], rank: int = 0, world: int = 1) -> torch.Tensor:
    """A new order of the pictures, or of one process's share of them.

    Args:
        places: The pictures.
        rank: Number of this process among ``world`` that train together, each with the same random numbers.
        world: How many processes there are. Whole shards go to each, so that none reads another's; every picture is in
            exactly one share. Shares of pictures that are files differ by one at most, those of shards as shards do.

    Returns:
        ``int64 [n]``, positions in ``places``.
    """
    import torch

    shards = _shards(places)
    if not shards:
        return torch.randperm(len(places))[rank::world]
    in_turn = [shards[number] for number in torch.randperm(len(shards))]
    mine = _share(in_turn, rank, world)
    windows = [np.concatenate(mine[n : n + OPEN_SHARDS]) for n in range(0, len(mine), OPEN_SHARDS)]
    orders = [torch.from_numpy(window)[torch.randperm(len(window))] for window in windows]
    return torch.cat(orders) if orders else torch.empty(0, dtype=torch.int64)


def _shards(places: Sequence[Place]) -> list[npt.NDArray[np.int64]]:
    """Positions of the pictures of each shard; empty where pictures are files of their own."""
    by_file: dict[Path, list[int]] = {}
    for position, place in enumerate(places):
        if place.span is None:
            return []
        by_file.setdefault(place.path, []).append(position)
    return [np.array(positions, np.int64) for positions in by_file.values()]


def _share(shards: list[npt.NDArray[np.int64]], rank: int, world: int) -> list[npt.NDArray[np.int64]]:
    """The shards of one process: each goes to whoever has the fewest pictures yet."""
    loads, mine = [0] * world, []
    for shard in shards:
        least = loads.index(min(loads))
        loads[least] += len(shard)
        if least == rank:
            mine.append(shard)
    return mine
