"""Both rules together: fitted on validation pictures, tried on others, and said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hawklet.errors import UsageError
from hawklet.spec import Floats, OutputKind
from hawklet_trainer.data import Photo, Place
from hawklet_trainer.evaluation.answers import Answers
from hawklet_trainer.evaluation.reject_option import (
    Outcome,
    RejectFigures,
    RejectRequest,
    fit_reject_option,
    measure_reject_option,
    outcome,
)
from hawklet_trainer.evaluation.reject_sentences import section_of, sentences
from hawklet_trainer.evaluation.sections import pages

LABELS = ("cat", "dog", "owl")
RANDOM = np.random.default_rng(5)


def _answers(truth: list[int], raw: Floats, output: OutputKind = OutputKind.LOGITS) -> Answers:
    photos = tuple(Photo(Place(Path(f"{n}.png")), index, f"{n:064}") for n, index in enumerate(truth))
    return Answers(photos, LABELS, raw.astype(np.float32), output)


def _known(count: int, wrong: float = 0.1) -> Answers:
    """Large logits for the true class, of a few pictures for another and less so."""
    truth = RANDOM.integers(0, 3, count)
    raw = RANDOM.normal(0, 0.5, (count, 3))
    raw[np.arange(count), truth] += 6
    mistaken = RANDOM.uniform(size=count) < wrong
    raw[mistaken, truth[mistaken]] -= 5.5
    return _answers(truth.tolist(), raw)


def _no_class(count: int) -> Answers:
    return _answers([-1] * count, RANDOM.normal(0, 0.7, (count, 3)))


@pytest.fixture(scope="module")
def figures() -> RejectFigures:
    validation = _known(300)
    option = fit_reject_option(RejectRequest(precision=0.95), validation, 1.0)
    return measure_reject_option(option, validation, ("test pictures", _known(200)), ("odd", _no_class(80)))


def test_accepted_answers_are_right_more_often_and_pictures_of_no_class_are_mostly_rejected(
    figures: RejectFigures,
) -> None:
    assert figures.known.precision is not None
    assert figures.known.precision > figures.every + 3
    assert figures.known.coverage > 75
    assert figures.no_class is not None
    assert figures.no_class.outcome.coverage < 40
    assert figures.no_class.outcome.right is None


def test_the_counts_add_up(figures: RejectFigures) -> None:
    known = figures.known
    assert known.accepted + known.doubtful + known.unknown == known.pictures == 200
    assert Outcome(10, 2, 3, 4).precision == 80.0
    assert Outcome(10, 6, 4, 0).precision is None


def test_pictures_of_no_class_never_move_the_rules(figures: RejectFigures) -> None:
    validation = _known(100)
    option = fit_reject_option(RejectRequest(precision=0.9), validation, 1.0)
    tried = [
        measure_reject_option(option, validation, ("them", validation), no_class).option.acceptance
        for no_class in (None, ("odd", _no_class(50)))
    ]
    rules = [one.unknown for one in tried]
    assert rules[0] is not None and rules[1] is not None
    assert rules[0].threshold == rules[1].threshold
    assert tried[0].thresholds == tried[1].thresholds
    assert rules[0].validated is None
    assert rules[1].validated is not None
    assert (rules[1].validated["pictures"], rules[1].validated["folder"]) == (50, "odd")


def test_a_model_that_answers_in_probabilities_has_thresholds_and_no_energy() -> None:
    raw = np.exp(_known(90).logs())
    validation = _answers(raw.argmax(axis=1).tolist(), raw, OutputKind.PROBABILITIES)
    option = fit_reject_option(RejectRequest(precision=0.9), validation, 1.0)
    assert option.acceptance.unknown is None
    assert option.acceptance.thresholds
    odd = _answers([-1] * 9, raw[:9], OutputKind.PROBABILITIES)
    done = measure_reject_option(option, validation, ("them", validation), ("odd", odd))
    assert any("in probabilities, which have no energy" in line for line in section_of(done)["notes"])
    assert done.no_class is not None
    assert done.no_class.separations == ()
    assert "the energy" not in pages().get_template("rejecting.html.j2").render(rejecting=section_of(done))


def test_without_a_wanted_precision_only_the_unknown_is_rejected() -> None:
    validation = _known(100)
    option = fit_reject_option(RejectRequest(accept=0.9), validation, 1.0)
    found = outcome(option.acceptance, validation, 1.0)
    assert (found.doubtful, found.unknown) == (0, 9)
    assert option.acceptance.thresholds == {}


def test_what_could_not_be_shown_is_said_with_what_it_would_take() -> None:
    validation = _known(45)
    option = fit_reject_option(RejectRequest(precision=0.98), validation, 1.0)
    said = list(sentences(measure_reject_option(option, validation, ("them", validation))))
    assert any("0.98 cannot be shown for cat, dog, owl" in line and "takes 149 accepted" in line for line in said)
    assert any("was not tried on pictures of no class; --unknown FOLDER" in line for line in said)


def test_a_class_that_no_picture_was_named_has_a_sentence_of_its_own() -> None:
    validation = _answers([0] * 30 + [1] * 30, np.eye(3)[[0] * 30 + [1] * 30] * 6)
    option = fit_reject_option(RejectRequest(precision=0.9), validation, 1.0)
    said = list(sentences(measure_reject_option(option, validation, ("them", validation))))
    assert any(line.startswith("owl: none of 60 validation pictures was named so; accepted from") for line in said)
    assert not any("0 pictures named so" in line for line in said)


def test_what_is_shown_for_every_class_is_said_too(figures: RejectFigures) -> None:
    assert any("0.95 is shown for every class" in line for line in sentences(figures))


def test_the_page_shows_rules_outcomes_and_what_the_energy_is_worth(figures: RejectFigures) -> None:
    section = section_of(figures, {"int8-tflite": figures.known})
    assert json.loads(json.dumps(section)) == section
    page = pages().get_template("rejecting.html.j2").render(rejecting=section)
    for words in ("test pictures", "of no class, in odd", "energy (used)", "softmax", "int8-tflite", "owl"):
        assert words in page
    assert "not tried" not in page


def test_the_page_says_that_nothing_was_tried() -> None:
    validation = _known(60)
    option = fit_reject_option(RejectRequest(precision=0.9), validation, 1.0)
    section = section_of(measure_reject_option(option, validation, ("them", validation)))
    assert "was not tried on pictures of no class" in pages().get_template("rejecting.html.j2").render(
        rejecting=section
    )


@pytest.mark.parametrize("wrong", [{"precision": 1.0}, {"precision": 0.0}, {"accept": 0.0}, {"accept": 1.1}])
def test_shares_that_cannot_be_meant_are_refused_by_the_name_of_their_option(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="--" + next(iter(wrong))):
        RejectRequest(**wrong)


def test_nothing_is_asked_unless_something_is() -> None:
    assert not RejectRequest().asked
    assert RejectRequest(accept=0.9).asked
    assert RejectRequest().accepted == 0.95
