"""The networks of a space, before one is trained: that they can be meant, and that their weights are here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hawklet.errors import UsageError, WeightsError
from hawklet_trainer.finish import plain
from hawklet_trainer.models.registry import model_entry
from hawklet_trainer.models.weights import fetch
from hawklet_trainer.train import TrainOptions, require_trainable
from hawklet_trainer.train_options import changed
from hawklet_trainer.tuning.dimension import Choice, Value, flag
from hawklet_trainer.tuning.space import NETWORKS, Space

_Say = Callable[[str], None]


def require_networks(space: Space, training: TrainOptions) -> None:
    """Refuse a space some of whose networks cannot be meant.

    Raises:
        UsageError: one cannot; names it.
        WeightsError: a file of weights is not there.
    """
    for values in space.networks():
        try:
            require_trainable(changed(training, values))
        except UsageError as error:
            if not values:
                raise
            combined = ", ".join(f"{flag(name)} {value}" for name, value in values.items())
            raise UsageError(f"every network of the space must be possible, got {combined}: {error}") from error


def with_weights(space: Space, training: TrainOptions, say: _Say) -> Space:
    """Fetch the pretrained weights of every network, so that no trial fails for want of them.

    Returns:
        The space. Of the default one's networks, which nobody asked for by name, those without weights are left out.

    Raises:
        WeightsError: weights cannot be had.
    """
    if training.weights != "pretrained" or "weights" in space.dimensions:
        return space
    models = space.dimensions.get("model")
    if models is None or models is not NETWORKS:
        for model in models.listed() if models else (training.model,):
            _fetch(model, say)
        return space
    there = tuple(model for model in models.listed() if _can_be_had(str(model), say))
    if not there:
        raise WeightsError("of the default space's networks none has weights that can be had; see hawklet weights list")
    # A list of one stays a list, so that what is searched is said in one way.
    return Space({**space.dimensions, "model": Choice(there)}, space.fixed)


def _fetch(model: Value, say: _Say) -> None:
    weights = model_entry(str(model)).weights
    if weights is not None:
        fetch(weights, say)


def _can_be_had(model: str, say: _Say) -> bool:
    try:
        _fetch(model, lambda line: None)
    except WeightsError:  # nobody asked for it, so where its weights might have come from is nobody's business either
        say(f"{model} is left out of the search, since its weights cannot be had; see hawklet weights fetch {model}")
        return False
    return True


def usual_values(space: Space, training: TrainOptions) -> dict[str, Value]:
    """What a training does unless told otherwise, for those options of a space that may have that value."""
    config = training.config
    settled: dict[str, Any] = {
        **plain(vars(training)),
        **plain(vars(config)),
        "imgsz": training.imgsz or model_entry(training.model).side,
        "mix": config.mixing.value,
        "lr": training.highest_lr,
        "weight_decay": config.decay,
    }
    return {name: settled[name] for name, dimension in space.dimensions.items() if dimension.holds(settled[name])}
