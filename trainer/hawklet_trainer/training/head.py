"""The head on cached features: the frozen network runs once over the pictures, then its last layer trains alone."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import Loading, PhotoSet, PixelSource
from hawklet_trainer.data.workers import telling_of_killed_workers
from hawklet_trainer.training.loop import as_input, evaluation_mode, seed_everything, training_device
from hawklet_trainer.training.terms import SILENT, EpochRecord, History, Progress, Step, TrainConfig

_LR = 1e-3
_WEIGHT_DECAY = 0.05


def train_head(
    net: nn.Module,
    head: nn.Linear,
    photos: PhotoSet,
    spec: PreprocessSpec,
    zp: int,
    scale: float,
    config: TrainConfig,
    progress: Progress = SILENT,
    loading: Loading | None = None,
) -> History:
    """Train the last layer alone, on features computed once.

    Args:
        net: The network; only ``head`` changes. Runs on the CPU or GPU as :func:`training_device` says.
        head: Its last layer.
        photos: Its train and val pictures are used.
        spec: The preprocessing contract.
        zp: Pixel value that becomes 0.
        scale: ``x = (pixel - zp) * scale``.
        config: ``head_epochs``, ``batch``, ``label_smoothing`` and ``seed`` are used.
        progress: Watches.
        loading: How pictures are read.
    """
    device = training_device()
    seed_everything(config.seed)
    net.to(device)
    try:
        with telling_of_killed_workers():
            return _train_head(net, head, photos, spec, (zp, scale), config, progress, device, loading)
    finally:
        net.to("cpu")


def _train_head(
    net: nn.Module,
    head: nn.Linear,
    photos: PhotoSet,
    spec: PreprocessSpec,
    pixel: tuple[int, float],
    config: TrainConfig,
    progress: Progress,
    device: torch.device,
    loading: Loading | None,
) -> History:
    start = time.perf_counter()
    train = PixelSource(photos.items("train"), spec, loading)
    val = PixelSource(photos.items("val"), spec, loading)
    steps = -(-len(train) // config.batch) + -(-len(val) // config.batch)
    progress.phase("features", steps)
    x, y = _features(net, head, train, pixel, config, progress, device)
    x_val, y_val = _features(net, head, val, pixel, config, progress, device)
    progress.phase("head", config.head_epochs)
    optimizer = torch.optim.AdamW(head.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
    batches = -(-len(x) // config.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, config.head_epochs * batches))
    loss = torch.tensor(math.nan)
    for _ in range(config.head_epochs):
        for chosen in torch.split(torch.randperm(len(x), device=device), config.batch):
            loss = functional.cross_entropy(head(x[chosen]), y[chosen], label_smoothing=config.label_smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
        progress.step(Step(float(loss.detach()), math.nan, float(schedule.get_last_lr()[0]), len(x)))
        if progress.should_stop():
            break
    with torch.inference_mode():
        answers = head(x_val)
        val_loss = float(functional.cross_entropy(answers, y_val))
        top1 = 100.0 * float((answers.argmax(1) == y_val).float().mean())
    record = EpochRecord(0, "head", _LR, float(loss.detach()), val_loss, top1, time.perf_counter() - start)
    progress.epoch(record, net, True)
    return History([record], 0, top1)


def _features(
    net: nn.Module,
    head: nn.Linear,
    source: PixelSource,
    pixel: tuple[int, float],
    config: TrainConfig,
    progress: Progress,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    """What reaches the head: ``float32 [N, F]``, and the label indices ``int64 [N]``."""
    caught: list[torch.Tensor] = []
    hook = head.register_forward_pre_hook(lambda module, args: caught.append(args[0].float()))
    try:
        with evaluation_mode(net), torch.no_grad():
            in_order = np.array_split(np.arange(len(source)), -(-len(source) // config.batch))
            for _, pixels in source.batches(in_order):
                net(as_input(pixels, *pixel).to(device))
                progress.step(Step(pictures=len(pixels)))
    finally:
        hook.remove()
    return torch.cat(caught), torch.from_numpy(source.label_indices).to(device)
