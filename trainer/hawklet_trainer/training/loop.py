"""The training loop, written once and in full view: :func:`fine_tune` trains the whole network.

``hawklet train`` calls it after :func:`hawklet_trainer.training.head.train_head`; the converter calls it to recover a
pruned network, with the unpruned one as ``teacher``.
"""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hawklet.errors import DataError
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.augment import Mixing, make_augmentation, make_mixing, source_spec
from hawklet_trainer.data import Loading, PhotoSet, PixelSource
from hawklet_trainer.data.workers import telling_of_killed_workers
from hawklet_trainer.training.checkpoint import Checkpoint, TrainingState, conditions_of
from hawklet_trainer.training.distil import CaughtFeatures, MatchedLayer, answers_of, catching_features, training_loss
from hawklet_trainer.training.freed_memory import keep_freed_memory
from hawklet_trainer.training.precision import autocast, choose_precision
from hawklet_trainer.training.terms import SILENT, EpochRecord, History, Progress, Step, TrainConfig


def as_input(pixels: Pixels, zp: int, scale: float, device: torch.device | None = None) -> torch.Tensor:
    """``uint8 [N, H, W, 3]`` to the network's ``float32 [N, 3, H, W]`` (channels last) ``(pixel - zp) * scale``.

    Bytes go to the device, a quarter of what numbers would be.
    """
    return _scaled(torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2), zp, scale)


def _scaled(pictures: torch.Tensor, zp: int, scale: float) -> torch.Tensor:
    return pictures.float().sub_(zp).mul_(scale).contiguous(memory_format=torch.channels_last)


