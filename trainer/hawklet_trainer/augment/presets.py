"""How much training pictures are varied, by name."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

import torch
from torchvision.transforms import v2

from hawklet.spec import PreprocessSpec
from hawklet_trainer.augment.camera import Camera
from hawklet_trainer.augment.colours import on_colours
from hawklet_trainer.augment.mixing import Mix

_MARGIN = 8 / 7
"""Training pictures are kept this much larger than the input, so that random crops have something to choose from."""
_GREY = 114
"""What shows where a picture was moved away."""


class Augment(str, Enum):
    """How strongly training pictures are varied."""

    NONE = "none"
    LIGHT = "light"
    MEDIUM = "medium"
    STRONG = "strong"
    CAMERA = "camera"

    @classmethod
    def _missing_(cls, value: object) -> Augment | None:
        """Older runs say ``default``: ``medium`` came of it, with larger crops and without hue."""
        return cls.MEDIUM if value == "default" else None

    @property
    def own_mix(self) -> Mix:
        """How pictures are mixed where nothing else is asked for."""
        return Mix.BOTH if self is Augment.STRONG else Mix.NONE


_WORDS = {
    Augment.NONE: "as the evaluation sees them",
    Augment.LIGHT: "crops of 60-100 %, and a little of brightness, contrast and saturation",
    Augment.MEDIUM: "turned by up to 12 degrees, crops of 50-100 %, brightness, contrast, saturation, sharpness",
    Augment.STRONG: "crops of 25-100 %, one operation of TrivialAugment at any strength, and now and then a hole",
    Augment.CAMERA: "as a small camera takes them: crops of 60-100 %, a little askew, moved and out of focus, too dark "
    "or too bright, bands of flickering lamps, fall-off, gain noise, wrong white balance, JPEG",
}
_WORDS_OF_GREY = {
    Augment.LIGHT: "crops of 60-100 %, and a little of brightness and contrast",
    Augment.MEDIUM: "turned by up to 12 degrees, crops of 50-100 %, brightness, contrast, sharpness",
    Augment.CAMERA: "as a small camera takes them: crops of 60-100 %, a little askew, moved and out of focus, too dark "
    "or too bright, bands of flickering lamps, fall-off, gain noise, JPEG",
}
_MIX_WORDS = {
    Mix.NONE: "",
    Mix.MIXUP: "mixed in pairs by mixup",
    Mix.CUTMIX: "mixed in pairs by CutMix",
    Mix.BOTH: "mixed in pairs by mixup or CutMix",
}


def describe(kind: Augment, flip: bool, mix: Mix | None = None, channels: int = 3) -> str:
    """What a training does to its pictures, in words.

    Args:
        kind: As in :class:`~hawklet_trainer.training.terms.TrainConfig`.
        flip: Likewise.
        mix: Likewise.
        channels: Of the pictures, 1, 3 or 4.
    """
    words = (_WORDS | _WORDS_OF_GREY if channels == 1 else _WORDS)[kind]
    mirrored = "half of them mirrored" if flip else "never mirrored"
    mixed = _MIX_WORDS[kind.own_mix if mix is None else mix]
    fourth = "the fourth plane moved alike and otherwise as it is" if channels == 4 and kind is not Augment.NONE else ""
    return "; ".join(part for part in (words, fourth, mirrored, mixed) if part)


def source_spec(spec: PreprocessSpec) -> PreprocessSpec:
    """How pictures are read that are to be augmented to ``spec``: whole, and a little larger."""
    height, width = round(spec.height * _MARGIN), round(spec.width * _MARGIN)
    return PreprocessSpec(height, width, spec.fit, 1.0, spec.interpolation, spec.channels)


def make_augmentation(kind: Augment, spec: PreprocessSpec, flip: bool) -> Callable[[torch.Tensor], torch.Tensor]:
    """Build the augmentation of one training.

    Args:
        kind: How strong.
        spec: The size to produce, and for NONE the crop of the evaluation.
        flip: Mirror half of the pictures; wrong for arrows, letters and other things that mirroring changes. Without
            it STRONG turns pictures by 30 degrees at most, and not by 135.

    Returns:
        A function from ``uint8 [N, C, H', W']`` to ``uint8 [N, C, spec.height, spec.width]`` of the spec's C channels,
        each picture varied on its own with torch's global random numbers. It can be pickled, for worker processes.
    """
    return _Augmentation([*_STEPS[kind](spec, flip), *([v2.RandomHorizontalFlip()] if flip else [])])


class _Augmentation:
    def __init__(self, steps: list[Callable[[torch.Tensor], torch.Tensor]]):
        self._transform = v2.Compose(steps)

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        # One picture at a time: the transforms draw their random numbers once per call.
        return torch.stack([self._transform(picture) for picture in pictures])


_Steps = list[Callable[[torch.Tensor], torch.Tensor]]


def _none(spec: PreprocessSpec, flip: bool) -> _Steps:
    return [partial(_cut, share=spec.crop_fraction), v2.Resize((spec.height, spec.width), antialias=True)]


def _cut(picture: torch.Tensor, share: float) -> torch.Tensor:
    height, width = picture.shape[-2:]
    cropped: torch.Tensor = v2.functional.center_crop(picture, [round(height * share), round(width * share)])
    return cropped


def _light(spec: PreprocessSpec, flip: bool) -> _Steps:
    return [
        v2.RandomResizedCrop((spec.height, spec.width), scale=(0.6, 1.0), ratio=(0.8, 1.25), antialias=True),
        _jitter(spec.channels, brightness=0.15, contrast=0.15, saturation=0.15),
    ]


def _medium(spec: PreprocessSpec, flip: bool) -> _Steps:
    return [
        v2.RandomApply([v2.RandomRotation(12, v2.InterpolationMode.BILINEAR)], p=0.5),
        v2.RandomResizedCrop((spec.height, spec.width), scale=(0.5, 1.0), antialias=True),
        _jitter(spec.channels, brightness=0.3, contrast=0.3, saturation=0.3),
        partial(on_colours, v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.5))], p=0.15)),
    ]


def _jitter(
    channels: int, brightness: float, contrast: float, saturation: float
) -> Callable[[torch.Tensor], torch.Tensor]:
    if channels == 1:
        return v2.ColorJitter(brightness, contrast)  # type: ignore[no-any-return]  # torchvision has no types
    return partial(on_colours, v2.ColorJitter(brightness, contrast, saturation))


def _strong(spec: PreprocessSpec, flip: bool) -> _Steps:
    trivial = _TrivialAugment if flip else _UprightTrivialAugment
    return [
        v2.RandomResizedCrop((spec.height, spec.width), scale=(0.25, 1.0), antialias=True),
        trivial(interpolation=v2.InterpolationMode.BILINEAR, fill=_GREY),
        v2.RandomErasing(p=0.1, scale=(0.02, 0.2), value=_GREY),
    ]


def _camera(spec: PreprocessSpec, flip: bool) -> _Steps:
    return [Camera(spec.height, spec.width)]


_STEPS: dict[Augment, Callable[[PreprocessSpec, bool], _Steps]] = {
    Augment.NONE: _none,
    Augment.LIGHT: _light,
    Augment.MEDIUM: _medium,
    Augment.STRONG: _strong,
    Augment.CAMERA: _camera,
}


def _across(bins: int, height: int, width: int) -> torch.Tensor:
    return torch.linspace(0.0, width / 7, bins)


def _down(bins: int, height: int, width: int) -> torch.Tensor:
    return torch.linspace(0.0, height / 7, bins)


_MOVES = ("Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
"""TrivialAugment's operations that leave colours alone, in torchvision's names."""


class _TrivialAugment(v2.TrivialAugmentWide):  # type: ignore[misc]  # torchvision has no types
    """S. Mueller and F. Hutter, "TrivialAugment", 2021; moved by the same share of pictures of any size.

    The published 32 pixels are meant for 224, and would be the whole picture of small networks. A fourth plane is
    moved with the colours, and left alone by all other operations.
    """

    _AUGMENTATION_SPACE = {  # noqa: RUF012 -- torchvision's name, never changed
        **v2.TrivialAugmentWide._AUGMENTATION_SPACE,
        "TranslateX": (_across, True),
        "TranslateY": (_down, True),
    }

    def _apply_image_or_video_transform(
        self, image: torch.Tensor, transform_id: str, magnitude: float, **how: Any
    ) -> torch.Tensor:
        apply = partial(super()._apply_image_or_video_transform, transform_id=transform_id, magnitude=magnitude, **how)
        return apply(image) if transform_id in _MOVES else on_colours(apply, image)


def _turn(bins: int, height: int, width: int) -> torch.Tensor:
    return torch.linspace(0.0, 30.0, bins)


class _UprightTrivialAugment(_TrivialAugment):
    """For things that turning changes."""

    _AUGMENTATION_SPACE = {**_TrivialAugment._AUGMENTATION_SPACE, "Rotate": (_turn, True)}  # noqa: RUF012 -- as above
