"""Quantization-aware training as a step of the search: with the run's own pictures and variation, in the time left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import nn

from hawklet_converter.lift_tiny_channels import lift_tiny_channels
from hawklet_converter.make_plan import Planned
from hawklet_converter.train_quantized import QatConfig, train_quantized
from hawklet_converter.work import Work


def train_planned(
    planned: Planned,
    quantized: Collection[str],
    held: Collection[str],
    teacher: nn.Module,
    deadline: float,
    work: Work,
) -> Planned:
    """Train a plan's network with rounding in the loop.

    Args:
        planned: Where to start; left alone.
        quantized: fx nodes whose values the files hold as int8.
        held: Module paths of the layers that every file holds, recognised; nothing else is trained.
        teacher: The float network.
        deadline: When to be done, in seconds of :func:`time.monotonic`.
        work: The run, its photos and the seed.
    """
    run = work.run
    trained_like = run.config()
    config = QatConfig(augment=trained_like.augment, flip=trained_like.flip, seed=work.request.seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(work.threads)  # a conversion computes on one; training gains from more
    try:
        result = train_quantized(
            planned.net,
            planned.plan,
            quantized,
            teacher,
            work.photos,
            run.spec,
            run.pixel_zero_point,
            run.pixel_scale,
            config,
            deadline,
            work.steps.note,
            held,
        )
    finally:
        torch.set_num_threads(threads)
    plan = lift_tiny_channels(result.net, result.plan)
    in_time = result.history.stopped_by not in ("minutes", "request")
    return replace(planned, net=result.net, plan=plan, finished=in_time)
