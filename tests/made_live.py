"""Live results made by hand, for the tests of outputs."""

from __future__ import annotations

import time

import tiny_models
from hawklet.results import LiveResult
from hawklet.spec import Classification, Frame, Prediction, Rejection, Timings


def made_result(
    label: str = "red", *, score: float = 0.9, rejection: Rejection | None = None, number: int = 0
) -> LiveResult:
    """One result whose frame shows ``label``'s colour, or red."""
    colour = label if label in tiny_models.LABELS else "red"
    frame = Frame(tiny_models.solid(colour, 48), captured_at=time.monotonic(), index=number)
    classification = Classification((Prediction(label, 0, score),), Timings(0.5, 2.0, 0.1), rejection)
    return LiveResult(frame, classification, 12.5, 3, time.time())
