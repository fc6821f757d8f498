"""A network as a row of blocks from the input to the head: what is frozen, thawed and given its own learning rate.

J. Howard and S. Ruder, "Universal language model fine-tuning for text classification", 2018 (discriminative learning
rates, gradual unfreezing).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.models.head import head_path

_MOST_BLOCKS = 8
"""Into which the children of a network without freezing points of its own are gathered."""


@dataclass(frozen=True, eq=False)
class Block:
    """Neighbouring layers of a network."""

    name: str
    """Module path of what it begins with."""
    layers: tuple[nn.Module, ...]
    """The modules without children of their own, in the network's order; batch norms among them."""
    parameters: tuple[nn.Parameter, ...]
    """In the network's order."""


def blocks_of(net: nn.Module, entry: ModelEntry) -> list[Block]:
    """Cut a network into blocks at its entry's freezing points; every parameter is in exactly one block.

    A network that has not all of those points (such as a user's own) is cut between its children, in the order in
    which it has them, and neighbours are gathered into eight blocks at most.

    Args:
        net: Of this entry, pruned or not.
        entry: Names the freezing points and the head.

    Returns:
        From input to output; blocks without parameters are left out, and the head, alone, comes last.
    """
    head = head_path(net, entry)
    modules = dict(net.named_modules())
    known = bool(entry.points) and all(point in modules for point in entry.points)
    points = list(entry.points) if known else _children(net, head)
    paths = list(modules)
    begins = [0, *(paths.index(point) for point in points[1:])]
    members: list[list[str]] = [[] for _ in points]
    for index, path in enumerate(paths):
        if path != head:
            members[bisect_right(begins, index) - 1].append(path)
    taken = set(modules[head].parameters())  # a weight that is tied to the head's is the head's
    blocks = [
        _block(name, [modules[path] for path in within], taken) for name, within in zip(points, members, strict=True)
    ]
    return [*(block for block in blocks if block.parameters), _head_block(head, modules[head])]


def _head_block(path: str, head: nn.Module) -> Block:
    return Block(path, (head,), tuple(head.parameters()))


def _block(name: str, modules: list[nn.Module], taken: set[nn.Parameter]) -> Block:
    own = tuple(dict.fromkeys(p for module in modules for p in module.parameters(recurse=False) if p not in taken))
    taken.update(own)
    return Block(name, tuple(module for module in modules if not any(module.children())), own)


def _children(net: nn.Module, head: str) -> list[str]:
    """Paths of what is left to cut at: the children, of the one child where there is one only, but for the head."""
    paths = [path for path in _outermost(net) if path != head]
    size = -(-len(paths) // _MOST_BLOCKS)
    return paths[::size] if paths else [""]


def _outermost(net: nn.Module, prefix: str = "") -> Iterator[str]:
    children = [(name, child) for name, child in net.named_children() if any(True for _ in child.parameters())]
    if len(children) == 1 and any(children[0][1].children()):
        yield from _outermost(children[0][1], f"{prefix}{children[0][0]}.")
    else:
        yield from (f"{prefix}{name}" for name, _ in children)
