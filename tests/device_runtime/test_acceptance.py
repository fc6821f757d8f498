"""What it takes for an answer to be accepted, and the words for it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hawklet.acceptance import Acceptance, UnknownRule, energy_of
from hawklet.spec import Rejection

RULE = UnknownRule(-5.0, 0.95, {"pictures": 40})
BOTH = Acceptance({"cat": 0.9, "dog": 0.4}, RULE)


def test_the_energy_is_minus_the_logarithm_of_the_summed_exponentials() -> None:
    logits = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    for temperature in (0.5, 1.0, 2.0):
        wanted = [-temperature * math.log(sum(math.exp(x / temperature) for x in row)) for row in logits.tolist()]
        assert energy_of(logits, temperature) == pytest.approx(wanted)
    assert energy_of(logits[0], 1.0).shape == ()


def test_the_energy_of_huge_logits_is_finite() -> None:
    assert energy_of(np.array([1e30, -1e30], dtype=np.float32), 0.05) == pytest.approx(-1e30)


@pytest.mark.parametrize(
    ("label", "score", "energy", "rejection"),
    [
        ("cat", 0.9, -5.0, None),
        ("cat", 0.89, -6.0, Rejection.DOUBTFUL),
        ("dog", 0.89, -6.0, None),
        ("bird", 0.01, -6.0, None),
        ("cat", 0.99, -4.9, Rejection.UNKNOWN),
        ("cat", 0.10, -4.9, Rejection.UNKNOWN),
    ],
)
def test_each_class_has_its_own_least_score_and_the_unknown_is_no_class(
    label: str, score: float, energy: float, rejection: Rejection | None
) -> None:
    assert BOTH.judge(label, score, energy) is rejection


def test_a_threshold_that_is_typed_replaces_those_of_all_classes_and_leaves_the_unknown() -> None:
    typed = BOTH.overridden(0.5)
    assert typed.judge("cat", 0.6, -6.0) is None
    assert typed.judge("dog", 0.45, -6.0) is Rejection.DOUBTFUL
    assert typed.judge("cat", 0.6, -1.0) is Rejection.UNKNOWN
    assert BOTH.overridden(None) == BOTH


def test_the_unknown_can_be_accepted_on_request() -> None:
    assert BOTH.overridden(None, accept_unknown=True).judge("cat", 0.95, 100.0) is None


def test_what_is_accepted_is_said_and_nothing_where_everything_is() -> None:
    assert Acceptance().describe() == ""
    assert "a score of 0.5 on" in Acceptance().overridden(0.5).describe()
    said = BOTH.describe()
    assert "dog 0.40, cat 0.90" in said
    assert "energy above -5, fitted to accept 95%" in said
    many = Acceptance({f"class{number}": number / 10 for number in range(10)}).describe()
    assert "0.00 (class0) to 0.90 (class9)" in many


@pytest.mark.parametrize("rule", [RULE, UnknownRule(1.5, 1.0)])
def test_a_rule_is_read_as_it_was_written(rule: UnknownRule) -> None:
    assert UnknownRule.from_dict(rule.to_dict()) == rule
    assert ("validated" in rule.to_dict()) is (rule.validated is not None)
