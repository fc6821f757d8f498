"""When the files of a bundle say nothing: fitted on what the preferred one answers, and tried on all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hawklet.errors import BudgetError
from hawklet_converter.measure_rows import FileLogits
from hawklet_converter.pack import format_of
from hawklet_converter.verify import logits_of
from hawklet_converter.work import Work
from hawklet_trainer.evaluation.answers import Answers, answer
from hawklet_trainer.evaluation.reject_option import (
    Outcome,
    RejectFigures,
    RejectOption,
    RejectRequest,
    fit_reject_option,
    measure_reject_option,
    outcome,
)
from hawklet_trainer.evaluation.reject_sentences import section_of


@dataclass(frozen=True)
class Rejecting:
    """A bundle's rules for saying nothing."""

    figures: RejectFigures
    """Of the preferred file."""
    files: Mapping[str, Outcome]
    """What the same rules do to each file's answers, by variant, on the same pictures."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, with what a person must know as ``notes``."""
        return section_of(self.figures, self.files)


def fit_rejecting(
    contents: Mapping[str, bytes], logits: Mapping[str, FileLogits], preferred: str, temperature: float, work: Work
) -> Rejecting:
    """Fit what the request asks for.

    Temperature and rules are the bundle's, not each file's: files of one bundle differ by less than the pictures can
    tell, which ``files`` shows.

    Args:
        contents: Files by variant.
        logits: What they answer to the run's pictures.
        preferred: The variant that runs where its engine is there.
        temperature: Fitted on it.
        work: The conversion.

    Raises:
        BudgetError: they accept none of the pictures that they are measured on.
    """
    val, test = work.photos.items("val"), work.photos.items("test")
    labels = work.run.labels
    validation = Answers(tuple(val), labels, logits[preferred].val)
    option = fit_reject_option(work.request.rejecting, validation, temperature)
    measured = {name: _measured(work, of) for name, of in logits.items()}
    words = "test pictures" if test else "validation pictures, which they were fitted on"
    figures = measure_reject_option(
        option,
        validation,
        (words, measured[preferred]),
        _no_class(contents[preferred], preferred, work),
        work.no_class.warnings if work.no_class else (),
    )
    if not figures.known.accepted:
        rules = work.request.rejecting
        raise _accepts_nothing(rules, figures, _most_precise(rules, option, validation, measured[preferred]))
    files = {name: outcome(option.acceptance, found, temperature) for name, found in measured.items()}
    return Rejecting(figures, files)


def _most_precise(
    request: RejectRequest, option: RejectOption, validation: Answers, measured: Answers
) -> tuple[float, Outcome] | None:
    """The greatest precision in hundredths below the wanted one by whose rules some pictures are accepted, and what
    these do; None: there is none."""
    for hundredths in range(math.ceil(100 * (option.wanted or 0)) - 1, 0, -1):
        looser = fit_reject_option(replace(request, precision=hundredths / 100), validation, option.temperature)
        found = outcome(looser.acceptance, measured, option.temperature)
        if found.accepted:
            return hundredths / 100, found
    return None


def _accepts_nothing(
    request: RejectRequest, figures: RejectFigures, reachable: tuple[float, Outcome] | None
) -> BudgetError:
    known = figures.known
    reason = f"doubtful: {known.doubtful}, unknown: {known.unknown}"
    ways = []
    if reachable is not None:
        precision, found = reachable
        which = f"the greatest in hundredths that accepts any ({found.accepted} of {found.pictures})"
        ways.append(f"--precision {precision:g}, {which}")
    if request.accepted < 1 and known.unknown:
        ways.append("a larger --accept")
    ways.append("a better network")
    return BudgetError(
        f"the bundle must accept some pictures of its classes, and by its rules for saying nothing it accepts none of "
        f"{known.pictures} {figures.measured_on} ({reason}); nothing was written; try {'; or '.join(ways)}"
    )


def _measured(work: Work, logits: FileLogits) -> Answers:
    if len(logits.test):
        return Answers(tuple(work.photos.items("test")), work.run.labels, logits.test)
    return Answers(tuple(work.photos.items("val")), work.run.labels, logits.val)


def _no_class(content: bytes, variant: str, work: Work) -> tuple[str, Answers] | None:
    if work.no_class is None:
        return None
    classifier = work.open(content, format_of(variant))
    found = answer(lambda pixels: logits_of(classifier, pixels), work.no_class.photos, work.run.spec, work.run.labels)
    return work.no_class.folder.name, found
