"""Classes of unequal sizes: how much a picture of each counts, or how often it is shown."""

from __future__ import annotations

import numpy as np
import torch

from hawklet_trainer.data import PhotoSet
from hawklet_trainer.data.workers import Indices
from hawklet_trainer.training.terms import Balance


def class_weights(label_indices: Indices, classes: int) -> torch.Tensor:
    """What a picture of each class counts: the inverse of how many the class has, 1 in the mean over all pictures.

    Args:
        label_indices: Of the training pictures, ``int64 [N]``.
        classes: C.

    Returns:
        ``float32 [C]``; 0 for a class without pictures.
    """
    counts = np.bincount(label_indices, minlength=classes)
    present = np.count_nonzero(counts)
    weights = np.divide(len(label_indices), present * counts, out=np.zeros(classes), where=counts > 0)
    return torch.from_numpy(weights.astype(np.float32))


def balancing_weights(photos: PhotoSet, balance: Balance, device: torch.device) -> torch.Tensor | None:
    """What a training picture of each class counts, ``float32 [C]``, where that balances the classes; else None."""
    if balance is not Balance.WEIGHTS:
        return None
    label_indices = np.array([photo.label_index for photo in photos.items("train")], np.int64)
    return class_weights(label_indices, len(photos.labels)).to(device)


def balanced_order(label_indices: Indices, classes: int) -> torch.Tensor:
    """As many pictures as there are, drawn with replacement by torch's random numbers, every class as often.

    Args:
        label_indices: Of the training pictures, ``int64 [N]``.
        classes: C.

    Returns:
        ``int64 [N]``, positions in ``label_indices``.
    """
    of_picture = class_weights(label_indices, classes)[torch.from_numpy(label_indices)]
    return torch.multinomial(of_picture, len(label_indices), replacement=True)
