"""How torch's threads wait for each other."""

from __future__ import annotations

import os


def wait_without_spinning() -> None:
    """Let a thread that waits for another give up its core. To be called before torch is first imported.

    By default waiting threads spin. That is right on cores of one's own; beside a busy neighbour the spinning thread
    holds the core that the awaited one needs, and two threads become several times slower than one. A user's own
    ``OMP_WAIT_POLICY`` is kept.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
