"""Average poolings to a given size, written as what file formats know: equal windows at equal steps.

``nn.AdaptiveAvgPool2d`` cuts its input into as many windows as it is to have outputs; where the input is no multiple,
they overlap. litert_torch writes such a pooling as a gathering of single values, and torch.onnx refuses it, though its
windows are equal more often than not: 8 to 7 is a window of 2 at steps of 1.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from hawklet.errors import ModelError
from hawklet_converter.collect_ranges import RecordingInterpreter


def with_plain_pools(net: fx.GraphModule, picture: torch.Tensor) -> fx.GraphModule:
    """A copy in which overlapping adaptive poolings are plain ones; nodes keep their names.

    Args:
        net: The folded network.
        picture: ``float32 [1, C, H, W]``, for the sizes.

    Raises:
        ModelError: the windows of a pooling are not all of one size.
    """
    plain = copy.deepcopy(net)
    shapes: dict[str, tuple[int, ...]] = {}
    with torch.inference_mode():
        RecordingInterpreter(net, lambda name, value: shapes.__setitem__(name, tuple(value.shape))).run(picture)
    modules = dict(plain.named_modules())
    for node in plain.graph.nodes:
        if _is_adaptive(node, modules):
            taken, given = shapes[node.all_input_nodes[0].name][-2:], shapes[node.name][-2:]
            if any(side % wanted for side, wanted in zip(taken, given, strict=True)):
                _write_plainly(plain, node, taken, given)
    plain.recompile()
    return plain


def _is_adaptive(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], nn.AdaptiveAvgPool2d)
    return node.op == "call_function" and node.target is functional.adaptive_avg_pool2d


def _write_plainly(plain: fx.GraphModule, node: fx.Node, taken: tuple[int, ...], given: tuple[int, ...]) -> None:
    windows = [_window(side, wanted) for side, wanted in zip(taken, given, strict=True)]
    (height, width) = windows
    if height is None or width is None:
        raise ModelError(
            f"an average pooling must have windows of one size, for no file format knows others; "
            f"{node.target if node.op == 'call_module' else node.name} pools {taken[0]} x {taken[1]} values to "
            f"{given[0]} x {given[1]}; take an input size at which these are multiples of {given[0]} x {given[1]}, "
            "or another pooling"
        )
    pool: Any = functional.avg_pool2d
    node.op, node.target = "call_function", pool
    node.args = (node.all_input_nodes[0], (height[0], width[0]), (height[1], width[1]))
    node.kwargs = {}


def _window(side: int, wanted: int) -> tuple[int, int] | None:
    """Size and step of the windows along one side; None where they differ."""
    starts = [number * side // wanted for number in range(wanted)]
    ends = [-(-(number + 1) * side // wanted) for number in range(wanted)]
    sizes = {end - start for start, end in zip(starts, ends, strict=True)}
    steps = {after - before for before, after in itertools.pairwise(starts)} or {1}
    return (sizes.pop(), steps.pop()) if len(sizes) == len(steps) == 1 else None
