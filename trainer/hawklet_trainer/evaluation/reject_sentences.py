"""What a person must know of the rules for saying nothing, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hawklet_trainer.evaluation.reject_option import Outcome, RejectFigures, RejectOption
from hawklet_trainer.evaluation.rejecting import ClassThreshold, Ground, pictures_to_show
from hawklet_trainer.evaluation.unknown import Separation

_NAMED = 6
"""Classes that a sentence names each."""


def section_of(figures: RejectFigures, files: Mapping[str, Outcome] | None = None) -> dict[str, Any]:
    """What ``templates/rejecting.html.j2`` shows, as plain JSON types.

    Args:
        figures: Rules and what they do.
        files: What they do to each file of a bundle, by variant.
    """
    found = {name: one.to_dict() for name, one in (files or {}).items()}
    return {**figures.to_dict(), "notes": [*sentences(figures), *figures.notes], "files": found}


def sentences(figures: RejectFigures) -> Iterator[str]:
    """What a person must know of the rules, a line each."""
    option, known = figures.option, figures.known
    right = "" if known.precision is None else f", {known.precision:.1f} % of them named rightly"
    yield (
        f"accepts {known.coverage:.1f} % of {known.pictures} {figures.measured_on}{right} ({figures.every:.1f} % of "
        f"all); doubtful: {known.doubtful}, unknown: {known.unknown}"
    )
    yield from _of_classes(option)
    yield from _of_the_unknown(figures)


def _of_classes(option: RejectOption) -> Iterator[str]:
    wanted, of = option.wanted, option.classes
    if wanted is None:
        return
    unshown = [one for one in of if one.ground is not Ground.SHOWN]
    if unshown:
        yield (
            f"a precision of {wanted:g} cannot be shown for {_counted(unshown, of)} on {option.fitted_on}: it takes "
            f"{pictures_to_show(wanted)} accepted pictures of a class without a mistake"
        )
    else:
        yield f"a precision of {wanted:g} is shown for every class, with 95 % confidence, on {option.fitted_on}"
    unnamed = [one for one in of if not one.named]
    if unnamed:
        yield (
            f"{_counted(unnamed, of)}: none of {option.fitted_on} was named so; accepted from a score of {wanted:g}, "
            "which was tried on no picture"
        )
    unreached = [one for one in of if one.named and one.ground is Ground.SCORE]
    for one in unreached[:_NAMED]:
        yield f"{one.label}: {wanted:g} was not reached on {_pictures(one.named)} named so; {_only_by_score(one)}"
    if len(unreached) > _NAMED:
        yield f"so it is with {len(unreached) - _NAMED} more classes"


def _only_by_score(one: ClassThreshold) -> str:
    measured = "which none of them reached" if one.precision is None else f"measured {one.precision / 100:.2f}"
    return f"accepted from a score of {one.least:g} on, {measured}"


def _counted(some: Sequence[ClassThreshold], of: Sequence[ClassThreshold]) -> str:
    if len(some) > _NAMED:
        return f"{len(some)} of {len(of)} classes"
    return ", ".join(one.label for one in some)


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"


def _separations(found: Sequence[Separation]) -> str:
    if not found:
        return ""
    others = ", ".join(f"{one.score} {one.auroc:.1f}" for one in found[1:])
    return f"; AUROC of the {found[0].score} {found[0].auroc:.1f} % ({others})"


def _of_the_unknown(figures: RejectFigures) -> Iterator[str]:
    rule, tried = figures.option.acceptance.unknown, figures.no_class
    if tried is not None:
        yield (
            f"of {_pictures(tried.outcome.pictures)} of no class in {tried.folder}, {tried.outcome.coverage:.1f} % are "
            f"still accepted as one; doubtful: {tried.outcome.doubtful}, unknown: {tried.outcome.unknown}"
            f"{_separations(tried.separations)}"
        )
    elif rule is not None:
        tried_before = "" if rule.validated is None else " here, but when it was fitted"
        yield (
            f"the bound on the energy ({rule.threshold:.3g}, fitted to accept {rule.accepts:.0%}) was not tried on "
            f"pictures of no class{tried_before}; --unknown FOLDER tries it"
        )
