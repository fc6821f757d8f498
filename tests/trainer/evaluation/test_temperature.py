"""The temperature, and probabilities of whatever a model answers."""

from __future__ import annotations

import numpy as np
import pytest

from hawklet.spec import OutputKind
from hawklet_trainer.evaluation.temperature import fit_temperature, log_probabilities


def test_an_overconfident_model_gets_the_temperature_it_was_made_overconfident_by() -> None:
    random = np.random.default_rng(0)
    honest = random.normal(size=(20_000, 4)) * 2
    odds = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    truth = (odds.cumsum(axis=1) > random.random((20_000, 1))).argmax(axis=1)
    assert fit_temperature((honest * 3).astype(np.float32), truth) == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("pictures", [15, 105, 1000])
def test_right_answers_alone_prove_no_certainty(pictures: int) -> None:
    logits = np.tile(np.array([0, 1], dtype=np.float32), (pictures, 1))
    temperature = fit_temperature(logits, np.ones(pictures, dtype=np.int64))
    sure = 1 / (1 + np.exp(-1 / temperature))
    assert 1 - sure == pytest.approx(1 / (pictures + 2), rel=1e-3)  # Laplace's rule of succession


def test_probabilities_are_taken_as_they_come_and_none_is_nothing() -> None:
    raw = np.array([[0.75, 0.25, 0.0]], dtype=np.float32)
    odds = np.exp(log_probabilities(raw, OutputKind.PROBABILITIES, temperature=9.0))
    assert odds[0, 0] > 0.6 and 0 < odds[0, 2] < 0.2 and odds.sum() == pytest.approx(1)
    cooled = np.exp(log_probabilities(raw, OutputKind.LOGITS, temperature=0.1))
    assert cooled[0, 0] == pytest.approx(np.exp(7.5) / np.exp([7.5, 2.5, 0]).sum())
