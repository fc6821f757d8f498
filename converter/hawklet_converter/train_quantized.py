"""The converter's last step: train on with rounding in the loop, the float network teaching (QAT)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from torch import fx, nn

from hawklet.spec import PreprocessSpec
from hawklet_converter.fake_quantized_net import with_fake_quantization, without_fake_quantization
from hawklet_converter.plan import QuantPlan
from hawklet_trainer.augment import Augment, Mix
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.training.loop import DivergedError, Execution, Teacher, fine_tune
from hawklet_trainer.training.speed import Speed
from hawklet_trainer.training.terms import EpochRecord, History, Progress, TrainConfig

_DISTIL, _TEMPERATURE = 0.7, 2.0
_SHARE_OF_TIME = 0.9
"""Of the time that is left, what the learning rate's way to zero takes; the rest is for judging the last epoch."""


@dataclass(frozen=True)
class QatConfig:
    """How to train with rounding in the loop."""

    epochs: int = 8
    """Most passes over the training pictures."""
    batch: int = 32
    """Pictures per step."""
    lr: float = 3e-4
    """Highest learning rate, in shares of the range of what it moves: 3e-4 is a 26th of a weight's step."""
    augment: Augment = Augment.MEDIUM
    flip: bool = True
    """Mirror half of the pictures; as in the run, where a left arrow must stay one."""
    seed: int = 0

    def training(self, minutes: float | None) -> TrainConfig:
        """As the loop takes it."""
        return TrainConfig(
            epochs=self.epochs,
            batch=self.batch,
            lr=self.lr,
            weight_decay=0.0,  # counted in ranges, it would pull every channel alike
            label_smoothing=0.0,
            augment=self.augment,
            flip=self.flip,
            mix=Mix.NONE,  # what is to be learned is how the float network sees single pictures
            patience=self.epochs,
            accuracy_first=True,  # --max-drop is a promise in points of top-1
            minutes=minutes,
            distil=_DISTIL,
            temperature=_TEMPERATURE,
            seed=self.seed,
        )


@dataclass(frozen=True)
class QuantizedTraining:
    """What came out."""

    net: fx.GraphModule
    """As the one that went in, with weights on their int8 grids and trained biases."""
    plan: QuantPlan
    """Its grids and scales."""
    history: History
    """Epochs judged through rounding; epoch 0 is the start."""


class _Watch(Progress):
    """Says how each epoch went, and stops in time to judge the last one."""

    def __init__(self, deadline: float, note: Callable[[str], None]) -> None:
        self._deadline = deadline
        self._note = note
        self._reserve = 0.0

    def epoch(self, record: EpochRecord, net: nn.Module, kept: bool) -> None:
        if record.epoch == 0:  # judging took this long, and only judging comes after the last step
            self._reserve = record.seconds
        self._note(
            f"epoch {record.epoch:2d}  int8 val top-1 {record.val_top1:5.1f} %  loss {record.val_loss:.4f}"
            f"  {record.seconds:6.1f} s{'' if kept else '  (not kept)'}"
        )

    def should_stop(self) -> bool:
        return time.monotonic() > self._deadline - self._reserve


def train_quantized(
    net: fx.GraphModule,
    plan: QuantPlan,
    quantized: Collection[str],
    teacher: nn.Module,
    photos: PhotoSet,
    spec: PreprocessSpec,
    pixel_zero_point: int,
    pixel_scale: float,
    config: QatConfig,
    deadline: float | None,
    note: Callable[[str], None],
    trained: Collection[str] | None = None,
) -> QuantizedTraining:
    """Train weights, biases and activation grids of a quantized network on the run's training pictures.

    The epoch that was best on the validation pictures, by top-1 and then by loss, through rounding, is returned; the
    start is one of them, so nothing gets worse there.

    Args:
        net: The folded network, weights in float; left alone.
        plan: Where grids and scales start.
        quantized: Names of the fx nodes whose values the files hold as int8.
        teacher: The float network, of the same input and classes.
        photos: Its train and val pictures are used.
        spec: The preprocessing contract.
        pixel_zero_point: Pixel value that is 0 to the network.
        pixel_scale: Real units per pixel step.
        config: How to train.
        deadline: When to be done, in seconds of :func:`time.monotonic`; None = when the epochs are over.
        note: Told about every epoch.
        trained: Module paths of the layers that may change; None = all.

    Raises:
        DataError: there are no train or no val pictures.
    """
    left = math.inf if deadline is None else deadline - time.monotonic()
    fake = with_fake_quantization(net, plan, quantized, trained)
    if left <= 0:
        note("no time is left for training with rounding")
        untrained = without_fake_quantization(fake, net, plan, quantized, trained)
        return QuantizedTraining(*untrained, History(stopped_by="minutes"))
    settings = config.training(None if deadline is None else _SHARE_OF_TIME * left / 60.0)
    watch = _Watch(math.inf if deadline is None else deadline, note)
    try:
        history = fine_tune(
            fake,
            photos,
            spec,
            pixel_zero_point,
            pixel_scale,
            settings,
            teacher=Teacher(teacher),
            progress=watch,
            execution=Execution(Speed()),  # float32: bfloat16 would round once more
        )
    except DivergedError as error:  # what it was before is no worse
        note(str(error))
        history = error.history
    return QuantizedTraining(*without_fake_quantization(fake, net, plan, quantized, trained), history)
