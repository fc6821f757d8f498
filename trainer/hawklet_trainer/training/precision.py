"""bfloat16 or float32: measured on this machine, for this network, before training starts.

Which is faster differs by network and processor (bfloat16 doubles a ResNet's speed on processors that multiply it in
hardware and slows MobileNetV3 down on the same machine), so no rule is written here.
"""

from __future__ import annotations

import copy
import math
import time
from contextlib import AbstractContextManager

import torch
from torch import nn
from torch.nn import functional

_WARM_UP_TURNS = 1
_TIMED_TURNS = 2
_WORTH_IT = 1.05
"""bfloat16 is chosen only when it is faster by this factor: float32 is the more exact one."""


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Context in which a forward pass computes in ``dtype`` where that is safe."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)


def choose_precision(net: nn.Module, x: torch.Tensor) -> tuple[torch.dtype, str]:
    """Time a few training steps in both, in turns; the fastest of each counts, since a neighbour can only slow it down.

    Args:
        net: The network; a copy is stepped, it is left as it is.
        x: One batch, ``float [N, 3, H, W]``, channels last.

    Returns:
        The faster data type, and a line that says what was measured.
    """
    trial = copy.deepcopy(net).train()
    seconds = {torch.float32: math.inf, torch.bfloat16: math.inf}
    for turn in range(_WARM_UP_TURNS + _TIMED_TURNS):
        for dtype in seconds:
            taken = _seconds_of_step(trial, x, dtype)
            if turn >= _WARM_UP_TURNS:
                seconds[dtype] = min(seconds[dtype], taken)
    plain, short = (len(x) / fastest for fastest in seconds.values())
    chosen = torch.bfloat16 if short > plain * _WORTH_IT else torch.float32
    name = "bfloat16" if chosen is torch.bfloat16 else "float32"
    return chosen, f"{name} (measured: float32 {plain:.0f}, bfloat16 {short:.0f} images/s)"


def _seconds_of_step(trial: nn.Module, x: torch.Tensor, dtype: torch.dtype) -> float:
    target = torch.zeros(len(x), dtype=torch.long, device=x.device)
    start = time.perf_counter()
    with autocast(dtype, x.device):
        loss = functional.cross_entropy(trial(x).float(), target)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
