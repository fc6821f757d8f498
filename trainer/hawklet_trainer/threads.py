"""How many threads torch uses, and how they wait for each other."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


def wait_without_spinning() -> None:
    """Let a thread that waits for another give up its core. To be called before torch is first imported.

    By default waiting threads spin. That is right on cores of one's own; beside a busy neighbour the spinning thread
    holds the core that the awaited one needs, and two threads become several times slower than one. A user's own
    ``OMP_WAIT_POLICY`` is kept.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use a single thread within the block.

    With small networks and single pictures a second thread gains little on an idle machine, and loses tenfold on a busy
    one: threads then wait for one another.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
