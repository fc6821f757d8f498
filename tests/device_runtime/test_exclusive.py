"""Closing a source while another thread reads from it."""

from __future__ import annotations

import threading

import numpy as np

from hawklet.cameras.exclusive import ExclusiveCamera
from hawklet.spec import Frame

_FRAME = Frame(np.zeros((2, 2, 3), dtype=np.uint8), captured_at=0.0, index=0)


class _SlowCamera(ExclusiveCamera):
    """Waits in a read until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.go_on = threading.Event(), threading.Event()
        self.releases = 0

    def next_frame(self) -> Frame | None:
        self.waits.set()
        assert self.go_on.wait(10)
        return _FRAME

    def release(self) -> None:
        self.releases += 1


def test_the_thread_that_reads_finishes_first_and_then_releases() -> None:
    camera = _SlowCamera()
    read: list[Frame | None] = []
    reader = threading.Thread(target=lambda: read.append(camera.read()))
    reader.start()
    assert camera.waits.wait(10)
    camera.close()
    assert camera.releases == 0, "released while the library is in use"
    camera.go_on.set()
    reader.join(10)
    assert read == [_FRAME]
    assert camera.releases == 1
    assert camera.read() is None


def test_nothing_is_released_twice() -> None:
    camera = _SlowCamera()
    with camera:
        camera.close()
    assert camera.releases == 1
