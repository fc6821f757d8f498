"""The peer that training is measured against: torchvision's reference recipe for classification, in our own words.

Source: ``references/classification`` of https://github.com/pytorch/vision, its ``train.py``, ``presets.py`` and README.
Taken from there: SGD with momentum and a learning rate that falls epoch by epoch, weight decay of everything, plain
cross-entropy; pictures decoded by Pillow in every epoch, a random resized crop and a mirror image in training, 256
pixels and a centre crop of 224 for judging, normalized per channel; float32 in torch's own memory layout; judged after
every epoch, and the last weights kept. Left out, since it only costs time: its log, top-5 accuracy, and two checkpoints
an epoch.

The README's learning rates are for eight processes of 32 pictures each; it says to scale them for other numbers
(:meth:`Recipe.for_one_process`). The script starts from random weights, or from pretrained ones of the same number of
classes; its users who have another number of classes replace the last layer, as :func:`reference_network` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torchvision
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, RandomSampler, SequentialSampler
from torchvision import transforms

from hawklet_trainer.data import Photo
from hawklet_trainer.models.registry import MODELS
from hawklet_trainer.models.weights import fetch, read_tensors

PUBLISHED_PROCESSES = 8
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MOMENTUM = 0.9
_SIDE, _RESIZED = 224, 256


@dataclass(frozen=True)
class Recipe:
    """The script's options that differ between networks; the defaults are its own."""

    lr: float = 0.1
    weight_decay: float = 1e-4
    lr_step: int = 30
    """Epochs after which the learning rate falls."""
    lr_gamma: float = 0.1
    """What it is multiplied by then."""
    batch: int = 32
    workers: int = 2
    """Processes that decode; the script has 16 for larger machines, torch advises no more than there are cores."""

    def for_one_process(self) -> Recipe:
        """The learning rate scaled to one process of as many pictures."""
        return replace(self, lr=self.lr / PUBLISHED_PROCESSES)


RECIPES = {"mobilenet_v2": Recipe(lr=0.045, weight_decay=4e-5, lr_step=1, lr_gamma=0.98)}
"""By network, from the README; others have the script's defaults."""


def recipe_of(model: str) -> Recipe:
    """As published, for eight processes."""
    return RECIPES.get(model, Recipe())


def reference_network(model: str, classes: int, *, pretrained: bool) -> nn.Module:
    """Torchvision's network; a pretrained one with a new last layer.

    Raises:
        WeightsError: the pretrained weights cannot be had.
    """
    if not pretrained:
        return _built(model, num_classes=classes)
    net = _built(model)
    net.load_state_dict(read_tensors(published_weights(model))[0])
    path, head = [(path, module) for path, module in net.named_modules() if isinstance(module, nn.Linear)][-1]
    net.set_submodule(path, nn.Linear(head.in_features, classes))
    return net


def published_weights(model: str) -> Path:
    """The file of a network's published weights, the same for both contestants.

    Raises:
        WeightsError: it cannot be had.
    """
    weights = MODELS[model].weights
    if weights is None:
        raise ValueError(f"{model} has no published weights")
    return fetch(weights)


def _built(model: str, **options: int) -> nn.Module:
    net: nn.Module = torchvision.models.get_model(model, weights=None, **options)
    return net


def train_reference(
    net: nn.Module,
    train: Sequence[Photo],
    val: Sequence[Photo],
    recipe: Recipe,
    epochs: int,
    after_epoch: Callable[[], None],
) -> None:
    """Train as the script does.

    Args:
        net: Takes ``float32 [N, 3, 224, 224]`` normalized by ``MEAN`` and ``STD``; returns logits.
        train: What it learns from.
        val: What it is judged on after every epoch.
        recipe: For as many processes as there are, which is one.
        epochs: How many.
        after_epoch: Called when an epoch is over and judged.
    """
    learning, judging = training_loader(train, recipe), judging_loader(val, recipe)
    optimizer = optimizer_of(net, recipe)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, recipe.lr_step, recipe.lr_gamma)
    for epoch in range(epochs):
        start = time.monotonic()
        loss = train_epoch(net, learning, optimizer)
        schedule.step()
        top1 = judge(net, judging)
        seconds = time.monotonic() - start
        print(f"epoch {epoch + 1}  loss {loss:.3f}  val {top1:.1f} %  {seconds:.1f} s", flush=True)
        after_epoch()


def optimizer_of(net: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD of all parameters alike, batch norms and biases too."""
    return torch.optim.SGD(net.parameters(), lr=recipe.lr, momentum=_MOMENTUM, weight_decay=recipe.weight_decay)


def train_epoch(
    net: nn.Module,
    loader: DataLoader[tuple[torch.Tensor, torch.Tensor]],
    optimizer: torch.optim.Optimizer,
    after_step: Callable[[int], None] = lambda pictures: None,
) -> float:
    """One pass over the pictures; gives the mean loss. ``after_step`` is told how many pictures a step was of."""
    net.train()
    losses = []
    for pictures, labels in loader:
        loss = functional.cross_entropy(net(pictures), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        after_step(len(labels))
    return sum(losses) / len(losses)


@torch.inference_mode()
def judge(net: nn.Module, loader: DataLoader[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Top-1 accuracy, percent."""
    net.eval()
    right = seen = 0
    for pictures, labels in loader:
        right += int((net(pictures).argmax(1) == labels).sum())
        seen += len(labels)
    return 100.0 * right / seen


def training_loader(photos: Sequence[Photo], recipe: Recipe) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """Augmented, in a new order every epoch."""
    steps = [transforms.RandomResizedCrop(_SIDE), transforms.RandomHorizontalFlip()]
    pictures = _Pictures(photos, transforms.Compose([*steps, *_as_tensor()]))
    return DataLoader(pictures, recipe.batch, sampler=RandomSampler(pictures), num_workers=recipe.workers)


def judging_loader(photos: Sequence[Photo], recipe: Recipe) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """As they are, in order."""
    steps = [transforms.Resize(_RESIZED), transforms.CenterCrop(_SIDE)]
    pictures = _Pictures(photos, transforms.Compose([*steps, *_as_tensor()]))
    return DataLoader(pictures, recipe.batch, sampler=SequentialSampler(pictures), num_workers=recipe.workers)


def _as_tensor() -> list[Callable[[object], object]]:
    return [
        transforms.PILToTensor(),
        transforms.ConvertImageDtype(torch.float),
        transforms.Normalize(MEAN, STD),
    ]


class _Pictures(Dataset[tuple[torch.Tensor, int]]):
    """Decoded by Pillow whenever they are wanted."""

    def __init__(self, photos: Sequence[Photo], transform: Callable[[Image.Image], torch.Tensor]) -> None:
        self._photos, self._transform = list(photos), transform

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        photo = self._photos[index]
        with Image.open(photo.path) as picture:
            return self._transform(picture.convert("RGB")), photo.label_index
