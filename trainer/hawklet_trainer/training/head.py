"""The head on cached features: the frozen network runs once over the pictures, then its last layer trains alone."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hawklet.spec import PreprocessSpec
from hawklet_trainer.augment import make_augmentation, source_spec
from hawklet_trainer.data import Loading, PhotoSet, PixelSource
from hawklet_trainer.data.workers import telling_of_killed_workers
from hawklet_trainer.training.class_balance import class_weights
from hawklet_trainer.training.inputs import as_input
from hawklet_trainer.training.loss import TrainingLoss
from hawklet_trainer.training.modes import evaluation_mode
from hawklet_trainer.training.processes import ALONE, Processes
from hawklet_trainer.training.seeds import random_numbers_of, seed_everything
from hawklet_trainer.training.terms import SILENT, Balance, EpochRecord, History, Progress, Step, TrainConfig

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
    processes: Processes = ALONE,
) -> History:
    """Train the last layer alone, on features computed once, or ``config.head_views`` times of pictures varied anew.

    Args:
        net: The network; only ``head`` changes. Runs on the CPU or GPU, and ends on the CPU.
        head: Its last layer.
        photos: Its train and val pictures are used.
        spec: The preprocessing contract.
        zp: Pixel value that becomes 0.
        scale: ``x = (pixel - zp) * scale``.
        config: ``head_epochs``, ``head_views``, ``batch``, ``augment``, ``flip``, ``seed`` and what makes the loss are
            used.
        progress: Watches.
        loading: How pictures are read.
        processes: Those that train together; each computes a share of the features.
    """
    seed_everything(config.seed)
    net.to(processes.device)
    try:
        with telling_of_killed_workers():
            start = time.perf_counter()
            features = _Features(net, head, (zp, scale), config.batch, progress, processes)
            train, val = _gather(features, photos, spec, config, loading)
            return _learn(net, head, train, val, config, progress, start)
    finally:
        net.to("cpu")


@dataclass(frozen=True)
class _Seen:
    """What reaches the head."""

    features: torch.Tensor
    """``float32 [N, F]``."""
    label_indices: torch.Tensor
    """``int64 [N]``."""


def _gather(
    features: _Features, photos: PhotoSet, spec: PreprocessSpec, config: TrainConfig, loading: Loading | None
) -> tuple[_Seen, _Seen]:
    """Of the training pictures, every view of them, and of val."""
    plain = PixelSource(photos.items("train"), spec, loading)
    val = PixelSource(photos.items("val"), spec, loading)
    features.announce(len(plain) * config.head_views + len(val))
    seen = [features.of(plain)]
    if config.head_views > 1:
        augment = make_augmentation(config.augment, spec, config.flip)
        varied = PixelSource(photos.items("train"), source_spec(spec), loading, augment)
        for view in range(1, config.head_views):
            with random_numbers_of(config.seed, view):
                seen.append(features.of(varied))
    train = _Seen(torch.cat([view.features for view in seen]), torch.cat([view.label_indices for view in seen]))
    return train, features.of(val)


class _Features:
    """Computes what reaches the head, every process a share of it."""

    def __init__(
        self,
        net: nn.Module,
        head: nn.Linear,
        pixel: tuple[int, float],
        batch: int,
        progress: Progress,
        processes: Processes,
    ):
        self._net, self._head, self._pixel, self._batch = net, head, pixel, batch
        self._progress, self._processes = progress, processes

    def announce(self, pictures: int) -> None:
        """Say how many pictures there will be."""
        self._progress.phase("features", math.ceil(pictures / self._batch / self._processes.world))

    def of(self, source: PixelSource) -> _Seen:
        """Of all its pictures, in their order."""
        mine = np.arange(len(source))[self._processes.rank :: self._processes.world]
        rows = self._caught(source, np.array_split(mine, max(1, math.ceil(len(mine) / self._batch))))
        gathered = self._processes.gather_rows(torch.cat(rows), len(source))
        return _Seen(gathered, torch.from_numpy(source.label_indices).to(gathered.device))

    def _caught(self, source: PixelSource, batches: list[np.ndarray]) -> list[torch.Tensor]:
        caught: list[torch.Tensor] = []
        hook = self._head.register_forward_pre_hook(lambda module, args: caught.append(args[0].float()))
        try:
            with evaluation_mode(self._net), torch.no_grad():
                for _, pixels in source.batches(batches):
                    self._net(as_input(pixels, *self._pixel, self._processes.device))
                    self._progress.step(Step(pictures=len(pixels)))
        finally:
            hook.remove()
        return caught


def _learn(
    net: nn.Module, head: nn.Linear, train: _Seen, val: _Seen, config: TrainConfig, progress: Progress, start: float
) -> History:
    progress.phase("head", config.head_epochs)
    x, y = train.features, train.label_indices
    weights = None
    if config.balance is not Balance.NONE:  # what cannot be drawn more often counts more
        weights = class_weights(y.cpu().numpy(), head.out_features).to(x.device)
    criterion = TrainingLoss(config, weights)
    optimizer = torch.optim.AdamW(head.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
    batches = -(-len(x) // config.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, config.head_epochs * batches))
    loss = torch.tensor(math.nan)
    for _ in range(config.head_epochs):
        for chosen in torch.split(torch.randperm(len(x)).to(x.device), config.batch):
            loss = criterion(head(x[chosen]), y[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
        progress.step(Step(float(loss.detach()), lr=float(schedule.get_last_lr()[0]), pictures=len(x)))
        if progress.should_stop():
            break
    return _judged(net, head, val, float(loss.detach()), progress, start)


def _judged(net: nn.Module, head: nn.Linear, val: _Seen, loss: float, progress: Progress, start: float) -> History:
    with torch.inference_mode():
        answers = head(val.features)
        val_loss = float(functional.cross_entropy(answers, val.label_indices))
        top1 = 100.0 * float((answers.argmax(1) == val.label_indices).float().mean())
    record = EpochRecord(0, "head", _LR, loss, val_loss, top1, time.perf_counter() - start)
    progress.epoch(record, net, True)
    return History([record], 0, top1)
