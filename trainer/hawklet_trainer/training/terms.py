"""What a training is told, what it tells, and who watches it: the words that the trainer's modules share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from torch import nn

from hawklet_trainer.augment import Augment, Mix


class Optimizer(str, Enum):
    """What makes steps of gradients; the rate and the decay are what it has unless told otherwise."""

    ADAMW = "adamw"
    """Decoupled weight decay (I. Loshchilov and F. Hutter, 2019)."""
    ADAM = "adam"
    """D. Kingma and J. Ba, 2015; weight decay is part of the gradient."""
    SGD = "sgd"
    """With a Nesterov momentum of 0.9."""

    @property
    def own_lr(self) -> float:
        """Highest learning rate of fine-tuning unless told otherwise."""
        return 1e-2 if self is Optimizer.SGD else 1e-4

    @property
    def lr_from_nothing(self) -> float:
        """Highest learning rate of random weights unless told otherwise."""
        return 1e-2 if self is Optimizer.SGD else 1e-3

    @property
    def own_weight_decay(self) -> float:
        """Weight decay unless told otherwise."""
        return {Optimizer.ADAMW: 0.02, Optimizer.ADAM: 0.0, Optimizer.SGD: 1e-4}[self]


class Schedule(str, Enum):
    """How the learning rate moves from the first step to the last."""

    COSINE = "cosine"
    """An epoch of warm-up, then half a cosine to zero."""
    ONE_CYCLE = "one-cycle"
    """From 1/25 up to its highest for 30 % of the steps, then down to zero (L. Smith and N. Topin, 2018)."""


class Balance(str, Enum):
    """What is done about classes of unequal sizes."""

    NONE = "none"
    WEIGHTS = "weights"
    """A picture counts by the inverse of how many its class has."""
    SAMPLING = "sampling"
    """Every class is shown as often: pictures are drawn with replacement."""


@dataclass(frozen=True)
class TrainConfig:
    """How to train."""

    epochs: int = 10
    """Most passes over the training pictures in fine-tuning; 0 = the head alone."""
    head_epochs: int = 30
    """Passes of the head over the cached features; 0 = leave the head as it is. More of them overfit few pictures."""
    head_views: int = 1
    """How often features are computed of every training picture: once as it is, every other time augmented anew."""
    batch: int = 32
    """Pictures that pass through the network together, in all processes together."""
    accumulate: int = 1
    """Batches whose gradients are averaged for one step."""
    optimizer: Optimizer = Optimizer.ADAMW
    lr: float | None = None
    """Highest learning rate of fine-tuning; None: the optimizer's own."""
    schedule: Schedule = Schedule.COSINE
    weight_decay: float | None = None
    """Of what is no bias and no batch norm; None: the optimizer's own."""
    layer_decay: float = 1.0
    """Each block's learning rate by that of the block after it; the head has the full one (J. Howard and S. Ruder,
    "Universal Language Model Fine-tuning", 2018: discriminative fine-tuning)."""
    unfreeze: int = 0
    """Epochs over which blocks begin to learn, the head first and the stem last (gradual unfreezing, ibid.)."""
    clip: float = 5.0
    """Longest gradient; 0 = any."""
    label_smoothing: float = 0.0
    focal: float = 0.0
    """Gamma of the focal loss, which counts what is named rightly already less (T.-Y. Lin et al., 2017); 0 = the
    cross-entropy."""
    balance: Balance = Balance.NONE
    dropout: float | None = None
    """Share of the features that are hidden from the head; None: the network's own."""
    ema: bool = True
    """Keep and judge a running average of the weights, with a memory of about one epoch."""
    freeze_batch_norm: bool = False
    """Leave the batch norms' statistics as they are: right for pretrained weights and few pictures or small batches."""
    augment: Augment = Augment.LIGHT
    flip: bool = True
    """Mirror half of the pictures."""
    mix: Mix | None = None
    """How pictures of a batch are mixed in pairs; None: as is ``augment``'s own way."""
    patience: int = 8
    """Stop after this many epochs without a better result on val."""
    accuracy_first: bool = False
    """Judge epochs by top-1 on val, and by the loss only where that is equal: for promises in points of top-1."""
    minutes: float | None = None
    """Stop in time: the learning rate reaches zero within this many minutes of fine-tuning."""
    distil: float = 0.7
    """With a teacher: share of the loss that is the distance to its answers."""
    temperature: float = 2.0
    """With a teacher: softening of both answers."""
    match_features: float = 0.0
    """With a teacher: weight of the distance between both networks' features, those of the layers that are matched, or
    else the similarities of pictures (F. Tung and G. Mori, "Similarity-Preserving Knowledge Distillation", 2019)."""
    seed: int = 0

    @property
    def mixing(self) -> Mix:
        """How pictures of a batch are mixed, settled."""
        return self.augment.own_mix if self.mix is None else self.mix

    @property
    def highest_lr(self) -> float:
        """The highest learning rate, settled."""
        return self.optimizer.own_lr if self.lr is None else self.lr

    @property
    def decay(self) -> float:
        """The weight decay, settled."""
        return self.optimizer.own_weight_decay if self.weight_decay is None else self.weight_decay

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> TrainConfig:
        """From options as YAML, JSON and a command line have them; those that an older hawklet lacked by default.

        Raises:
            TypeError: there is no such option.
            ValueError: it has no such value.
        """
        kinds = {"augment": Augment, "mix": Mix, "optimizer": Optimizer, "schedule": Schedule, "balance": Balance}
        return cls(
            **{key: kinds[key](value) if key in kinds and value is not None else value for key, value in values.items()}
        )


