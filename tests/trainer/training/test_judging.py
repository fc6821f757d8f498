"""Networks judged on val."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from hawklet_trainer.data import PixelSource
from hawklet_trainer.training.judging import UNJUDGED, Judge, Verdict
from hawklet_trainer.training.processes import ALONE
from hawklet_trainer.training.terms import TrainConfig

TRUTH = np.arange(40) % 3


class _Val:
    """Pictures of which only the labels are asked for."""

    label_indices = TRUTH

    def __len__(self) -> int:
        return len(TRUTH)


def _judged(monkeypatch: pytest.MonkeyPatch, logits: torch.Tensor) -> Verdict:
    monkeypatch.setattr(Judge, "answers", lambda judge, net: logits)
    val: PixelSource = _Val()  # type: ignore[assignment]  # all that is asked of one here
    return Judge(val, (0, 1.0), TrainConfig(), ALONE)(nn.Identity())


def _logits(wrong: int = 0, seed: int = 0) -> torch.Tensor:
    numbers = torch.randn(len(TRUTH), 3, generator=torch.Generator().manual_seed(seed)) * 0.5
    named = torch.from_numpy(np.where(np.arange(len(TRUTH)) < wrong, TRUTH + 1, TRUTH) % 3)
    return numbers + 3.0 * nn.functional.one_hot(named, 3)


def test_how_sure_a_network_is_of_itself_is_no_merit(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, timid = _judged(monkeypatch, _logits(wrong=2)), _judged(monkeypatch, _logits(wrong=2) / 5)
    assert timid.loss > 2 * plain.loss
    assert float(timid.lacking.mean()) == pytest.approx(float(plain.lacking.mean()), rel=1e-4)


def test_a_network_that_answers_better_beats_and_what_chance_explains_is_no_worse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good, bad = _judged(monkeypatch, _logits(wrong=5)), _judged(monkeypatch, _logits(wrong=20))
    other = _judged(monkeypatch, _logits(wrong=5, seed=1))
    assert good.beats(bad) and not bad.is_no_worse_than(good)
    assert good.beats(other) != other.beats(good)
    assert good.is_no_worse_than(other) and other.is_no_worse_than(good)


def test_a_network_that_answers_with_no_number_is_worse_than_any(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, poor = _judged(monkeypatch, _logits() * math.nan), _judged(monkeypatch, _logits(wrong=40))
    assert poor.beats(broken) and not broken.beats(poor) and not broken.is_no_worse_than(poor)
    assert not broken.beats(broken) and not broken.is_no_worse_than(broken)
    assert poor.beats(UNJUDGED)


def test_where_accuracy_was_promised_it_decides() -> None:
    def verdict(top1: float, lacking: float) -> Verdict:
        return Verdict(top1, lacking, torch.tensor([lacking, lacking + 0.1]), accuracy_first=True)

    assert verdict(90.0, 0.5).beats(verdict(80.0, 0.1)) and not verdict(80.0, 0.1).is_no_worse_than(verdict(90.0, 0.5))
    assert verdict(90.0, 0.4).beats(verdict(90.0, 0.5)) and not verdict(90.0, 0.5).is_no_worse_than(verdict(90.0, 0.4))
