"""Where training's random numbers come from."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed every source of random numbers that training draws from."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def random_numbers_of(seed: int, *what: int) -> Iterator[None]:
    """Torch's random numbers on the CPU while the block runs, the same whatever was drawn before it.

    Args:
        seed: Of the training.
        what: What they are for, such as the number of an epoch.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_mixed(seed, *what))  # torch.manual_seed would seed GPUs too
        yield


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch, on all devices, for one step in one process; the same whether or not it was broken off before."""
    torch.manual_seed(_mixed(seed, step, rank))


def _mixed(*numbers: int) -> int:
    """One number of 56 bits of several, so that no two kinds of use share their random numbers."""
    text = ",".join(map(str, numbers))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
