"""Everything that an evaluation finds in a model's answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hawklet.spec import OutputKind
from hawklet_trainer.evaluation.answers import Answers
from hawklet_trainer.evaluation.calibration import Calibration, calibration
from hawklet_trainer.evaluation.confused_pairs import ConfusedPair, confused_pairs
from hawklet_trainer.evaluation.gallery import Named, least_certain, worst_mistakes
from hawklet_trainer.evaluation.intervals import Intervals, measure_intervals
from hawklet_trainer.evaluation.metrics import Metrics, measure
from hawklet_trainer.evaluation.ranking import ClassRanking, mean_auc, mean_average_precision, rank_classes
from hawklet_trainer.evaluation.temperature import fit_temperature


@dataclass(frozen=True)
class Scaling:
    """A temperature, and where it is from: never from the pictures that it is judged on."""

    temperature: float
    """Logits are divided by it."""
    fitted_on: str
    """In words."""


@dataclass(frozen=True)
class Analysis:
    """What was found on one set of pictures. Scores are scaled by the temperature, where there is one."""

    answers: Answers
    metrics: Metrics
    intervals: Intervals
    unscaled: Calibration
    """At temperature 1."""
    scaled: Calibration | None
    """None: there is no temperature but one that was fitted on these very pictures, or none at all."""
    scaling: Scaling | None
    rankings: tuple[ClassRanking, ...]
    """Of the classes that have pictures."""
    pairs: tuple[ConfusedPair, ...]
    mistakes: tuple[Named, ...]
    """The worst ones."""
    uncertain: tuple[Named, ...]
    """The least certain pictures."""

    @property
    def mistake_count(self) -> int:
        """Pictures named wrongly."""
        return int((self.answers.named != self.answers.truth).sum())

    def figures(self) -> dict[str, Any]:
        """The numbers that a run's manifest keeps, as plain JSON types: percent, but for ``calibration``."""
        return {
            **self.metrics.to_dict(),
            "mean_average_precision": mean_average_precision(self.rankings),
            "mean_auc": mean_auc(self.rankings),
            "intervals": self.intervals.to_dict(),
            "calibration": {
                "unscaled": _without_bins(self.unscaled),
                "scaled": self.scaled and _without_bins(self.scaled),
                "temperature": self.scaling and self.scaling.temperature,
                "fitted_on": self.scaling and self.scaling.fitted_on,
            },
        }

    def to_dict(self) -> dict[str, Any]:
        """:meth:`figures` and what explains them, as plain JSON types."""
        return {
            **self.figures(),
            "ranking": [
                {"label": one.label, "average_precision": one.average_precision, "auc": one.auc}
                for one in self.rankings
            ],
            "reliability": {
                "unscaled": [asdict(one) for one in self.unscaled.bins],
                "scaled": self.scaled and [asdict(one) for one in self.scaled.bins],
            },
            "confused_pairs": [asdict(pair) for pair in self.pairs],
            "worst_mistakes": [one.to_dict() for one in self.mistakes],
            "least_certain": [one.to_dict() for one in self.uncertain],
        }


def _without_bins(found: Calibration) -> dict[str, float]:
    return {name: value for name, value in vars(found).items() if name != "bins"}


def analyse(answers: Answers, scaling: Scaling | None = None) -> Analysis:
    """Compute every figure.

    Args:
        answers: To at least one picture.
        scaling: A temperature that these pictures had no part in; not used where the model answers in probabilities.
    """
    if answers.output is OutputKind.PROBABILITIES:
        scaling = None
    temperature = scaling.temperature if scaling else 1.0
    truth, logs = answers.truth, answers.logs(temperature)
    metrics = measure(truth, answers.raw, answers.labels)
    return Analysis(
        answers=answers,
        metrics=metrics,
        intervals=measure_intervals(truth, answers.named, len(answers.labels), answers.groups),
        unscaled=calibration(answers.logs(), truth),
        scaled=calibration(logs, truth) if scaling else None,
        scaling=scaling,
        rankings=rank_classes(logs, truth, answers.labels),
        pairs=confused_pairs(metrics.confusion, answers.labels),
        mistakes=worst_mistakes(answers, temperature),
        uncertain=least_certain(answers, temperature),
    )


def scaling_of(validation: Answers) -> Scaling | None:
    """The temperature that suits validation pictures; None where the model answers in probabilities."""
    if validation.output is OutputKind.PROBABILITIES:
        return None
    return Scaling(fit_temperature(validation.raw, validation.truth), f"{len(validation.photos)} validation pictures")
