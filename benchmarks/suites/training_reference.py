"""Torchvision's recipe as a contestant of the training suite.

Run: ``python training_reference.py TRAINING KEPT STARTED`` (see :func:`training_process.kept_result`) for a whole
training, ``python training_reference.py EPOCHS`` for epochs whenever they are asked for (see :mod:`training_turns`).
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from hawklet.safefiles import write_json
from hawklet_benchmarks.conditions import read_moment
from hawklet_trainer.data import read_photos
from hawklet_trainer.models.registry import MODELS
from reference_recipe import (
    MEAN,
    STD,
    optimizer_of,
    recipe_of,
    reference_network,
    train_epoch,
    train_reference,
    training_loader,
)
from training_clock import Clock
from training_outcome import Outcome, Point
from training_photos import TestPictures, at_most
from training_task import Epochs, Training
from training_turns import Baton


def main() -> None:
    """Do what the arguments say."""
    told = json.loads(sys.argv[1])
    if len(sys.argv) == 2:
        take_turns(Epochs(**told), Baton())
    else:
        write_json(Path(sys.argv[2]), train(Training(**told), Clock(float(sys.argv[3]))).to_plain())


def train(task: Training, clock: Clock) -> Outcome:
    """Train by the recipe, which takes its number of epochs and its learning rate from the task."""
    assert task.epochs is not None and task.lr is not None  # noqa: S101 -- the recipe's own are for ImageNet
    load = read_moment().load_1min
    with clock.stopped():  # what is not the recipe's
        photos = at_most(read_photos(Path(task.photos), task.seed), task.pictures)
        test = TestPictures(photos.items("test"), MODELS[task.model])
    torch.manual_seed(task.seed)
    net = reference_network(task.model, len(photos.labels), pretrained=task.pretrained)
    points: list[Point] = []

    def measure() -> None:
        spent = clock.read()
        with clock.stopped():
            points.append(Point(spent, test.top1(net, _normalized)))

    recipe = replace(recipe_of(task.model), lr=task.lr)
    train_reference(net, photos.items("train"), photos.items("val"), recipe, task.epochs, measure)
    return Outcome(tuple(points), points[-1].top1, clock.read(), f"float32, lr {recipe.lr:g}", load)


def _normalized(pictures: torch.Tensor) -> torch.Tensor:
    return (pictures / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def take_turns(task: Epochs, baton: Baton) -> None:
    """Train until the baton comes no more."""
    photos = at_most(read_photos(Path(task.photos)), task.pictures)
    torch.manual_seed(0)
    net: nn.Module = reference_network(task.model, len(photos.labels), pretrained=False)
    recipe = recipe_of(task.model).for_one_process()
    loader, optimizer = training_loader(photos.items("train"), recipe), optimizer_of(net, recipe)
    while True:
        baton.begin()
        train_epoch(net, loader, optimizer, baton.passed)
        baton.give()


if __name__ == "__main__":
    main()
