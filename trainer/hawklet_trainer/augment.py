"""Random pictures out of few: what a camera may change about a thing without changing its class."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import torch
from torchvision.transforms import v2

from hawklet.spec import PreprocessSpec


class Augment(str, Enum):
    """How strongly training pictures are varied."""

    NONE = "none"
    LIGHT = "light"
    DEFAULT = "default"


def make_augmentation(kind: Augment, spec: PreprocessSpec, flip: bool) -> Callable[[torch.Tensor], torch.Tensor]:
    """Build the augmentation of one training.

    Args:
        kind: How strong.
        spec: The size to produce, and for NONE the crop of the evaluation.
        flip: Mirror half of the pictures; wrong for arrows, letters and other things that mirroring changes.

    Returns:
        A function from ``uint8 [N, 3, H', W']`` to ``uint8 [N, 3, spec.height, spec.width]``, each picture varied on
        its own with torch's global random numbers.
    """
    transform = v2.Compose([*_STEPS[kind](spec), *([v2.RandomHorizontalFlip()] if flip else [])])

    def augment(pictures: torch.Tensor) -> torch.Tensor:
        # One picture at a time: the transforms draw their random numbers once per call.
        return torch.stack([transform(picture) for picture in pictures])

    return augment


def _none(spec: PreprocessSpec) -> list[torch.nn.Module]:
    def cut(picture: torch.Tensor) -> torch.Tensor:
        height, width = picture.shape[-2:]
        box = [round(height * spec.crop_fraction), round(width * spec.crop_fraction)]
        cropped: torch.Tensor = v2.functional.center_crop(picture, box)
        return cropped

    return [v2.Lambda(cut), v2.Resize((spec.height, spec.width), antialias=True)]


def _light(spec: PreprocessSpec) -> list[torch.nn.Module]:
    return [
        v2.RandomResizedCrop((spec.height, spec.width), scale=(0.6, 1.0), ratio=(0.8, 1.25), antialias=True),
        v2.ColorJitter(brightness=0.15, contrast=0.15, saturation=0.15),
    ]


def _default(spec: PreprocessSpec) -> list[torch.nn.Module]:
    return [
        v2.RandomApply([v2.RandomRotation(12, v2.InterpolationMode.BILINEAR)], p=0.5),
        v2.RandomResizedCrop((spec.height, spec.width), scale=(0.35, 1.0), antialias=True),
        v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.02),
        v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.5))], p=0.15),
    ]


_STEPS: dict[Augment, Callable[[PreprocessSpec], list[torch.nn.Module]]] = {
    Augment.NONE: _none,
    Augment.LIGHT: _light,
    Augment.DEFAULT: _default,
}
