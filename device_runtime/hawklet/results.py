"""What a live run says: each result, and the summary."""

from __future__ import annotations

from dataclasses import dataclass

from hawklet.spec import Classification, Frame


@dataclass(frozen=True)
class LiveResult:
    """One classified frame."""

    frame: Frame
    classification: Classification
    age_ms: float
    """From the frame's capture to this result, milliseconds."""
    dropped: int
    """Frames of the source that were never classified, so far."""
    finished_at: float
    """Moment of this result, seconds on the clock of ``time.time()``."""


@dataclass(frozen=True)
class Summary:
    """A live run in numbers."""

    frames: int
    seconds: float
    """From the first result to the last."""
    dropped: int
    ages_ms: tuple[float, ...]
    """The newest ages, at most :data:`hawklet.live.KEPT_SAMPLES`."""
    infer_ms: tuple[float, ...]
    """The newest inference times, at most :data:`hawklet.live.KEPT_SAMPLES`."""
    shown: int | None
    """Changes of the true label, where the source knows it."""
    named_rightly: int | None
    """How many of those were named rightly: see :class:`hawklet.score.CardScore`."""

    @property
    def frames_per_second(self) -> float:
        """Results a second; 0 for fewer than two."""
        return (self.frames - 1) / self.seconds if self.frames > 1 and self.seconds > 0 else 0.0


def percentile(samples: tuple[float, ...], rank: float) -> float:
    """Linear-interpolated percentile of at least one sample."""
    ordered = sorted(samples)
    position = (len(ordered) - 1) * rank / 100
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
