"""When a classifier should say nothing: the rules, fitted on validation pictures, and what they do to others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hawklet.acceptance import Acceptance, energy_of
from hawklet.errors import UsageError
from hawklet.spec import OutputKind, Rejection
from hawklet_trainer.evaluation.answers import Answers
from hawklet_trainer.evaluation.rejecting import ClassThreshold, fit_thresholds
from hawklet_trainer.evaluation.unknown import Separation, fit_energy, separate

DEFAULT_ACCEPTED = 0.95


@dataclass(frozen=True)
class RejectRequest:
    """What is asked of a reject option."""

    precision: float | None = None
    """Share of the accepted answers of each class that are to be right, above 0 and below 1; None: any."""
    accept: float | None = None
    """Share of pictures of the classes that are to pass for familiar, above 0, at most 1; None: 0.95."""
    unknown: Path | None = None
    """Pictures of no class, to try the rules on."""

    def __post_init__(self) -> None:
        if self.precision is not None and not 0 < self.precision < 1:
            raise UsageError(
                f"--precision must be above 0 and below 1, as 0.98, got {self.precision:g}; certainty cannot be fitted"
            )
        if self.accept is not None and not 0 < self.accept <= 1:
            raise UsageError(f"--accept must be a share above 0, at most 1, as 0.95, got {self.accept:g}")

    @property
    def asked(self) -> bool:
        """Whether anything is to be rejected."""
        return self != RejectRequest()

    @property
    def accepted(self) -> float:
        """``accept``, settled."""
        return DEFAULT_ACCEPTED if self.accept is None else self.accept


@dataclass(frozen=True)
class RejectOption:
    """Rules, and what speaks for them."""

    acceptance: Acceptance
    """What a classifier applies."""
    temperature: float
    """Logits are divided by it."""
    wanted: float | None
    """Share of the accepted answers that are to be right; None: nobody asked, or it is not known any more."""
    classes: tuple[ClassThreshold, ...]
    """In the order of the labels; empty: nothing was wanted."""
    fitted_on: str
    """In words, with the number of pictures."""


def fit_reject_option(request: RejectRequest, validation: Answers, temperature: float) -> RejectOption:
    """Fit both rules on validation pictures.

    Args:
        request: What is asked.
        validation: The answers of the model that will run, to pictures that it was not trained on.
        temperature: The one that its logits are divided by; 1 where it answers in probabilities, which have no energy
            to tell the unknown by: then that rule is left out.
    """
    classes: tuple[ClassThreshold, ...] = ()
    if request.precision is not None:
        scores = np.exp(validation.logs(temperature))
        classes = fit_thresholds(scores, validation.truth, validation.labels, request.precision)
    unknown = None
    if validation.output is OutputKind.LOGITS:
        unknown = fit_energy(validation.raw, temperature, request.accepted)
    acceptance = Acceptance({one.label: one.least for one in classes}, unknown)
    fitted_on = f"{len(validation.photos)} validation pictures"
    return RejectOption(acceptance, temperature, request.precision, classes, fitted_on)


@dataclass(frozen=True)
class Outcome:
    """What rules do to some pictures."""

    pictures: int
    doubtful: int
    """Rejected since the score is too low."""
    unknown: int
    """Rejected as unlike those trained on."""
    right: int | None = None
    """Of the accepted ones, those that are named rightly; None: pictures of no class, which cannot be."""

    @property
    def accepted(self) -> int:
        """Pictures that are accepted."""
        return self.pictures - self.doubtful - self.unknown

    @property
    def coverage(self) -> float:
        """Share that is accepted, percent."""
        return 100 * self.accepted / self.pictures

    @property
    def precision(self) -> float | None:
        """Share of the accepted ones that is named rightly, percent; None where there is none."""
        return 100 * self.right / self.accepted if self.right is not None and self.accepted else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        figures = {"pictures": self.pictures, "accepted": self.accepted, "doubtful": self.doubtful}
        figures |= {"unknown": self.unknown}
        if self.right is None:
            return {**figures, "coverage": self.coverage}
        return {**figures, "right": self.right, "coverage": self.coverage, "precision": self.precision}


def outcome(acceptance: Acceptance, answers: Answers, temperature: float) -> Outcome:
    """Apply rules as a running classifier does.

    Args:
        acceptance: The rules.
        answers: To at least one picture; to pictures of no class where their label indices are below 0.
        temperature: The one that logits are divided by.
    """
    scores = np.exp(answers.logs(temperature).max(axis=1))
    energies: Sequence[float | None] = [None] * len(scores)
    if answers.output is OutputKind.LOGITS:
        energies = energy_of(answers.raw, temperature).tolist()
    names = [answers.labels[index] for index in answers.named]
    said = [acceptance.judge(*answer) for answer in zip(names, scores.tolist(), energies, strict=True)]
    counts = Counter(said)
    truth = answers.truth
    right = None
    if truth.min() >= 0:
        right = int(sum(one is None for one in np.array(said, dtype=object)[answers.named == truth]))
    return Outcome(len(said), counts[Rejection.DOUBTFUL], counts[Rejection.UNKNOWN], right)


@dataclass(frozen=True)
class NoClass:
    """What the rules do to pictures of no class."""

    folder: str
    """Its name."""
    outcome: Outcome
    separations: tuple[Separation, ...]
    """The energy first; empty: there is none, or nothing to fit the others on."""

    def validated(self) -> dict[str, Any]:
        """What the rule for the unknown says of itself, as plain JSON types."""
        energy = self.separations[0]
        return {
            "folder": self.folder,
            "pictures": self.outcome.pictures,
            "rejected": round(energy.rejected / 100, 4),
            "auroc": round(energy.auroc / 100, 4),
        }


@dataclass(frozen=True)
class RejectFigures:
    """Rules and what they do."""

    option: RejectOption
    measured_on: str
    """The pictures that ``known`` is of, in words."""
    known: Outcome
    every: float
    """Top-1 on the same pictures without rules, percent."""
    no_class: NoClass | None
    """None: the rules were not tried on pictures of no class."""
    notes: tuple[str, ...] = ()
    """What a reader must know of the pictures."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        option = self.option
        unknown = option.acceptance.unknown
        return {
            "wanted": option.wanted,
            "fitted_on": option.fitted_on,
            "temperature": option.temperature,
            "classes": [one.to_dict() for one in option.classes],
            "unknown": None if unknown is None else unknown.to_dict(),
            "measured_on": self.measured_on,
            "known": self.known.to_dict(),
            "top1_of_all": self.every,
            "no_class": self.no_class
            and {
                "folder": self.no_class.folder,
                **self.no_class.outcome.to_dict(),
                "separation": [vars(one) for one in self.no_class.separations],
            },
        }


