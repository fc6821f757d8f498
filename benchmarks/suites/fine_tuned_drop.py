"""What int8 loses on networks that were trained for a task: drawn cards, by the default conversion.

Pretrained weights may be out of reach, so each network is trained from random weights, on the cards of ``hawklet demo``
at 64 px, with batch norms that settle within so few steps.
"""

from __future__ import annotations

from pathlib import Path

import torch

from hawklet.cards import PhotoSet as CardPhotos
from hawklet.cards import write_photo_set
from hawklet.spec import PreprocessSpec
from hawklet_converter.convert import convert
from hawklet_converter.request import ConvertRequest, Row
from hawklet_converter.steps import Steps
from hawklet_trainer.augment import Augment
from hawklet_trainer.data import read_photos
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.training.loop import fine_tune
from hawklet_trainer.training.terms import TrainConfig
from suite_runs import write_suite_run

_SIDE = 64
_PER_CLASS = 200
_EPOCHS = 24
_MOMENTUM = 0.1


def drops_of(name: str, seed: int, folder: Path) -> tuple[float, dict[str, float]]:
    """Train and convert one network.

    Args:
        name: A name of ``MODELS``.
        seed: Of weights, split, order and search.
        folder: Where to work.

    Returns:
        The float file's top-1 in percent and, by variant, what is lost of it in points: over the validation and test
        pictures together, which are equally many.
    """
    write_photo_set(folder / "cards", CardPhotos(_PER_CLASS, 0))
    run = folder / f"{name}-{seed}"
    train_on_cards(name, seed, folder / "cards", run)
    request = ConvertRequest(run, folder / f"{name}-{seed}.hawklet", max_drop=100.0, seed=seed)
    top1 = {row.variant: _both(row) for row in convert(request, Steps(silent=True)).rows}
    before = top1["float32-tflite"]
    return before, {variant: before - top1[variant] for variant in ("int8-tflite", "int8-onnx")}


def _both(row: Row) -> float:
    assert row.test is not None, "the cards have a test part"  # noqa: S101 -- narrows the type
    return (row.val + row.test) / 2


def train_on_cards(name: str, seed: int, cards: Path, run: Path) -> None:
    """Train a network from random weights on the cards, and write its run."""
    entry, spec, photos = MODELS[name], PreprocessSpec(_SIDE, _SIDE), read_photos(cards, seed=seed)
    torch.manual_seed(seed)
    net = entry.build(len(photos.labels), _SIDE, _SIDE)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = _MOMENTUM
    config = TrainConfig(
        epochs=_EPOCHS,
        head_epochs=0,
        batch=24,
        lr=2e-3,
        augment=Augment.LIGHT,
        flip=False,
        patience=_EPOCHS,
        seed=seed,
    )
    fine_tune(net, photos, spec, entry.zero_point, entry.scale, config)
    write_suite_run(run, name, net, photos, spec, seed=seed)
