"""One evaluation from start to end: a model and pictures in, figures out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hawklet import __version__
from hawklet_trainer.evaluation.analysis import Analysis, Scaling, analyse, scaling_of
from hawklet_trainer.evaluation.answers import answer
from hawklet_trainer.evaluation.measure_rejecting import measure_rejecting
from hawklet_trainer.evaluation.pictures import Pictures, choose_pictures
from hawklet_trainer.evaluation.reject_option import RejectRequest
from hawklet_trainer.evaluation.reject_sentences import section_of
from hawklet_trainer.evaluation.robustness import MOST_PICTURES, Robustness, measure_robustness
from hawklet_trainer.evaluation.subject import Subject, open_subject

SCHEMA = "hawklet-evaluation/1"
"""Described by ``schemas/evaluation-1.schema.json``."""


@dataclass(frozen=True)
class EvaluateRequest:
    """What ``hawklet evaluate`` is asked for."""

    path: Path
    """A run folder, or a bundle."""
    photos: Path | None = None
    """See :func:`~hawklet_trainer.evaluation.pictures.choose_pictures`."""
    split: str | None = None
    model: str | None = None
    """``--model`` as the user typed it, see :func:`~hawklet_trainer.run.load_run`."""
    variant: str | None = None
    """Of a bundle."""
    robustness: bool = False
    """Whether pictures are made worse, too."""
    rejecting: RejectRequest = field(default_factory=RejectRequest)
    """When the model is to say nothing."""


@dataclass(frozen=True)
class Evaluation:
    """What was found."""

    subject: Subject
    pictures: Pictures
    analysis: Analysis
    robustness: Robustness | None
    """None: it was not asked for."""
    rejecting: dict[str, Any] | None
    """When the model should say nothing, see :func:`~hawklet_trainer.evaluation.reject_sentences.section_of`; None: it
    always says something."""
    created: str
    """UTC, ISO 8601."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, as ``schemas/evaluation-1.schema.json`` describes them."""
        return {
            "schema": SCHEMA,
            "created": self.created,
            "hawklet_version": __version__,
            "kind": self.subject.kind,
            "name": self.subject.name,
            "model": self.subject.model,
            "measured_on": self.pictures.title,
            "pictures": len(self.pictures.photos),
            "notes": list(self.pictures.notes),
            "labels": list(self.subject.labels),
            **self.analysis.to_dict(),
            "robustness": self.robustness and self.robustness.to_dict(),
            "rejecting": self.rejecting,
        }


Done = Callable[[str, int, int], None]
"""``done(what, more, of)``: of a long step, so many more pictures of so many in all are done."""


def evaluate(request: EvaluateRequest, done: Done = lambda what, more, of: None) -> Evaluation:
    """Measure a model.

    Args:
        request: What to measure, on what.
        done: Watches.

    Raises:
        HawkletError: it cannot be measured, and why.
    """
    subject = open_subject(request.path, request.model, request.variant)
    pictures = choose_pictures(subject, request.photos, request.split)
    answers = answer(subject.answers, pictures.photos, subject.spec, subject.labels, subject.output)
    analysis = analyse(answers, _scaling(subject, pictures))
    robustness = _robustness(subject, pictures, done) if request.robustness else None
    rejecting = measure_rejecting(request.rejecting, subject, pictures, answers)
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Evaluation(subject, pictures, analysis, robustness, section_of(rejecting) if rejecting else None, created)


def _robustness(subject: Subject, pictures: Pictures, done: Done) -> Robustness:
    of = min(MOST_PICTURES, len(pictures.photos))
    return measure_robustness(
        subject.answers, pictures.photos, subject.spec, lambda more: done("making pictures worse", more, of)
    )


def _scaling(subject: Subject, pictures: Pictures) -> Scaling | None:
    """The model's own temperature, or one for its run's validation pictures; none where those are measured on."""
    if pictures.hold_validation:
        return None
    if subject.scaling is None and pictures.validation:
        return scaling_of(answer(subject.answers, pictures.validation, subject.spec, subject.labels, subject.output))
    return subject.scaling
