"""The presets: repeatable, of the right size, and not more than was asked for."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from hawklet.spec import Fit, PreprocessSpec
from hawklet_trainer.augment import Augment, Mix, camera, describe, make_augmentation, presets, source_spec

SPEC = PreprocessSpec(48, 48)


def _noise(count: int = 3, side: int = 56) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def _augmented(kind: Augment, seed: int, flip: bool = True) -> torch.Tensor:
    torch.manual_seed(seed)
    return make_augmentation(kind, SPEC, flip)(_noise())


@pytest.mark.parametrize("kind", Augment)
def test_the_same_seed_draws_the_same_pictures_and_another_seed_others(kind: Augment) -> None:
    assert torch.equal(_augmented(kind, 5), _augmented(kind, 5))
    if kind is not Augment.NONE:
        assert not torch.equal(_augmented(kind, 5), _augmented(kind, 6))


@pytest.mark.parametrize("kind", Augment)
def test_no_random_numbers_but_torchs_are_drawn(kind: Augment) -> None:
    before = random.getstate(), np.random.get_state(legacy=True)
    _augmented(kind, 0)
    after = random.getstate(), np.random.get_state(legacy=True)
    assert repr(before) == repr(after)


@pytest.mark.parametrize("kind", Augment)
def test_an_augmentation_that_went_to_another_process_draws_the_same(kind: Augment) -> None:
    there = pickle.loads(pickle.dumps(make_augmentation(kind, SPEC, False)))  # noqa: S301 -- pickled here
    torch.manual_seed(2)
    assert torch.equal(there(_noise()), _augmented(kind, 2, flip=False))


@pytest.mark.parametrize("kind", Augment)
def test_every_picture_of_a_batch_is_varied_on_its_own_and_the_batch_is_left_alone(kind: Augment) -> None:
    pictures = _noise(1).repeat(4, 1, 1, 1)
    kept = pictures.clone()
    torch.manual_seed(0)
    made = make_augmentation(kind, SPEC, flip=False)(pictures)
    assert torch.equal(pictures, kept)
    assert all(torch.equal(made[0], other) for other in made[1:]) is (kind is Augment.NONE)


@pytest.mark.parametrize("kind", Augment)
@pytest.mark.parametrize("size", [(32, 32), (40, 64), (37, 33)])
def test_inputs_of_any_size_and_shape_are_made(kind: Augment, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(*size)
    source = source_spec(spec)
    pictures = torch.randint(0, 256, (8, 3, source.height, source.width), dtype=torch.uint8)
    made = make_augmentation(kind, spec, flip=True)(pictures)
    assert made.shape == (8, 3, *size) and made.dtype == torch.uint8


def _halves() -> torch.Tensor:
    """Left dark, right bright."""
    picture = torch.full((1, 3, 56, 56), 60, dtype=torch.uint8)
    picture[..., 28:] = 200
    return picture.repeat(200, 1, 1, 1)


def _contrast(pictures: torch.Tensor) -> torch.Tensor:
    """How much brighter the middle is a little to the right than a little to the left, where little is moved away."""
    return pictures[..., 12:36, 26:34].float().mean((1, 2, 3)) - pictures[..., 12:36, 14:22].float().mean((1, 2, 3))


def test_strong_without_flip_neither_mirrors_nor_turns_things_round() -> None:
    torch.manual_seed(0)
    made = _contrast(make_augmentation(Augment.STRONG, SPEC, flip=False)(_halves()))
    assert (made < -20).float().mean() < 0.1  # by solarizing, one operation of fourteen, which turns bright into dark
    torch.manual_seed(0)
    made = _contrast(make_augmentation(Augment.STRONG, SPEC, flip=True)(_halves()))
    assert 0.2 < (made < -20).float().mean() < 0.6


def test_strong_moves_small_pictures_no_further_than_large_ones() -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(32, 32)
    made = make_augmentation(Augment.STRONG, spec, flip=False)(torch.full((300, 3, 37, 37), 250, dtype=torch.uint8))
    grey = (made == 114).all(1).float().mean((1, 2))
    assert grey.max() < 0.7, "a picture was moved out of sight"


def test_only_strong_mixes_by_itself() -> None:
    assert {kind: kind.own_mix for kind in Augment if kind.own_mix is not Mix.NONE} == {Augment.STRONG: Mix.BOTH}


def test_what_a_preset_does_is_said_with_flips_and_mixing() -> None:
    words = describe(Augment.STRONG, flip=False)
    assert "TrivialAugment" in words and "never mirrored" in words and "mixup or CutMix" in words
    assert "mixed" not in describe(Augment.STRONG, True, Mix.NONE)
    assert describe(Augment.NONE, True, Mix.CUTMIX).endswith("half of them mirrored; mixed in pairs by CutMix")


def test_pictures_are_read_whole_and_a_little_larger_than_the_input() -> None:
    spec = source_spec(PreprocessSpec(224, 192, Fit.SQUASH, 1.0))
    assert (spec.height, spec.width, spec.fit, spec.crop_fraction) == (256, 219, Fit.SQUASH, 1.0)
    assert source_spec(PreprocessSpec(64, 64, crop_fraction=0.8)).crop_fraction == 1.0


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("kind", Augment)
def test_grey_pictures_and_those_with_a_fourth_plane_are_varied_too(kind: Augment, channels: int) -> None:
    spec = PreprocessSpec(48, 40, channels=channels)
    source = source_spec(spec)
    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (8, channels, source.height, source.width), dtype=torch.uint8)
    made = make_augmentation(kind, spec, flip=True)(pictures)
    assert made.shape == (8, channels, 48, 40) and made.dtype == torch.uint8
    assert len(made.unique(dim=0)) == 8


@pytest.mark.parametrize("kind", Augment)
def test_colours_are_varied_alike_with_and_without_a_fourth_plane(kind: Augment) -> None:
    four = torch.cat([_noise(), _noise()[:, :1]], dim=1)
    torch.manual_seed(5)
    made = make_augmentation(kind, replace(SPEC, channels=4), True)(four)
    assert torch.equal(made[:, :3], _augmented(kind, 5))


@pytest.mark.parametrize("kind", Augment)
def test_a_fourth_plane_is_moved_with_the_colours_and_otherwise_left_alone(
    kind: Augment, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, spec = _noise()[:, :1].repeat(10, 4, 1, 1), replace(SPEC, channels=4)

    def made() -> torch.Tensor:
        torch.manual_seed(3)
        return make_augmentation(kind, spec, flip=True)(pictures)

    def drawn_for_nothing(change: Callable[[torch.Tensor], torch.Tensor], picture: torch.Tensor) -> torch.Tensor:
        change(picture[:3])
        return picture

    whole = made()
    for module in (presets, camera):
        monkeypatch.setattr(module, "on_colours", drawn_for_nothing)
    moved = made()
    assert all(torch.equal(moved[:, 0], moved[:, plane]) for plane in (1, 2, 3))
    assert torch.equal(whole[:, 3], moved[:, 3])
    assert torch.equal(whole[:, 0], moved[:, 0]) is (kind is Augment.NONE)


@pytest.mark.parametrize("kind", Augment)
def test_nothing_is_said_of_colours_where_there_are_none(kind: Augment) -> None:
    words = describe(kind, True, channels=1)
    assert not any(word in words for word in ("saturation", "hue", "white balance"))
    assert ("fourth plane" in describe(kind, True, channels=4)) is (kind is not Augment.NONE)


def test_medium_shows_half_of_a_picture_or_more() -> None:
    spec = PreprocessSpec(48, 48, channels=4)
    ramp = torch.arange(40, 40 + 2 * 56, 2, dtype=torch.uint8).repeat(56, 1)  # the fourth plane is only moved
    shares = torch.ones(300)
    for plane in (ramp, ramp.T):
        torch.manual_seed(0)
        made = make_augmentation(Augment.MEDIUM, spec, flip=True)(plane.repeat(300, 4, 1, 1))[:, 3].float()
        shares *= (made.amax((1, 2)) - made.amin((1, 2))) / (2 * 55)
    assert 0.45 < shares.min() < 0.55  # the smallest of those that were not turned, which shows more of either side


def test_medium_leaves_hue_alone() -> None:
    torch.manual_seed(0)
    orange = torch.tensor([150, 80, 50], dtype=torch.uint8).view(1, 3, 1, 1).expand(200, 3, 56, 56)
    red, green, blue = make_augmentation(Augment.MEDIUM, SPEC, flip=True)(orange)[:, :, 24, 24].float().T
    assert ((green - blue) / (red - blue) - 30 / 100).abs().max() < 0.05
    assert red.std() > 10
