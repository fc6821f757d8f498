"""The training loop: :func:`fine_tune` trains the whole network.

``hawklet train`` calls it after :func:`hawklet_trainer.training.head.train_head`; the converter calls it to recover a
pruned network, with the unpruned one as ``teacher``.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hawklet.errors import DataError, TrainingError, UsageError
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.augment import make_augmentation, make_mixing, source_spec
from hawklet_trainer.data import Loading, PhotoSet, PixelSource
from hawklet_trainer.data.workers import Indices, telling_of_killed_workers
from hawklet_trainer.training.checkpoint import Checkpoint, EpochSums, TrainingState, conditions_of
from hawklet_trainer.training.class_balance import balancing_weights
from hawklet_trainer.training.distil import MatchedLayer, catching_features
from hawklet_trainer.training.epoch_plan import EpochPlan, plan_epoch, steps_of
from hawklet_trainer.training.freed_memory import keep_freed_memory
from hawklet_trainer.training.head_dropout import hiding_features
from hawklet_trainer.training.inputs import as_input
from hawklet_trainer.training.judging import Judge, Verdict
from hawklet_trainer.training.kept_speeds import fastest_way
from hawklet_trainer.training.learner import Batch, Learned, Learner
from hawklet_trainer.training.loss import TrainingLoss
from hawklet_trainer.training.modes import training_mode
from hawklet_trainer.training.parameter_groups import ParameterGroups
from hawklet_trainer.training.processes import ALONE, Processes
from hawklet_trainer.training.running_average import move_toward, share_of_newest
from hawklet_trainer.training.schedule import share_of_highest
from hawklet_trainer.training.seeds import random_numbers_of, seed_everything, seed_step
from hawklet_trainer.training.speed import Compile, Speed
from hawklet_trainer.training.terms import SILENT, EpochRecord, History, Progress, Step, TrainConfig
from hawklet_trainer.training.time_limit import TimeLimit


@dataclass(frozen=True)
class Teacher:
    """Who is imitated."""

    net: nn.Module
    """A network of the same input and classes whose answers are learned too (G. Hinton et al., "Distilling the
    knowledge in a neural network", 2015)."""
    matched: Sequence[MatchedLayer] = ()
    """Its layers whose inputs are learned too, with ``TrainConfig.match_features``; without them it is the similarities
    of pictures that are."""


@dataclass(frozen=True)
class Execution:
    """How a training is carried out; what is learned is the same but for rounding."""

    speed: Speed | None = None
    """How the network is computed; None = the fastest, by a short trial."""
    compiling: Compile = Compile.NO
    """Whether compiling is among what is tried."""
    checkpoint: Path | None = None
    """Written after every epoch, and now and then within one. Where it is there already, training goes on from it, and
    ends with the weights (to the bit, on a CPU and without ``TrainConfig.minutes``) of one that was never stopped."""
    loading: Loading | None = None
    """How pictures are read."""
    processes: Processes = ALONE
    """Those that train together."""


class DivergedError(TrainingError):
    """The loss is no number any more; the network has the weights that were kept before that."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history
        """Of the epochs before."""


def fine_tune(
    net: nn.Module,
    photos: PhotoSet,
    spec: PreprocessSpec,
    zp: int,
    scale: float,
    config: TrainConfig,
    *,
    blocks: Sequence[Iterable[nn.Parameter]] = (),
    teacher: Teacher | None = None,
    progress: Progress = SILENT,
    execution: Execution | None = None,
) -> History:
    """Train the whole network; the weights of the latest epoch that is no worse on val than the best one are in ``net``
    when it ends.

    The best is the one of the lowest loss on val, at the temperature that suits it: on a hundred pictures accuracy
    moves in steps of a whole point, while the loss sees every picture (``config.accuracy_first`` turns that round, and
    keeps the best itself). A later epoch is no worse if its loss is less than a standard error above the best one's.
    With a teacher the distance to its answers is in that loss, as it is in what is learned: a student is surer or less
    sure of itself than it was, without being any better or worse for it. The start is judged too (epoch 0).

    Args:
        net: Takes ``float [N, C, H, W]`` and returns logits ``[N, classes]``. Is moved to the GPU, where there is one,
            and back; ends in evaluation mode.
        photos: Its train and val pictures are used.
        spec: The preprocessing contract; validation goes through it, training pictures are augmented to its size.
        zp: Pixel value that becomes 0.
        scale: ``x = (pixel - zp) * scale``.
        config: How to train.
        blocks: Parameters of the network's blocks, from the stem to the head, for ``config.layer_decay`` and
            ``config.unfreeze``.
        teacher: Who is imitated.
        progress: Watches, and may ask to stop.
        execution: How it is carried out.

    Raises:
        DataError: there are no train or no val pictures.
        RunError: the checkpoint is another training's, or damaged.
        DivergedError: the loss is no number any more; the weights that were kept so far are in ``net`` then, too.
        UsageError: features are to be matched of a network without a linear layer, or it cannot be compiled as asked.
    """
    if not photos.items("train") or not photos.items("val"):
        raise DataError("training needs pictures in train and in val")
    keep_freed_memory()
    execution = execution or Execution()
    seed_everything(config.seed)
    networks = [net] if teacher is None else [net, teacher.net.eval()]
    try:
        for network in networks:
            network.to(execution.processes.device)
        conditions = conditions_of(
            net,
            teacher.net if teacher else None,
            photos,
            spec,
            (zp, scale),
            config,
            execution.speed,
            teacher.matched if teacher else (),
            execution.processes.world,
        )
        matched = (net, teacher.net, config.match_features, teacher.matched) if teacher else (net, None, 0.0)
        with (
            telling_of_killed_workers(),
            hiding_features(net, config.dropout),
            catching_features(*matched) as features,
        ):
            loss = TrainingLoss(config, balancing_weights(photos, config.balance, execution.processes.device), features)
            course = _Course(net, photos, spec, (zp, scale), config, blocks, teacher, loss, progress, execution)
            return course.run(Checkpoint(execution.checkpoint, conditions, execution.processes.is_first))
    finally:
        for network in networks:
            network.to("cpu").eval()


class _Course:
    """A training from its first step, or from where it broke off, to its last."""

    def __init__(
        self,
        net: nn.Module,
        photos: PhotoSet,
        spec: PreprocessSpec,
        pixel: tuple[int, float],
        config: TrainConfig,
        blocks: Sequence[Iterable[nn.Parameter]],
        teacher: Teacher | None,
        loss: TrainingLoss,
        progress: Progress,
        execution: Execution,
    ):
        self._config, self._progress, self._execution = config, progress, execution
        self._processes = execution.processes
        self._net, self._loss, self._spec, self._pixel = net, loss, spec, pixel
        self._teacher = teacher.net if teacher else None
        self._classes = len(photos.labels)
        augment = make_augmentation(config.augment, spec, config.flip)
        self._train = PixelSource(photos.items("train"), source_spec(spec), execution.loading, augment)
        val = PixelSource(photos.items("val"), spec, execution.loading)
        self._judge = Judge(val, pixel, config, self._processes, self._teacher)
        self._groups = ParameterGroups(net, blocks, config)
        averaged = copy.deepcopy(net) if config.ema else net
        self._state = TrainingState(net, averaged, self._groups.optimizer)
        self._steps = steps_of(len(self._train), config)
        self._clock = TimeLimit(config.minutes)
        self._latest = Step()

    def run(self, checkpoint: Checkpoint) -> History:
        """To the end; the kept weights are in the network then."""
        state = self._state
        if checkpoint.restore(state):
            self._progress.resumed(state.history.records)
        else:
            self._begin()
            checkpoint.save(state)
        learner = self._make_learner()
        self._progress.phase("fine-tune", self._config.epochs * self._steps - state.done)
        self._clock.start(state.seconds)
        asked_to_stop = False
        try:
            while not state.ended and not asked_to_stop:
                asked_to_stop = self._epoch(learner, checkpoint)
        finally:
            self._groups.thaw_all()
            self._net.load_state_dict(state.kept_weights)
        return state.history

    def _begin(self) -> None:
        """Settle how it is computed, and judge the start."""
        state, history = self._state, self._state.history
        state.speed, history.precision = self._settle_speed()
        state.lay_out()
        start = time.perf_counter()
        verdict = self._judge(state.averaged)
        state.best, history.best_val_top1 = verdict, verdict.top1
        state.kept_weights = _copy_state(state.averaged)
        seconds = time.perf_counter() - start
        history.records.append(_record(0, EpochSums(), verdict, seconds))
        self._progress.epoch(history.records[-1], state.averaged, True)
        state.ended = self._config.epochs == 0

    def _settle_speed(self) -> tuple[Speed, str]:
        given = self._execution.speed
        if given is not None:
            return given, given.describe()
        speed, said, refusal = Speed(), "", None
        if self._processes.is_first:
            self._progress.phase("measuring speed", 0)
            count = max(2, min(self._config.batch, len(self._train)) // self._processes.world)
            steps = self._config.epochs * self._steps
            try:
                speed, said = fastest_way(self._net, self._example(count), steps, self._execution.compiling)
            except UsageError as error:  # all are to hear of it
                refusal = error
        speed, said, refusal = self._processes.same((speed, said, refusal))
        if refusal is not None:
            raise refusal
        return speed, said

    def _example(self, count: int) -> torch.Tensor:
        noise = np.random.default_rng(0).integers(
            0, 256, (count, self._spec.height, self._spec.width, self._spec.channels), dtype=np.uint8
        )
        return as_input(noise, *self._pixel, self._processes.device)

    def _make_learner(self) -> Learner:
        mix = make_mixing(self._config.mixing, self._classes)
        return Learner(
            self._net,
            self._groups,
            self._loss,
            mix,
            self._pixel,
            self._state.speed,
            self._processes,
            self._teacher,
            self._config.clip,
        )

    def _epoch(self, learner: Learner, checkpoint: Checkpoint) -> bool:
        """One epoch, or what is left of it; whether it was asked to stop."""
        state, number = self._state, len(self._state.history.records)
        if self._groups.thaw(number):
            learner.rewrap()
        training_mode(self._net, self._config.freeze_batch_norm)
        with random_numbers_of(self._config.seed, number):
            plan = plan_epoch(self._train, self._classes, self._config, self._processes)
        with random_numbers_of(self._config.seed, number, self._processes.rank):
            batches = self._train.batches(plan.batches, begin=plan.of_step(state.epoch.steps).start)
        asked_to_stop = False
        while state.epoch.steps < plan.steps:
            lr = self._lr(number, plan)
            start = time.perf_counter()
            together = [self._next(batches, plan, n) for n in plan.of_step(state.epoch.steps)]
            seed_step(self._config.seed, state.done, self._processes.rank)
            learned = learner.gradients(together)
            self._count(learned, lr, number)
            learner.step(lr)
            self._after_step(time.perf_counter() - start)
            checkpoint.save_now_and_then(state)
            asked_to_stop = self._agree_to_stop()
            if asked_to_stop or self._clock.is_over:
                break
        self._close_epoch(number, asked_to_stop)
        if not asked_to_stop:  # a broken epoch is not kept, so that going on is going on as if it had not been asked
            checkpoint.save(state)
        return asked_to_stop

    def _lr(self, epoch: int, plan: EpochPlan) -> float:
        passed = (epoch - 1 + self._state.epoch.steps / plan.steps) / self._config.epochs
        passed = max(passed, self._clock.share)
        share = share_of_highest(self._config.schedule, passed, self._state.done, self._steps)
        return self._config.highest_lr * share

    def _next(self, batches: Iterator[tuple[Indices, Pixels]], plan: EpochPlan, number: int) -> Batch:
        chosen, pixels = next(batches)
        return Batch(pixels, torch.from_numpy(self._train.label_indices[chosen]), plan.shares[number])

    def _count(self, learned: Learned, lr: float, epoch: int) -> None:
        """Add up what a step came to in all processes, before the weights move."""
        mine = torch.tensor([learned.loss, learned.right, learned.pictures], dtype=torch.float64)
        loss, right, pictures = self._processes.sum(mine).tolist()
        if not math.isfinite(loss):
            self._state.history.stopped_by = "divergence"
            raise DivergedError(
                f"a training's loss must stay a number, got {loss} in epoch {epoch} at a learning rate of {lr:.3g}; "
                "train with a lower --lr",
                self._state.history,
            )
        sums = self._state.epoch
        sums.lr = lr
        sums.loss, sums.right, sums.pictures = sums.loss + loss, sums.right + right, sums.pictures + int(pictures)
        self._latest = Step(loss / pictures, 100.0 * right / pictures, lr, int(pictures))

    def _after_step(self, seconds: float) -> None:
        state = self._state
        state.done += 1
        state.epoch.steps += 1
        state.epoch.learning += seconds
        state.seconds = self._clock.seconds
        if self._config.ema:
            move_toward(state.averaged, self._net, share_of_newest(state.done, self._steps))
        self._progress.step(self._latest)

    def _agree_to_stop(self) -> bool:
        """Whether it was asked to stop; and let all processes know how much of the time is over."""
        mine = torch.zeros(2, dtype=torch.float64)
        if self._processes.is_first:
            mine = torch.tensor([float(self._progress.should_stop()), self._clock.measure()], dtype=torch.float64)
        asked, self._clock.share = self._processes.sum(mine).tolist()
        return bool(asked)

    def _close_epoch(self, number: int, asked_to_stop: bool) -> None:
        state, history, sums = self._state, self._state.history, self._state.epoch
        start = time.perf_counter()
        verdict = self._judge(state.averaged)
        is_kept = verdict.is_no_worse_than(state.best)
        if is_kept:
            history.best_epoch, history.best_val_top1 = number, verdict.top1
            state.kept_weights = _copy_state(state.averaged)
        if verdict.beats(state.best):
            state.best, state.best_at = verdict, number
        history.records.append(_record(number, sums, verdict, time.perf_counter() - start))
        self._progress.epoch(history.records[-1], state.averaged, is_kept)
        if asked_to_stop:
            history.stopped_by = "request"
        elif self._clock.is_over:
            history.stopped_by, state.ended = "minutes", True
        elif number - state.best_at >= self._config.patience:
            history.stopped_by, state.ended = "patience", True
        elif number == self._config.epochs:
            state.ended = True
        state.epoch, state.seconds = EpochSums(), self._clock.seconds


def _record(number: int, sums: EpochSums, verdict: Verdict, judging: float) -> EpochRecord:
    learned = sums.pictures or math.nan
    return EpochRecord(
        number,
        "fine-tune",
        sums.lr,
        sums.loss / learned,
        verdict.loss,
        verdict.top1,
        sums.learning + judging,
        100.0 * sums.right / learned,
        learned / (sums.learning or math.nan),
        float(verdict.lacking.mean()),
    )


def _copy_state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
