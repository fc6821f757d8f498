"""Fold batch normalization into the convolution or dense layer before it, and drop what only training uses."""

from __future__ import annotations

import copy

import torch
from torch import fx, nn

from hawklet.errors import RunError

_FOLDABLE = (nn.Conv2d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_IN_PLACE = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.SiLU, nn.LeakyReLU)
_TRAINING_ONLY = (nn.Dropout, nn.Dropout2d, nn.Identity)


def fold_batch_norm(net: nn.Module) -> fx.GraphModule:
    """Trace a network, fold its batch norms and drop its dropouts; the given network is left alone.

    Args:
        net: An eval network, ``float32 [N, C, H, W]`` -> logits.

    Returns:
        A traced copy that computes the same, in which every foldable layer carries a bias.

    Raises:
        RunError: the network cannot be traced, or holds a batch norm that follows no layer it could be folded into.
    """
    traced = _trace(copy.deepcopy(net).eval())
    modules = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        if node.op != "call_module":
            continue
        module = modules[node.target]
        if isinstance(module, _NORMS):
            _fold_into_source(traced, node, module, modules)
        elif isinstance(module, _TRAINING_ONLY):
            _bypass(traced, node)
    traced.graph.lint()
    traced.delete_all_unused_submodules()
    traced.recompile()
    for module in traced.modules():
        if isinstance(module, _FOLDABLE) and module.bias is None:
            module.bias = nn.Parameter(torch.zeros(module.weight.shape[0]))
        if isinstance(module, _IN_PLACE):
            module.inplace = False  # so that an activation stays what it was while it is compared
    return traced.requires_grad_(False)


def _trace(net: nn.Module) -> fx.GraphModule:
    try:
        return fx.symbolic_trace(net)
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise RunError(
            "only networks whose graph does not depend on the data can be converted, "
            f"got {type(net).__name__}: {' '.join(str(error).split())}"
        ) from error


def _bypass(traced: fx.GraphModule, node: fx.Node) -> None:
    node.replace_all_uses_with(node.all_input_nodes[0])
    traced.graph.erase_node(node)


def _fold_into_source(traced: fx.GraphModule, node: fx.Node, norm: nn.Module, modules: dict[str, nn.Module]) -> None:
    source = node.all_input_nodes[0]
    layer = modules.get(str(source.target)) if source.op == "call_module" else None
    if not isinstance(layer, _FOLDABLE) or len(source.users) != 1:
        raise RunError(
            f"a batch norm must directly follow a convolution or dense layer to be converted, got {node.target} "
            f"after {source.target}"
        )
    assert isinstance(norm, _NORMS)  # noqa: S101 -- narrows the type; the caller looked
    _fold_pair(layer, norm)
    _bypass(traced, node)


@torch.no_grad()
def _fold_pair(layer: nn.Conv2d | nn.Linear, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101 -- eval-mode batch norm has both
    gain = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        gain = gain * norm.weight.double()
    bias = layer.bias.double() if layer.bias is not None else torch.zeros_like(gain)
    shifted = (bias - norm.running_mean.double()) * gain
    if norm.bias is not None:
        shifted = shifted + norm.bias.double()
    weight = layer.weight.double() * gain.reshape(-1, *[1] * (layer.weight.dim() - 1))
    layer.weight = nn.Parameter(weight.float())
    layer.bias = nn.Parameter(shifted.float())
