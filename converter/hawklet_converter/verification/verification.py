"""What a verification found: plain frozen records, and their JSON.

Shares are percent, scores and movements 0..1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hawklet.spec import Precision
from hawklet_converter.verification.moved_pictures import Moved
from hawklet_converter.verification.statistics import Calibration, LogitError
from hawklet_trainer.evaluation.intervals import Interval
from hawklet_trainer.evaluation.reject_option import Outcome

SCHEMA = "hawklet-verification/1"


@dataclass(frozen=True)
class ClassChange:
    """One class, before and after."""

    label: str
    pictures: int
    """That show this class."""
    reference: float
    """Top-1 of the reference on them, percent."""
    variant: float
    """Top-1 of the variant on them, percent."""
    reference_named: int
    """Pictures of any class that the reference names so."""
    variant_named: int
    """Pictures of any class that the variant names so."""

    @property
    def changed(self) -> bool:
        """Whether the class gained or lost anything."""
        return self.reference != self.variant or self.reference_named != self.variant_named


@dataclass(frozen=True)
class Comparison:
    """A variant held against the reference."""

    reference: str
    agreement: float
    """Pictures with the same answer, percent."""
    drop: float
    """Points of top-1 lost; negative: gained."""
    lost: int
    """Pictures that the reference alone names rightly."""
    gained: int
    """Pictures that the variant alone names rightly."""
    p_value: float
    """Of so large a difference by chance alone; see :func:`.statistics.mcnemar`."""
    divergence: float
    """Kullback-Leibler, nats."""
    logits: LogitError | None
    """None: one of both answers in probabilities."""
    classes: tuple[ClassChange, ...]
    """In the order of the labels; classes without pictures are left out."""


@dataclass(frozen=True)
class Measured:
    """One model on the pictures."""

    name: str
    precision: Precision
    bytes: int | None
    """None: the network in torch, which is no file of the bundle."""
    top1: float
    interval: Interval
    uncalibrated: Calibration
    """At temperature 1."""
    calibrated: Calibration
    """At the bundle's temperature."""
    against: Comparison | None
    """None: it is the reference, or there is none."""
    accepted: Outcome | None = None
    """What the bundle's rules for saying nothing do to its answers; None: there are none."""


@dataclass(frozen=True)
class Pair:
    """Two files that were written by the same recipe, or a file and the network it was exported from."""

    first: str
    second: str
    agreement: float
    """Percent."""
    largest_difference: float
    """Of any two raw outputs."""
    relative: float
    """That difference, as a share of the first one's range of outputs."""


@dataclass(frozen=True)
class Check:
    """One thing that must hold."""

    name: str
    passed: bool
    text: str
    """What was found, in plain words."""


@dataclass(frozen=True)
class Verification:
    """All of it."""

    bundle: str
    created: str
    """UTC, ISO 8601, of this verification."""
    hawklet_version: str
    labels: tuple[str, ...]
    pictures: int
    described: str
    """The pictures in plain words."""
    split: str | None
    temperature: float
    reference: str | None
    """The model that the others are held against; None: the bundle has no float file."""
    rows: tuple[Measured, ...]
    pairs: tuple[Pair, ...]
    moved: tuple[Moved, ...]
    """The pictures that moved most, most first."""
    checks: tuple[Check, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"schema": SCHEMA, "passed": self.passed} | asdict(self)
