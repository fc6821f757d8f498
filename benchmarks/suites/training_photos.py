"""The photos that contestants train on, and the test pictures that both are measured on in the same way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import Photo, PhotoSet, load_pixels
from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.training.modes import evaluation_mode

_BATCH = 50


def at_most(photos: PhotoSet, count: int | None) -> PhotoSet:
    """So many pictures in each split, evenly spaced over the classes; None: all."""
    if count is None:
        return photos
    return replace(photos, splits={split: _spaced(items, count) for split, items in photos.splits.items()})


def _spaced(photos: Sequence[Photo], count: int) -> tuple[Photo, ...]:
    chosen = np.linspace(0, len(photos) - 1, min(count, len(photos))).round().astype(int)
    return tuple(photos[index] for index in chosen)


class TestPictures:
    """Pictures that decide nothing, decoded once.

    Args:
        photos: Which.
        entry: The network's; both contestants see them at its size, and as much of them.
    """

    __test__ = False

    def __init__(self, photos: Sequence[Photo], entry: ModelEntry) -> None:
        spec = PreprocessSpec(entry.side, entry.side, crop_fraction=entry.crop_fraction)
        pixels, self._labels = load_pixels(photos, spec)
        self._pixels = torch.from_numpy(pixels).permute(0, 3, 1, 2)

    @torch.no_grad()
    def top1(self, net: nn.Module, prepare: Callable[[torch.Tensor], torch.Tensor]) -> float:
        """Accuracy in float32, percent; the network is in the mode that it was in afterwards.

        Args:
            net: Returns logits.
            prepare: Makes its input of ``float32 [N, 3, H, W]``, RGB, 0..255.
        """
        with evaluation_mode(net):
            answers = torch.cat([net(prepare(batch.float())) for batch in self._pixels.split(_BATCH)])
        return 100.0 * float((answers.argmax(1) == torch.from_numpy(self._labels)).double().mean())
