"""Where training's random numbers come from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

_EPOCHS = 1 << 20


def seed_everything(seed: int) -> None:
    """Seed every source of random numbers that training draws from."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def random_numbers_of(seed: int, epoch: int) -> Iterator[None]:
    """Torch's random numbers of one epoch while the block runs, the same whatever was drawn before it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed((seed * _EPOCHS + epoch) % (1 << 63))
        yield