def measure_reject_option(
    option: RejectOption,
    validation: Answers | None,
    measured: tuple[str, Answers],
    no_class: tuple[str, Answers] | None = None,
    notes: Sequence[str] = (),
) -> RejectFigures:
    """Apply rules to pictures that decided nothing.

    Args:
        option: The rules; where they were tried on pictures of no class, the ones returned say so.
        validation: What they were fitted on; None: it is not here, and the energy is not set beside plainer scores.
        measured: Pictures of the classes, in words, and the answers to them.
        no_class: The name of a folder of pictures of no class, and the answers to them.
        notes: What a reader must know of the pictures.
    """
    words, known = measured
    tried = None
    if no_class is not None:
        tried = _try(option, validation, known, *no_class)
        option = _validated(option, tried)
    return RejectFigures(
        option,
        words,
        outcome(option.acceptance, known, option.temperature),
        100 * float((known.named == known.truth).mean()),
        tried,
        (*notes, *_about(known.output)),
    )


def _about(output: OutputKind) -> tuple[str, ...]:
    if output is OutputKind.LOGITS:
        return ()
    return ("the model answers in probabilities, which have no energy: it cannot tell the unknown by it",)


def _try(option: RejectOption, validation: Answers | None, known: Answers, folder: str, unknown: Answers) -> NoClass:
    rule = option.acceptance.unknown
    separations: tuple[Separation, ...] = ()
    if rule is not None and validation is not None:
        separations = separate(validation.raw, known.raw, unknown.raw, option.temperature, rule.accepts)
    return NoClass(folder, outcome(option.acceptance, unknown, option.temperature), separations)


def _validated(option: RejectOption, tried: NoClass) -> RejectOption:
    rule = option.acceptance.unknown
    if rule is None or not tried.separations:
        return option
    told = replace(rule, validated=tried.validated())
    return replace(option, acceptance=replace(option.acceptance, unknown=told))