@dataclass(frozen=True)
class Step:
    """What one step of a phase came to; NaN where there is nothing of that kind."""

    loss: float = math.nan
    top1: float = math.nan
    """Percent of this step's pictures named rightly, augmented as they were; NaN where pictures were mixed."""
    lr: float = math.nan
    """Of the fastest group of parameters."""
    pictures: int = 0
    """How many passed through the network, in all processes together."""


@dataclass(frozen=True)
class EpochRecord:
    """One line of results.csv."""

    epoch: int
    """0 is the state that fine-tuning starts from."""
    phase: str
    """``head`` or ``fine-tune``."""
    lr: float
    train_loss: float
    """Mean over the epoch's steps; NaN for epoch 0."""
    val_loss: float
    """Cross-entropy without smoothing."""
    val_top1: float
    """Percent."""
    seconds: float
    """Of epoch 0: what judging took, which every other epoch ends with."""
    train_top1: float = math.nan
    """Percent of the training pictures named rightly, as they were augmented, while the network was learning; NaN where
    none was learned from, or pictures were mixed."""
    images_per_second: float = math.nan
    """Training pictures by the time that learning from them took, judging left out."""
    val_judged: float = math.nan
    """What epochs are compared by, less is better: the loss on val at the temperature that suits the network best; with
    a teacher what it lacks of labels and teacher together."""


@dataclass
class History:
    """What happened."""

    records: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    """The one whose weights are kept."""
    best_val_top1: float = 0.0
    """Accuracy of it on val, percent."""
    precision: str = "float32"
    """What was computed in, and why."""
    stopped_by: str = "epochs"
    """``epochs``, ``patience``, ``minutes``, ``request`` or ``divergence``."""
    notes: list[str] = field(default_factory=list)
    """What its curves say that a person should know, see :mod:`hawklet_trainer.training.overfitting`."""


class Progress:
    """Watches a training; every method may be overridden, none must be."""

    def begun(self, config: TrainConfig) -> None:
        """A training begins, of several the next: what its loop was told, settled."""

    def resumed(self, records: list[EpochRecord]) -> None:
        """Called before all else where fine-tuning goes on from a checkpoint, with what was done before it."""

    def phase(self, title: str, steps: int) -> None:
        """A phase of ``steps`` steps begins."""

    def step(self, step: Step) -> None:
        """One step is done."""

    def epoch(self, record: EpochRecord, net: nn.Module, kept: bool) -> None:
        """An epoch is done; ``net`` holds the weights that were judged, ``kept`` says that they are kept."""

    def should_stop(self) -> bool:
        """Asked after every step; true ends the training as if its epochs were over."""
        return False


SILENT = Progress()
