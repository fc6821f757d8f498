"""One number to make smaller: how wrong the answers are, and how far from a teacher's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from hawklet_trainer.training.distil import CaughtFeatures, feature_distance
from hawklet_trainer.training.terms import TrainConfig


@dataclass(frozen=True)
class TrainingLoss:
    """What a training makes smaller.

    Args:
        config: ``label_smoothing``, ``focal``, ``distil``, ``temperature`` and ``match_features`` are used.
        weights: What a picture of each class counts, ``float32 [C]``, on the device of the answers; None: all the same.
        features: Of the network and its teacher, where they are to be matched; always those of the latest pictures.
    """

    config: TrainConfig
    weights: torch.Tensor | None = None
    features: CaughtFeatures | None = None

    def __call__(self, answers: torch.Tensor, y: torch.Tensor, taught: torch.Tensor | None = None) -> torch.Tensor:
        """The mean over a batch.

        Args:
            answers: The network's logits, ``float32 [N, C]``.
            y: True label indices, ``int64 [N]``, or of mixed pictures the shares of the labels, ``float32 [N, C]``.
            taught: The teacher's logits, as the answers.
        """
        loss = self.of_labels(answers, y)
        if taught is None:
            return loss
        t = self.config.temperature
        distance = functional.kl_div(
            torch.log_softmax(answers / t, 1), torch.log_softmax(taught / t, 1), log_target=True, reduction="batchmean"
        )
        loss = (1.0 - self.config.distil) * loss + self.config.distil * t * t * distance
        if self.features is not None:
            loss = loss + self.config.match_features * feature_distance(self.features)
        return loss

    def of_labels(self, answers: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The part that no teacher has a share in; arguments as above."""
        if self.weights is None and self.config.focal == 0.0:
            return functional.cross_entropy(answers, y, label_smoothing=self.config.label_smoothing)
        shares = self._smoothed(y, answers.shape[1])
        logarithms = answers.log_softmax(1)
        # A share of a label counts less the surer the network is of that label.
        each = -(shares * (1.0 - logarithms.exp()) ** self.config.focal * logarithms)
        if self.weights is not None:
            each = each * self.weights
        return each.sum(1).mean()

    def _smoothed(self, y: torch.Tensor, classes: int) -> torch.Tensor:
        shares = y if y.is_floating_point() else functional.one_hot(y, classes).float()
        return shares * (1.0 - self.config.label_smoothing) + self.config.label_smoothing / classes
