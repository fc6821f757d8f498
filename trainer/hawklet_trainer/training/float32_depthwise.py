"""Depthwise convolutions in float32 within a forward pass that computes in bfloat16.

A processor that multiplies bfloat16 in hardware gains nothing by it where every channel is convolved on its
own: there is no matrix. MobileNetV3 small as a whole is slower in bfloat16 than in float32, and faster this way than
either (docs/decisions/0127-depthwise-convolutions-stay-in-float32.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_GROUPS = 6
"""Place among the arguments of ``torch.conv2d``."""


class Float32Depthwise(TorchFunctionMode):
    """Within it depthwise convolutions compute in float32, and answer in the type that they were given."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func is not torch.conv2d or not _is_depthwise(args, named):
            return func(*args, **named)
        x, *others = args
        with torch.autocast(x.device.type, enabled=False):
            return func(x.float(), *others, **named).to(x.dtype)


def has_depthwise(net: nn.Module) -> bool:
    """Whether a network has depthwise convolutions."""
    return any(isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1 for module in net.modules())


def _is_depthwise(args: Sequence[Any], named: Mapping[str, Any]) -> bool:
    """Of a call of ``torch.conv2d``; one that names its input is left as it is."""
    groups = args[_GROUPS] if len(args) > _GROUPS else named.get("groups", 1)
    return bool(args) and groups == args[0].shape[-3] > 1