@contextmanager
def evaluation_mode(net: nn.Module) -> Iterator[None]:
    """Put ``net`` into evaluation mode and every module of it back into its own mode afterwards."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def seed_everything(seed: int) -> None:
    """Seed every source of random numbers that training draws from."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def training_device() -> torch.device:
    """The GPU if torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fine_tune(
    net: nn.Module,
    photos: PhotoSet,
    spec: PreprocessSpec,
    zp: int,
    scale: float,
    config: TrainConfig,
    *,
    teacher: nn.Module | None = None,
    matched: Sequence[MatchedLayer] = (),
    progress: Progress = SILENT,
    dtype: torch.dtype | None = None,
    checkpoint: Path | None = None,
    loading: Loading | None = None,
) -> History:
    """Train the whole network; the weights that did best on val are in ``net`` when it ends.

    The best is the one of the lowest loss on val: on a hundred pictures accuracy moves in steps of a whole point,
    while the loss sees every picture (``config.accuracy_first`` turns that round). With a teacher the distance to its
    answers is in that loss, as it is in what is learned: a student is surer or less sure of itself than it was, without
    being any better or worse for it. The start is judged too (epoch 0),
    so the result is never worse than it.

    Args:
        net: Takes ``float [N, 3, H, W]`` and returns logits ``[N, C]``. Is moved to the GPU, where there is one, and
            back; ends in evaluation mode.
        photos: Its train and val pictures are used.
        spec: The preprocessing contract; validation goes through it, training pictures are augmented to its size.
        zp: Pixel value that becomes 0.
        scale: ``x = (pixel - zp) * scale``.
        config: How to train.
        teacher: A network of the same input and classes whose answers are learned too (G. Hinton et al.,
            "Distilling the knowledge in a neural network", 2015).
        matched: Layers of the teacher whose inputs are learned too, with ``config.match_features``; without them it is
            the similarities of pictures that are.
        progress: Watches, and may ask to stop.
        dtype: To compute in, ``float32`` or ``bfloat16``; None = the faster, by a short trial.
        checkpoint: Written after every epoch. Where it is there already, training goes on from it, and ends with the
            weights (to the bit, on a CPU and without ``config.minutes``) of a training that was never stopped.
        loading: How pictures are read; nothing that is learned depends on it.

    Raises:
        DataError: there are no train or no val pictures.
        RunError: the checkpoint is another training's, or damaged.
        UsageError: features are to be matched of a network without a linear layer.
    """
    if not photos.items("train") or not photos.items("val"):
        raise DataError("training needs pictures in train and in val")
    keep_freed_memory()
    device = training_device()
    seed_everything(config.seed)
    net.to(device).to(memory_format=torch.channels_last)
    if teacher is not None:
        teacher.to(device).to(memory_format=torch.channels_last).eval()
    conditions = conditions_of(net, teacher, photos, spec, (zp, scale), config, dtype, matched)
    kept = Checkpoint(checkpoint, conditions)
    try:
        augment = make_augmentation(config.augment, spec, config.flip)
        train = PixelSource(photos.items("train"), source_spec(spec), loading, augment)
        val = PixelSource(photos.items("val"), spec, loading)
        with (
            telling_of_killed_workers(),
            catching_features(net, teacher, config.match_features, matched) as features,
        ):
            mix = make_mixing(config.mixing, len(photos.labels))
            return _fine_tune(
                net, train, val, spec, (zp, scale), config, mix, teacher, features, progress, device, dtype, kept
            )
    finally:
        net.to("cpu").eval()
        if teacher is not None:
            teacher.to("cpu")


def _fine_tune(
    net: nn.Module,
    train: PixelSource,
    val: PixelSource,
    spec: PreprocessSpec,
    pixel: tuple[int, float],
    config: TrainConfig,
    mix: Mixing,
    teacher: nn.Module | None,
    features: CaughtFeatures | None,
    progress: Progress,
    device: torch.device,
    dtype: torch.dtype | None,
    checkpoint: Checkpoint,
) -> History:
    batches = math.ceil(len(train) / config.batch)
    taught_on_val = None if teacher is None else _answers(teacher, val, pixel, device)
    averaged = copy.deepcopy(net) if config.ema else net
    decay = max(0.5, 1.0 - 1.0 / batches)
    optimizer = torch.optim.AdamW(_parameter_groups(net, config.weight_decay), lr=config.lr)
    state = TrainingState(net, averaged, optimizer)
    history = state.history
    if checkpoint.restore(state):
        progress.resumed(history.records)
    else:
        state.dtype, history.precision = dtype or torch.float32, str(dtype).removeprefix("torch.")
        if dtype is None:
            example = _example(spec, min(config.batch, len(train)), pixel, device)
            state.dtype, history.precision = choose_precision(net, example)
        judging = time.perf_counter()
        history.best_val_top1, first_loss, state.best = _judge(averaged, val, pixel, device, taught_on_val, config)
        judging = time.perf_counter() - judging
        state.best_weights = _copy_state(averaged)
        history.records.append(EpochRecord(0, "fine-tune", 0.0, math.nan, first_loss, history.best_val_top1, judging))
        progress.epoch(history.records[-1], averaged, True)
        state.ended = config.epochs == 0
        checkpoint.save(state)
    progress.phase("fine-tune", config.epochs * batches - state.done)
    start = time.perf_counter() - state.seconds
    while not state.ended:
        epoch = len(history.records)
        epoch_start = time.perf_counter()
        _training_mode(net, config.freeze_batch_norm)
        losses, lr = [], 0.0
        order = [chosen.numpy() for chosen in torch.split(train.shuffled(), config.batch)]
        if len(order[-1]) == 1 < min(config.batch, len(train)) and not config.freeze_batch_norm:
            order.pop()  # a batch norm learns nothing of one picture
        for chosen, pixels in train.batches(order):
            share = max(state.done / (config.epochs * batches), _time_share(start, config.minutes))
            lr = config.lr * _warm_then_cosine(share, state.done, batches)
            for group in optimizer.param_groups:
                group["lr"] = lr
            x = as_input(pixels, *pixel, device)
            y = torch.from_numpy(train.label_indices[chosen]).to(device)
            x, y = mix(x, y)
            with autocast(state.dtype, device):
                answers = net(x)
                taught = answers_of(teacher, x)
            loss = training_loss(answers.float(), y, taught, features, config)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            state.done += 1
            if config.ema:
                _average(averaged, net, min(decay, state.done / (state.done + 9.0)))
            losses.append(float(loss.detach()))
            progress.step(Step(losses[-1], math.nan, lr, len(x)))
            if progress.should_stop() or _time_share(start, config.minutes) >= 1.0:
                break

        top1, val_loss, worth = _judge(averaged, val, pixel, device, taught_on_val, config)
        is_best = worth > state.best
        if is_best:
            state.best, history.best_epoch, history.best_val_top1 = worth, epoch, top1
            state.best_weights = _copy_state(averaged)
        seconds = time.perf_counter() - epoch_start
        history.records.append(EpochRecord(epoch, "fine-tune", lr, float(np.mean(losses)), val_loss, top1, seconds))
        progress.epoch(history.records[-1], averaged, is_best)
        if progress.should_stop():
            history.stopped_by = "request"
            break  # without a checkpoint of a broken epoch, so that going on is going on as if it had not been asked
        if _time_share(start, config.minutes) >= 1.0:
            history.stopped_by, state.ended = "minutes", True
        elif epoch - history.best_epoch >= config.patience:
            history.stopped_by, state.ended = "patience", True
        elif epoch == config.epochs:
            state.ended = True
        state.seconds = time.perf_counter() - start
        checkpoint.save(state)
    net.load_state_dict(state.best_weights)
    return history


def _example(spec: PreprocessSpec, count: int, pixel: tuple[int, float], device: torch.device) -> torch.Tensor:
    noise = torch.randint(0, 256, (max(2, count), 3, spec.height, spec.width), dtype=torch.uint8)
    return _scaled(noise.to(device), *pixel)


def _parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    decayed = [parameter for parameter in net.parameters() if parameter.ndim > 1]
    kept = [parameter for parameter in net.parameters() if parameter.ndim <= 1]  # biases and batch norms
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]


def _training_mode(net: nn.Module, freeze_batch_norm: bool) -> None:
    net.train()
    if freeze_batch_norm:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def _time_share(start: float, minutes: float | None) -> float:
    return 0.0 if minutes is None else (time.perf_counter() - start) / (60.0 * minutes)


def _warm_then_cosine(share: float, done: int, warm_up: int) -> float:
    return min(1.0, (done + 1) / warm_up) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))


@torch.no_grad()
def _average(averaged: nn.Module, net: nn.Module, decay: float) -> None:
    for mean, current in zip(averaged.parameters(), net.parameters(), strict=True):
        mean.lerp_(current, 1.0 - decay)
    for kept, statistics in zip(averaged.buffers(), net.buffers(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(statistics, 1.0 - decay)


def _copy_state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


def _answers(net: nn.Module, val: PixelSource, pixel: tuple[int, float], device: torch.device) -> torch.Tensor:
    """Logits on val, in float32."""
    batches = np.array_split(np.arange(len(val)), math.ceil(len(val) / 32))
    with evaluation_mode(net), torch.inference_mode():
        return torch.cat([net(as_input(pixels, *pixel).to(device)).float() for _, pixels in val.batches(batches)])


def _judge(
    net: nn.Module,
    val: PixelSource,
    pixel: tuple[int, float],
    device: torch.device,
    taught: torch.Tensor | None,
    config: TrainConfig,
) -> tuple[float, float, tuple[float, float]]:
    """Top-1 in percent and the cross-entropy on val, and what the network is worth: greater is better."""
    answers, y = _answers(net, val, pixel, device), torch.from_numpy(val.label_indices).to(device)
    top1 = 100.0 * float((answers.argmax(1) == y).double().mean())
    loss = float(functional.cross_entropy(answers, y))
    lacking = loss
    if taught is not None:
        distance = functional.kl_div(
            answers.log_softmax(1), taught.log_softmax(1), log_target=True, reduction="batchmean"
        )
        lacking = (1.0 - config.distil) * loss + config.distil * float(distance)
    return top1, loss, (top1 if config.accuracy_first else 0.0, -lacking)
