"""What a model answers to labelled pictures: what every figure of an evaluation is computed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hawklet.errors import ModelError
from hawklet.spec import Floats, OutputKind, Pixels, PreprocessSpec
from hawklet_trainer.data import Photo, load_pixels
from hawklet_trainer.evaluation.metrics import network_logits
from hawklet_trainer.evaluation.temperature import log_probabilities

if TYPE_CHECKING:
    from torch import nn

_CHUNK = 256
"""Pictures in memory at a time: 38 MB at 224 px."""

Model = Callable[[Pixels], Floats]
"""``uint8 [N, H, W, C]`` -> raw outputs, ``float32 [N, classes]``."""


@dataclass(frozen=True)
class Answers:
    """A model's raw outputs on some pictures."""

    photos: tuple[Photo, ...]
    labels: tuple[str, ...]
    """C class names."""
    raw: Floats
    """``float32 [N, C]``."""
    output: OutputKind = OutputKind.LOGITS

    @property
    def truth(self) -> npt.NDArray[np.int64]:
        """True label indices, ``int64 [N]``."""
        return np.array([photo.label_index for photo in self.photos], dtype=np.int64)

    @property
    def named(self) -> npt.NDArray[np.int64]:
        """The best class of each picture, ``int64 [N]``."""
        return np.asarray(self.raw.argmax(axis=1), dtype=np.int64)

    @property
    def groups(self) -> tuple[str, ...] | None:
        """What hangs together, per picture (a picture without a group is one of its own); None: nothing does."""
        if not any(photo.place.group for photo in self.photos):
            return None
        return tuple(photo.place.group or f"\0{number}" for number, photo in enumerate(self.photos))

    def logs(self, temperature: float = 1.0) -> npt.NDArray[np.float64]:
        """Logarithms of the probabilities, ``float64 [N, C]``."""
        return log_probabilities(self.raw, self.output, temperature)


def answer(
    model: Model,
    photos: Sequence[Photo],
    spec: PreprocessSpec,
    labels: Sequence[str],
    output: OutputKind = OutputKind.LOGITS,
) -> Answers:
    """Show pictures to a model, a few hundred of them in memory at a time.

    Args:
        model: Takes prepared pictures.
        photos: At least one, with label indices into ``labels``.
        spec: How they are prepared.
        labels: C class names.
        output: What the model's outputs are.

    Raises:
        ModelError: it answers in what is no number.
    """
    parts = []
    for begin in range(0, len(photos), _CHUNK):
        raw = model(load_pixels(photos[begin : begin + _CHUNK], spec)[0])
        if not np.isfinite(raw).all():
            raise ModelError("a model must answer in numbers, and this one answered NaN or infinity; train again")
        parts.append(raw)
    return Answers(tuple(photos), tuple(labels), np.concatenate(parts), output)


def network_model(net: nn.Module, zero_point: int, scale: float) -> Model:
    """A network in float32, as :func:`~hawklet_trainer.evaluation.metrics.network_logits` runs it."""
    return lambda pixels: network_logits(net, pixels, zero_point, scale)
