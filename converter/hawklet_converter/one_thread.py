"""Compute on one thread for a while.

A conversion runs small networks on single pictures, where a second thread gains little on an idle machine, and loses
tenfold on a busy one: threads then wait for one another in spinning loops.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use a single thread within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
