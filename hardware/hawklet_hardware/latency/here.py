"""The same measurement on this machine: in processes of their own, so that a candidate that crashes does no harm."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hawklet.spec import Pixels
from hawklet_hardware.detect import detect
from hawklet_hardware.latency.onboard import report_of
from hawklet_hardware.latency.results import (
    Candidates,
    Measurement,
    check_request,
    contents_by_digest,
    measurement_from,
)
from hawklet_hardware.latency.turns import Request, Turns


def measure_here(candidates: Candidates, picture: Pixels, *, threads: int = 1, rounds: int = 30) -> Measurement:
    """Measure candidates on this machine, all in turns.

    Args:
        candidates: Name -> format and bytes of the model file.
        picture: ``uint8 [H, W, C]``, prepared: what the models take.
        threads: CPU threads.
        rounds: How often each is measured.

    Raises:
        UsageError: the request cannot be meant.
    """
    check_request(candidates, picture, threads, rounds)
    contents, files, digest = contents_by_digest(candidates, picture)
    with tempfile.TemporaryDirectory(prefix="hawklet-measure-") as name:
        folder = Path(name)
        for file, content in contents.items():
            (folder / file).write_bytes(content)
        placed = {name: (model_format, str(folder / file)) for name, (model_format, file) in files.items()}
        height, width, channels = picture.shape
        request = Request(placed, str(folder / digest), (height, width, channels), threads, rounds)
        report = report_of(Turns(folder, request, lambda done, rounds: None))
    board = detect()
    return measurement_from(report, board=board.name, profile=board.id, threads=threads)
