"""Which constants of an exported file are which layers' biases: told by their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from torch import fx, nn

Key = TypeVar("Key")

_RELATIVE, _ABSOLUTE = 1e-4, 1e-6


def biases_of(net: fx.GraphModule) -> dict[str, npt.NDArray[np.float32]]:
    """Bias of every convolution and dense layer, ``float32 [channels]``, by module path."""
    return {
        path: module.bias.numpy()
        for path, module in net.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None
    }


def find_biases(
    biases: Mapping[str, npt.NDArray[np.float32]], constants: Mapping[Key, npt.NDArray[Any]]
) -> dict[str, Key]:
    """Find each layer's bias among a file's constants.

    Returns:
        Module path -> key of the constant; biases that are not found, or not for certain, are absent.
    """
    found: dict[str, Key] = {}
    for path, bias in biases.items():
        same = [
            key
            for key, value in constants.items()
            if value.shape == bias.shape and np.allclose(value, bias, _RELATIVE, _ABSOLUTE)
        ]
        if len(same) == 1:
            found[path] = same[0]
    taken = list(found.values())
    return {path: key for path, key in found.items() if taken.count(key) == 1}
