"""Which pictures are worth a look: the worst mistakes, and those the model was least certain of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet_trainer.data import Place
from hawklet_trainer.evaluation.answers import Answers

WORST, LEAST_CERTAIN = 24, 12
"""Pictures that are shown."""


@dataclass(frozen=True)
class Named:
    """A picture and what the model called it."""

    number: int
    """Position among the pictures that were measured on."""
    place: Place
    truth: str
    named: str
    score: float
    """Probability of the name that it was given, 0..1."""
    truth_score: float
    """Probability of its class, 0..1."""
    loss: float
    """Negative logarithm of ``truth_score``, nats."""
    runner_up: str
    """The second best name."""
    runner_up_score: float

    @property
    def right(self) -> bool:
        """Whether it was named rightly."""
        return self.named == self.truth

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; ``picture`` is its file, with the first byte where it lies within a shard."""
        span = self.place.span
        picture = f"{self.place.path}@{span.offset}" if span else str(self.place.path)
        shown = ("truth", "named", "score", "truth_score", "loss", "runner_up", "runner_up_score")
        return {"picture": picture, **{name: getattr(self, name) for name in shown}}


def worst_mistakes(answers: Answers, temperature: float = 1.0, most: int = WORST) -> tuple[Named, ...]:
    """Pictures that were named wrongly, those of the greatest loss first: sure of the wrong, and never thought of the
    right."""
    logs, truth = answers.logs(temperature), answers.truth
    losses = -logs[np.arange(len(truth)), truth]
    wrong = np.flatnonzero(answers.named != truth)
    return _named(answers, logs, wrong[np.argsort(-losses[wrong], kind="stable")][:most])


def least_certain(answers: Answers, temperature: float = 1.0, most: int = LEAST_CERTAIN) -> tuple[Named, ...]:
    """Pictures whose two best classes are nearest to each other, rightly named or not."""
    logs = answers.logs(temperature)
    best = np.exp(np.partition(logs, -2, axis=1)[:, -2:])
    margins = best[:, 1] - best[:, 0]
    return _named(answers, logs, np.argsort(margins, kind="stable")[:most])


def _named(
    answers: Answers, logs: npt.NDArray[np.float64], numbers: Sequence[int] | npt.NDArray[np.int64]
) -> tuple[Named, ...]:
    return tuple(_one(answers, logs[number], int(number)) for number in numbers)


def _one(answers: Answers, logs: npt.NDArray[np.float64], number: int) -> Named:
    photo, labels = answers.photos[number], answers.labels
    first, second = (int(index) for index in np.argsort(-logs, kind="stable")[:2])
    return Named(
        number=number,
        place=photo.place,
        truth=labels[photo.label_index],
        named=labels[first],
        score=float(np.exp(logs[first])),
        truth_score=float(np.exp(logs[photo.label_index])),
        loss=float(-logs[photo.label_index]),
        runner_up=labels[second],
        runner_up_score=float(np.exp(logs[second])),
    )
