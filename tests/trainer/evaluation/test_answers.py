"""What a model answers to pictures, some at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hawklet.errors import ModelError
from hawklet.spec import Floats, OutputKind, Pixels
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.evaluation import answers
from hawklet_trainer.evaluation.answers import Answers, answer
from tiny_networks import SPEC


def test_pictures_pass_a_few_at_a_time_and_in_their_order(photo_set: PhotoSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_CHUNK", 5)
    seen: list[int] = []

    def by_colour(pixels: Pixels) -> Floats:
        seen.append(len(pixels))
        return pixels.mean(axis=(1, 2))[:, ::-1].astype(np.float32)

    found = answer(by_colour, photo_set.items("train"), SPEC, photo_set.labels)
    assert seen == [5, 5, 5, 5, 4] and found.raw.shape == (24, 3)
    assert np.array_equal(found.named, found.truth)


def test_a_model_that_answers_in_what_is_no_number_is_refused(photo_set: PhotoSet) -> None:
    with pytest.raises(ModelError, match="answered NaN or infinity"):
        answer(lambda pixels: np.full((len(pixels), 3), np.nan, np.float32), photo_set.items("val"), SPEC, ("a", "b"))


def test_a_picture_without_a_group_is_one_of_its_own(photo_set: PhotoSet) -> None:
    first, second, third = photo_set.items("val")[:3]
    raw = np.zeros((3, 3), dtype=np.float32)
    assert Answers((first, second, third), photo_set.labels, raw).groups is None
    with_group = replace(second, place=replace(second.place, group="plant"))
    groups = Answers((first, with_group, third), photo_set.labels, raw).groups
    assert groups is not None and groups[1] == "plant" and len(set(groups)) == 3


def test_probabilities_are_told_from_logits(photo_set: PhotoSet) -> None:
    raw = np.array([[0.7, 0.2, 0.1]], dtype=np.float32)
    photo = photo_set.items("val")[0]
    as_probabilities = Answers((photo,), photo_set.labels, raw, OutputKind.PROBABILITIES)
    assert np.exp(as_probabilities.logs(5.0))[0] == pytest.approx([0.7, 0.2, 0.1], rel=1e-5)
    assert np.exp(Answers((photo,), photo_set.labels, raw).logs())[0].max() < 0.5
