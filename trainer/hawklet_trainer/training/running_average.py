"""The running average of the weights, which is what is judged and kept (B. Polyak and A. Juditsky, 1992)."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def move_toward(averaged: nn.Module, net: nn.Module, share: float) -> None:
    """Move every weight and statistic of ``averaged`` by ``share`` of the way to that of ``net``."""
    for kept, current in ((averaged.parameters(), net.parameters()), (averaged.buffers(), net.buffers())):
        pairs = [(mean, new) for mean, new in zip(kept, current, strict=True) if mean.is_floating_point()]
        if pairs:
            torch._foreach_lerp_([mean for mean, _ in pairs], [new for _, new in pairs], share)


def share_of_newest(done: int, steps_per_epoch: int) -> float:
    """How far one step moves the average: a memory of about an epoch, and a shorter one at the start."""
    return 1.0 - min(max(0.5, 1.0 - 1.0 / steps_per_epoch), done / (done + 9.0))
