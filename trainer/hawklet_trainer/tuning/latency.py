"""What every network of a space costs: measured once, by whoever begins the study, so that trials can be compared."""

from __future__ import annotations

from collections.abc import Callable

import torch

from hawklet.errors import UsageError
from hawklet_trainer.imgsz_option import AUTO
from hawklet_trainer.models.architecture import Architecture
from hawklet_trainer.models.latency import median_time
from hawklet_trainer.models.registry import model_entry
from hawklet_trainer.train import TrainOptions
from hawklet_trainer.train_options import changed
from hawklet_trainer.tuning.space import Space

_DECIDES = ("model", "width", "imgsz", "channels")
"""Options that latency depends on."""


def network_of(options: TrainOptions) -> str:
    """What latency depends on, in words: ``mobilenet_v2, width 0.75, 224 px``."""
    width = "" if options.width == 1.0 else f", width {options.width:g}"
    planes = "" if options.channels == 3 else f", {options.channels} channels"
    return f"{options.model}{width}, {_side(options)} px{planes}"


def require_measurable(space: Space, options: TrainOptions) -> None:
    """Refuse a space whose networks cannot be measured, or that has nothing to choose by latency.

    Args:
        space: What is searched.
        options: What every trial has in common.

    Raises:
        UsageError: the space has networks without number, one whose input is not known before, or one network only.
    """
    if AUTO in (options.imgsz, *(space.dimensions["imgsz"].listed() if "imgsz" in space.dimensions else ())):
        raise UsageError("with --objective accuracy,latency every network is measured before; give --imgsz in pixels")
    endless = [name for name in _DECIDES if name in space.dimensions and not space.dimensions[name].countable]
    if endless:
        raise UsageError(
            f"with --objective accuracy,latency every network is measured, but {endless[0]} may be any number of the "
            "space's range; give it a list, or a step"
        )
    names = {network_of(changed(options, values)) for values in space.networks()}
    if len(names) == 1:
        raise UsageError(
            "with --objective accuracy,latency there must be networks to choose among, but the space has one network "
            f"({names.pop()}); search model, imgsz or width too, or leave --objective out"
        )


def measure_networks(space: Space, options: TrainOptions, classes: int, say: Callable[[str], None]) -> dict[str, float]:
    """Milliseconds by :func:`network_of`, as ``hawklet models`` measures them, for every network of a space.

    Args:
        space: What is searched, see :func:`require_measurable`.
        options: What every trial has in common.
        classes: Number of outputs.
        say: Called with one line for each network.
    """
    found: dict[str, float] = {}
    for values in space.networks():
        trial = changed(options, values)
        name = network_of(trial)
        if name not in found:
            found[name] = _measure(trial, classes)
            say(f"{name}: {found[name]:.3g} ms")
    return found


def _measure(options: TrainOptions, classes: int) -> float:
    side = _side(options)
    net = Architecture(options.model, options.width).build(classes, side, side, options.channels)
    return median_time(net, torch.rand(1, options.channels, side, side))


def _side(options: TrainOptions) -> int:
    return options.imgsz if isinstance(options.imgsz, int) else model_entry(options.model).side
