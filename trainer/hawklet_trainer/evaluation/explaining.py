"""Pictures of a gallery with what a network saw in them, for reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from torch import nn

from hawklet.errors import ImageError
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data.pixels import read_pixels
from hawklet_trainer.evaluation.gallery import Named
from hawklet_trainer.evaluation.grad_cam import grad_cam, overlay
from hawklet_trainer.thumbnail import as_rgb, data_uri

_SIDE = 132
_QUALITY = 75


@dataclass(frozen=True)
class Explanations:
    """What is shown beside pictures."""

    images: dict[int, str] = field(default_factory=dict)
    """:attr:`Named.number` to a data URI."""
    note: str = ""
    """Why there are none."""


Explain = Callable[[Sequence[Named], Sequence[str]], Explanations]
"""``explain(pictures, labels)``."""


def unexplained(why: str) -> Explain:
    """Of a model that gives no gradients."""
    return lambda pictures, labels: Explanations(note=why)


def network_explainer(net: nn.Module, spec: PreprocessSpec, zero_point: int, scale: float) -> Explain:
    """Grad-CAM of what each picture was named, on what the network saw of it.

    Args:
        net: On the CPU.
        spec: How pictures are prepared.
        zero_point: Pixel value that becomes 0.
        scale: ``x = (pixel - zero_point) * scale``.
    """

    def explain(pictures: Sequence[Named], labels: Sequence[str]) -> Explanations:
        read = list(_readable(pictures, spec))
        if not read:
            return Explanations()
        pixels = np.stack([prepared for _, prepared in read])
        evidence = grad_cam(net, pixels, [labels.index(one.named) for one, _ in read], zero_point, scale)
        if evidence is None:
            return Explanations(note="Grad-CAM needs a map of features, and this network has none.")
        return Explanations(
            {
                one.number: _shown(overlay(as_rgb(prepared), heat))
                for (one, prepared), heat in zip(read, evidence, strict=True)
            }
        )

    return explain


def _readable(pictures: Sequence[Named], spec: PreprocessSpec) -> Iterator[tuple[Named, Pixels]]:
    for one in pictures:
        try:
            yield one, read_pixels(one.place, spec)
        except ImageError:
            continue


def _shown(picture: Pixels) -> str:
    small = Image.fromarray(picture)
    small.thumbnail((_SIDE, _SIDE))
    return data_uri(np.asarray(small), _QUALITY)
