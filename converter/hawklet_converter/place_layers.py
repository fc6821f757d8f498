"""Which constants of an exported file are which layers' weights and biases: told by their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn

Key = TypeVar("Key", int, str)
Array = npt.NDArray[Any]
LAYERS = (nn.Conv2d, nn.Linear)
"""Modules that hold weights which are quantized."""

HARD_SIGMOID_ADDS = 3.0
"""Hard-sigmoid is ``relu6(x + 3) / 6``, and litert_torch folds the sum into the bias of the layer before it."""
_RELATIVE, _ABSOLUTE = 1e-4, 1e-6
_ORDERS = {4: ((0, 1, 2, 3), (0, 2, 3, 1), (1, 2, 3, 0)), 2: ((0, 1), (1, 0))}
"""Orders of a weight's axes by their number: torch's own, channels last, and depthwise channels last."""


@dataclass(frozen=True)
class Place(Generic[Key]):
    """Where a file keeps one layer."""

    weight: Key
    order: tuple[int, ...]
    """Order of the weight's axes there."""
    bias: Key
    added: float = 0.0
    """What the file's bias holds besides the layer's."""


def layers_of(net: fx.GraphModule) -> dict[str, nn.Conv2d | nn.Linear]:
    """Every convolution and dense layer by its module path."""
    return {path: module for path, module in net.named_modules() if isinstance(module, LAYERS)}


def held_layers(*places: Mapping[str, Place[Any]]) -> frozenset[str]:
    """The layers found in every file: what is changed in another would reach no file, or one of them."""
    return frozenset.intersection(*(frozenset(each) for each in places))


def movable_layers(net: fx.GraphModule, *places: Mapping[str, Place[Any]]) -> frozenset[str]:
    """The layers that may be moved: held by every file, and run once only, so that a change has one effect."""
    uses = Counter(str(node.target) for node in net.graph.nodes if node.op == "call_module")
    return frozenset(path for path in held_layers(*places) if uses[path] == 1)


def place_layers(net: fx.GraphModule, constants: Mapping[Key, Array]) -> dict[str, Place[Key]]:
    """Find every layer of the folded network among a file's constants.

    Args:
        net: The folded network; every layer has a bias.
        constants: The file's constants, in any shape.

    Returns:
        Module path -> place; a layer whose weight or bias is not found, or not for certain, is absent, and nothing
        may move what it computes.
    """
    layers = layers_of(net)
    biases = _for_certain({path: _find_bias(layer, constants) for path, layer in layers.items()}, lambda f: f[0])
    weights = _for_certain({path: _find_weight(layer, constants) for path, layer in layers.items()}, lambda f: f[0])
    return {path: Place(*weights[path], *biases[path]) for path in layers if path in weights and path in biases}


def constants_of(net: fx.GraphModule, places: Mapping[str, Place[Any]]) -> dict[Any, npt.NDArray[np.float32]]:
    """What a file has to hold so that it computes with this network's weights and biases."""
    layers = layers_of(net)
    values: dict[Any, npt.NDArray[np.float32]] = {}
    for path, place in places.items():
        layer = layers[path]
        assert layer.bias is not None  # noqa: S101 -- folding gave every layer one
        values[place.weight] = np.ascontiguousarray(_plain(layer.weight).transpose(place.order))
        values[place.bias] = _plain(layer.bias) + np.float32(place.added)
    return values


Found = TypeVar("Found")


def _for_certain(found: Mapping[str, list[Found]], key: Callable[[Found], object]) -> dict[str, Found]:
    """What was found exactly once, and for one layer only."""
    single = {path: hits[0] for path, hits in found.items() if len(hits) == 1}
    owners = Counter(key(hit) for hit in single.values())
    return {path: hit for path, hit in single.items() if owners[key(hit)] == 1}


def _find_bias(layer: nn.Module, constants: Mapping[Key, Array]) -> list[tuple[Key, float]]:
    bias = _plain(layer.bias)
    for added in (0.0, HARD_SIGMOID_ADDS):
        found = [
            (key, added)
            for key, value in constants.items()
            if value.size == bias.size and np.allclose(value.reshape(-1), bias + added, _RELATIVE, _ABSOLUTE)
        ]
        if found:
            return found
    return []


def _find_weight(layer: nn.Module, constants: Mapping[Key, Array]) -> list[tuple[Key, tuple[int, ...]]]:
    weight = _plain(layer.weight)
    found = []
    for key, value in constants.items():
        if value.size == weight.size:
            flat = value.reshape(-1)
            orders = (o for o in _ORDERS[weight.ndim] if np.array_equal(weight.transpose(o).reshape(-1), flat))
            found += [(key, order) for order in list(orders)[:1]]
    return found


def _plain(value: Any) -> npt.NDArray[np.float32]:
    assert isinstance(value, torch.Tensor)  # noqa: S101 -- narrows the type
    return value.detach().contiguous().numpy()
