"""What every file of a bundle, and the network it comes from, answers to pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hawklet.bundle import Bundle
from hawklet.classifier import Classifier
from hawklet.errors import ModelError
from hawklet.golden import record
from hawklet.spec import Floats, OutputKind, Pixels, PreprocessSpec
from hawklet_converter.verification.statistics import Labels, Logs
from hawklet_trainer.data import Photo, load_pixels
from hawklet_trainer.evaluation.temperature import log_probabilities

if TYPE_CHECKING:
    from hawklet_trainer.run import Run

_AT_A_TIME = 128  # pictures in memory: 20 MB at 224 px

Model = Callable[[Pixels], Floats]
"""``uint8 [N, H, W, C]`` -> ``float32 [N, classes]``."""


@dataclass(frozen=True)
class Answers:
    """One model's raw outputs on all pictures."""

    name: str
    raw: Floats
    """``float32 [N, classes]``."""
    output: OutputKind

    @property
    def named(self) -> Labels:
        """The best class of each picture, ``int64 [N]``."""
        return np.asarray(self.raw.argmax(axis=1), dtype=np.int64)

    def logs(self, temperature: float) -> Logs:
        """Logarithms of the probabilities; those of a model that answers in probabilities are taken as they come."""
        return log_probabilities(self.raw, self.output, temperature)


def variant_models(bundle: Bundle, threads: int) -> dict[str, Model]:
    """Every variant, through the runtime's own classifier."""
    return {
        variant.name: _recorder(Classifier.from_bundle(bundle, variant=variant.name, threads=threads))
        for variant in bundle.manifest.variants
    }


def _recorder(classifier: Classifier) -> Model:
    return lambda pixels: record(classifier, pixels)


def network_model(run: Run) -> Model:
    """The run's network itself, in torch and float32."""
    from hawklet_trainer.evaluation.metrics import network_logits

    net = run.build()
    return lambda pixels: network_logits(net, pixels, run.pixel_zero_point, run.pixel_scale)


def answer(
    models: Mapping[str, Model], photos: Sequence[Photo], spec: PreprocessSpec
) -> tuple[dict[str, Floats], Labels]:
    """Show all pictures to all models, some at a time, so that any number of pictures fits in memory.

    Returns:
        Raw outputs ``float32 [N, classes]`` by model, and the true classes ``int64 [N]``.

    Raises:
        ModelError: a model answers in what is no number.
    """
    parts: dict[str, list[Floats]] = {name: [] for name in models}
    truths = []
    for start in range(0, len(photos), _AT_A_TIME):
        pixels, truth = load_pixels(photos[start : start + _AT_A_TIME], spec)
        truths.append(truth)
        for name, model in models.items():
            parts[name].append(_finite(model(pixels), name))
    return {name: np.concatenate(part) for name, part in parts.items()}, np.concatenate(truths)


def _finite(raw: Floats, name: str) -> Floats:
    if not np.isfinite(raw).all():
        raise ModelError(f"a model must answer in numbers, and {name} answered NaN or infinity; convert anew")
    return raw
