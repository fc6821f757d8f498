"""Where in a picture a network found what it says: Grad-CAM.

Source: R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (2017).
The last map of features is weighted, channel by channel, with the mean gradient of the answer; what speaks for the
answer is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from hawklet.spec import Floats, Pixels
from hawklet_trainer.training.inputs import as_input
from hawklet_trainer.training.modes import evaluation_mode

_BATCH = 8
_STRONGEST = 0.6
"""Share of the colour where a picture speaks most for the answer."""


def last_map(net: nn.Module, example: torch.Tensor) -> nn.Module | None:
    """The module whose output is the last map of features before they are pooled; None where there is none.

    It is found by watching ``example`` pass, so that any network will do: the last output of more than one place that
    all of the picture comes through. A branch of a block, which something passes by, is none.

    Args:
        net: In evaluation mode.
        example: ``float [1, C, H, W]``.
    """
    with torch.inference_mode():
        answer, maps = _watched(net, example)
        for module, output in reversed(maps.items()):
            if torch.equal(_answer_with(net, module, output, 1 - example), answer):
                return module
    return None


def _watched(net: nn.Module, example: torch.Tensor) -> tuple[torch.Tensor, dict[nn.Module, torch.Tensor]]:
    """The answer, and the maps of features in the order in which they were finished, by the module that made them."""
    maps: dict[nn.Module, torch.Tensor] = {}

    def watch(module: nn.Module, given: Any, output: object) -> None:
        maps.pop(module, None)
        if isinstance(output, torch.Tensor) and output.ndim == 4 and max(output.shape[2:]) > 1:
            maps[module] = output.clone()  # what follows may write into it

    hooks = [module.register_forward_hook(watch) for module in net.modules() if module is not net]
    try:
        return net(example), maps
    finally:
        for hook in hooks:
            hook.remove()


def _answer_with(net: nn.Module, module: nn.Module, output: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """What the network says to another picture, if a module answers as it did to the first one."""
    hook = module.register_forward_hook(lambda module, given, own: output.clone() if own.shape == output.shape else own)
    try:
        answer: torch.Tensor = net(other)
        return answer
    finally:
        hook.remove()


def grad_cam(
    net: nn.Module, pixels: Pixels, classes: Sequence[int] | npt.NDArray[np.int64], zero_point: int, scale: float
) -> Floats | None:
    """How much each place of each picture speaks for a class.

    Args:
        net: Takes ``(pixel - zero_point) * scale``, on the CPU.
        pixels: ``uint8 [N, H, W, C]``, prepared, N at least 1.
        classes: For each picture, whose answer is to be explained.
        zero_point: Pixel value that becomes 0.
        scale: ``x = (pixel - zero_point) * scale``.

    Returns:
        ``float32 [N, H, W]``, 0..1, 1 where most does (all 0 where nothing does); None where the network has no map
        of features.
    """
    with evaluation_mode(net), _without_gradients_of_weights(net):
        module = last_map(net, as_input(pixels[:1], zero_point, scale))
        if module is None:
            return None
        parts = [
            _explained(net, module, as_input(pixels[i : i + _BATCH], zero_point, scale), classes[i : i + _BATCH])
            for i in range(0, len(pixels), _BATCH)
        ]
    return np.concatenate(parts)


def _explained(
    net: nn.Module, module: nn.Module, x: torch.Tensor, classes: Sequence[int] | npt.NDArray[np.int64]
) -> Floats:
    with torch.enable_grad(), _leaf_after(module) as caught:
        answers = net(x)
        chosen = answers.gather(1, torch.as_tensor(np.asarray(classes))[:, None]).sum()
        features = caught()
        (gradient,) = torch.autograd.grad(chosen, features)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    evidence = functional.relu((weights * features.detach()).sum(dim=1, keepdim=True))
    shown = functional.interpolate(evidence, x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    strongest = shown.amax(dim=(1, 2), keepdim=True)
    result: Floats = (shown / strongest.clamp_min(1e-12)).numpy().astype(np.float32)
    return result


@contextmanager
def _leaf_after(module: nn.Module) -> Iterator[Callable[[], torch.Tensor]]:
    """Let gradients begin at a module's output: nothing is kept, or gone back through, of what comes before it."""
    outputs: list[torch.Tensor] = []

    def replace(module: nn.Module, given: Any, output: torch.Tensor) -> torch.Tensor:
        outputs.append(output.detach().requires_grad_())
        return outputs[-1].clone()  # what follows may write into it

    hook = module.register_forward_hook(replace)
    try:
        yield lambda: outputs[-1]
    finally:
        hook.remove()


@contextmanager
def _without_gradients_of_weights(net: nn.Module) -> Iterator[None]:
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def overlay(picture: Pixels, evidence: Floats) -> Pixels:
    """A picture with what speaks for the answer in warm colours.

    Args:
        picture: ``uint8 [H, W, 3]``, RGB.
        evidence: ``float32 [H, W]``, 0..1.
    """
    from matplotlib import colormaps

    grey = picture.mean(axis=2, keepdims=True)
    ground = 0.5 * picture + 0.5 * grey  # paler, so that the colours on it stand out
    heat = 255 * colormaps["inferno"](evidence)[..., :3]
    share = _STRONGEST * np.sqrt(evidence)[..., None]
    return np.asarray((1 - share) * ground + share * heat, dtype=np.uint8)
