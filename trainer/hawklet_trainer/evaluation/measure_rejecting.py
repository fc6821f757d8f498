"""When a run's network or a file of a bundle should say nothing, as an evaluation measures it."""

from __future__ import annotations

from hawklet.acceptance import Acceptance
from hawklet.errors import UsageError
from hawklet_trainer.evaluation.analysis import scaling_of
from hawklet_trainer.evaluation.answers import Answers, answer
from hawklet_trainer.evaluation.pictures import Pictures
from hawklet_trainer.evaluation.reject_option import (
    RejectFigures,
    RejectOption,
    RejectRequest,
    fit_reject_option,
    measure_reject_option,
)
from hawklet_trainer.evaluation.subject import Subject
from hawklet_trainer.evaluation.unknown import UnknownPictures, read_unknown
from hawklet_trainer.split_file import splits_by_digest


def measure_rejecting(
    request: RejectRequest, subject: Subject, pictures: Pictures, answers: Answers
) -> RejectFigures | None:
    """Fit what is asked on the run's validation pictures, or take a bundle's own rules; and measure them.

    Args:
        request: What is asked.
        subject: The model.
        pictures: What the evaluation measures on.
        answers: To them.

    Returns:
        None where nothing is asked and the model has no rules of its own.

    Raises:
        UsageError: rules are to be fitted, and there is no run whose validation pictures could be taken.
        DataError: pictures are missing, or those of no class show one.
    """
    fits = request.precision is not None or request.accept is not None
    carries = subject.acceptance != Acceptance()
    if not request.asked and not carries:
        return None
    unknown = _unknown(request, subject)
    if carries and not fits:
        option, validation = _carried(subject), None
    else:
        option, validation = _fitted(request, subject)
    return measure_reject_option(
        option,
        validation,
        (_words(pictures, validation), answers),
        (unknown.folder.name, _show(subject, unknown)) if unknown else None,
        unknown.warnings if unknown else (),
    )


def _unknown(request: RejectRequest, subject: Subject) -> UnknownPictures | None:
    if request.unknown is None:
        return None
    known = splits_by_digest(subject.run.folder) if subject.run else {}
    return read_unknown(request.unknown, subject.labels, known)


def _show(subject: Subject, unknown: UnknownPictures) -> Answers:
    return answer(subject.answers, unknown.photos, subject.spec, subject.labels, subject.output)


def _carried(subject: Subject) -> RejectOption:
    temperature = subject.scaling.temperature if subject.scaling else 1.0
    return RejectOption(subject.acceptance, temperature, None, (), "the validation pictures of its conversion")


def _fitted(request: RejectRequest, subject: Subject) -> tuple[RejectOption, Answers]:
    if subject.run is None:
        raise UsageError(
            f"when to say nothing is fitted on validation pictures, and the run that {subject.name} was converted from "
            f"is not at hand ({subject.run_absent}); leave --precision, --accept and --unknown out, or convert it anew "
            "with them"
        )
    photos = tuple(subject.run.photos().items("val"))
    validation = answer(subject.answers, photos, subject.spec, subject.labels, subject.output)
    scaling = subject.scaling or scaling_of(validation)
    return fit_reject_option(request, validation, scaling.temperature if scaling else 1.0), validation


def _words(pictures: Pictures, validation: Answers | None) -> str:
    if pictures.title not in ("train", "val", "test"):
        return f"pictures in {pictures.title}"
    flattered = " pictures, which the rules were fitted on" if pictures.hold_validation and validation else " pictures"
    return pictures.title + flattered
