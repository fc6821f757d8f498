"""What keeping the frozen network's features is worth: epochs of the head with them and without, in turns.

Run: ``python training_heads.py TASK KEPT STARTED``, see :func:`training_process.kept_result`.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hawklet.safefiles import write_json
from hawklet.spec import Pixels, PreprocessSpec
from hawklet_trainer.data import PhotoSet, PixelSource, read_photos
from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.models.head import head_of
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.training.freed_memory import keep_freed_memory
from hawklet_trainer.training.head import train_head
from hawklet_trainer.training.inputs import as_input
from hawklet_trainer.training.modes import evaluation_mode
from hawklet_trainer.training.seeds import seed_everything
from hawklet_trainer.training.terms import TrainConfig
from training_clock import Spent, spent_until_now
from training_photos import at_most
from training_task import Heads

CACHED, UNCACHED = "cached", "uncached"
_LR, _WEIGHT_DECAY = 1e-3, 0.05


def main() -> None:
    """Let both take turns, and write what they took."""
    task = Heads(**json.loads(sys.argv[1]))
    keep_freed_memory()
    entry, photos = MODELS[task.model], at_most(read_photos(Path(task.photos)), task.pictures)
    torch.manual_seed(0)
    net = entry.build(len(photos.labels), entry.side, entry.side)
    config = TrainConfig(head_epochs=task.epochs)
    ways = {CACHED: train_cached, UNCACHED: train_uncached}
    spent: dict[str, list[Spent]] = {name: [] for name in ways}
    for _ in range(task.rounds):
        for name, train in ways.items():
            begin = spent_until_now()
            train(net, entry, photos, config)
            spent[name].append(spent_until_now().since(begin))
    write_json(
        Path(sys.argv[2]),
        {
            "wall": {name: [turn.wall for turn in turns] for name, turns in spent.items()},
            "cpu": {name: [turn.cpu for turn in turns] for name, turns in spent.items()},
        },
    )


def train_cached(net: nn.Module, entry: ModelEntry, photos: PhotoSet, config: TrainConfig) -> None:
    """Train the head as ``hawklet train`` does; arguments as for :func:`train_uncached`."""
    train_head(net, head_of(net, entry), photos, _spec(entry), entry.zero_point, entry.scale, config)


def train_uncached(net: nn.Module, entry: ModelEntry, photos: PhotoSet, config: TrainConfig) -> None:
    """The same steps on the same pictures in the same order, the frozen network running over each of them every time.

    Pixels are decoded once, as by :func:`train_cached`, and val is judged once in the end, as there.

    Args:
        net: Only its head changes.
        entry: Its registry entry.
        photos: Its train and val pictures are used.
        config: ``head_epochs``, ``batch``, ``label_smoothing`` and ``seed`` are used.
    """
    seed_everything(config.seed)
    train, val = (PixelSource(photos.items(split), _spec(entry)) for split in ("train", "val"))
    head = head_of(net, entry)
    optimizer = torch.optim.AdamW(head.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
    steps = config.head_epochs * -(-len(train) // config.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    def answers(pixels: Pixels) -> torch.Tensor:
        logits: torch.Tensor = net(as_input(pixels, entry.zero_point, entry.scale))
        return logits

    with evaluation_mode(net), _only_learning(net, head):
        for _ in range(config.head_epochs):
            order = [chosen.numpy() for chosen in torch.split(torch.randperm(len(train)), config.batch)]
            for chosen, pixels in train.batches(order):
                truth = torch.from_numpy(train.label_indices[chosen])
                loss = functional.cross_entropy(answers(pixels), truth, label_smoothing=config.label_smoothing)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                optimizer.step()
                schedule.step()
        with torch.inference_mode():
            for _, pixels in val.batches(np.array_split(np.arange(len(val)), -(-len(val) // config.batch))):
                answers(pixels)


@contextlib.contextmanager
def _only_learning(net: nn.Module, head: nn.Linear) -> Iterator[None]:
    """No gradients but the head's."""
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    for parameter in head.parameters():
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in net.parameters():
            parameter.requires_grad_(True)


def _spec(entry: ModelEntry) -> PreprocessSpec:
    return PreprocessSpec(entry.side, entry.side, crop_fraction=entry.crop_fraction)


if __name__ == "__main__":
    main()
