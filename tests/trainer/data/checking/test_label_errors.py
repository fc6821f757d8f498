"""Labels that are probably wrong, on features whose classes are known."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from hawklet.errors import MissingDependencyError
from hawklet_trainer.data.checking import label_errors
from hawklet_trainer.data.checking.label_errors import FOLDS, Judgement, judge_labels, require_cleanlab


def _features(labels: np.ndarray, apart: float = 3.0, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = apart * generator.standard_normal((int(labels.max()) + 1, 24))
    return (centres[labels] + generator.standard_normal((len(labels), 24))).astype(np.float32)


def _judge(features: np.ndarray, labels: np.ndarray, together: np.ndarray | None = None, seed: int = 0) -> Judgement:
    positions = np.arange(len(labels))
    return judge_labels(features, labels.astype(np.int32), positions if together is None else together, positions, seed)


def test_swapped_labels_are_found_with_the_likely_ones() -> None:
    truth = np.repeat(np.arange(4), 60)
    given = truth.copy()
    swapped = [3, 70, 130, 200]
    given[swapped] = (truth[swapped] + 1) % 4
    judgement = _judge(_features(truth), given)
    assert {suspect.position for suspect in judgement.suspects} == set(swapped)
    for suspect in judgement.suspects:
        assert suspect.likely == truth[suspect.position] and suspect.given < judgement.bound < suspect.confidence
    assert judgement.judged == 240 and judgement.bound == pytest.approx(0.05)


def test_good_labels_have_no_suspects() -> None:
    labels = np.repeat(np.arange(3), 50)
    assert _judge(_features(labels), labels).suspects == ()


def test_classes_that_cannot_be_told_apart_have_hardly_any_suspects() -> None:
    labels = np.tile(np.arange(3), 50)
    assert len(_judge(_features(np.zeros(150, int)), labels).suspects) <= 2


def test_copies_do_not_vouch_for_each_other() -> None:
    truth = np.repeat(np.arange(3), 40)
    features, given = _features(truth), truth.copy()
    features[1:8], given[:8] = features[0], 2  # one wrong picture, eight times
    together = np.arange(120)
    together[:8] = 0
    assert {suspect.position for suspect in _judge(features, given, together).suspects} >= set(range(8))


def test_classes_too_small_for_the_folds_are_not_judged() -> None:
    labels = np.concatenate([np.repeat(np.arange(2), 40), np.full(FOLDS - 1, 2)])
    judgement = _judge(_features(labels), labels)
    assert judgement.judged == 80 and judgement.bound == pytest.approx(0.1)
    assert _judge(_features(labels)[70:], labels[70:]).judged == 0


def test_positions_are_those_that_were_given() -> None:
    truth = np.repeat(np.arange(3), 40)
    given = truth.copy()
    given[5] = 2
    positions = np.arange(120) * 10
    judgement = judge_labels(_features(truth), given.astype(np.int32), np.arange(120), positions, 0)
    assert [suspect.position for suspect in judgement.suspects] == [50]


def test_folds_hold_about_a_fifth_of_every_class_and_never_divide_a_group() -> None:
    given = np.repeat(np.arange(4), 50)
    together = np.arange(200) // 2
    folds = label_errors._folds(given, together, seed=3)
    assert (folds[::2] == folds[1::2]).all()
    counts = np.array([[(folds[given == label] == fold).sum() for fold in range(FOLDS)] for label in range(4)])
    assert (counts == 10).all()
    assert (folds != label_errors._folds(given, together, seed=4)).any()


def test_without_cleanlab_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'hawklet\[data\]'"):
        require_cleanlab()
