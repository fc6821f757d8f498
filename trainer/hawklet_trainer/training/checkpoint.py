"""A training's whole state in one file, so that one that was killed goes on as if it had not been.

The file is safetensors: tensors by prefix (``net/``, ``averaged/``, ``kept/``, ``optimizer/<parameter>/``,
``random/``), all else as JSON in its metadata. Nothing in it is executed when it is read. It is written whole or not at
all, after every epoch and now and then within one, and holds the conditions of its training: another training refuses
it.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hawklet.errors import RunError, WeightsError
from hawklet.safefiles import atomic_file
from hawklet.spec import PreprocessSpec
from hawklet_trainer.data import PhotoSet
from hawklet_trainer.models.tied_weights import untied
from hawklet_trainer.models.weights import read_tensors
from hawklet_trainer.training.distil import MatchedLayer
from hawklet_trainer.training.judging import UNJUDGED, Verdict
from hawklet_trainer.training.speed import Speed
from hawklet_trainer.training.terms import EpochRecord, History, TrainConfig

SCHEMA = "hawklet-training-state/4"
_KEY = "hawklet_training_state"
_SECONDS = 30.0
"""Least time between two states within an epoch."""
_SHARE_OF_TIME = 0.02
"""Most that writing them may take."""


@dataclass
class EpochSums:
    """What an epoch has come to so far, in all processes together."""

    steps: int = 0
    loss: float = 0.0
    """Summed over pictures."""
    right: float = 0.0
    """Pictures named rightly; NaN where pictures were mixed."""
    pictures: int = 0
    learning: float = 0.0
    """Seconds of its steps."""
    lr: float = 0.0
    """Of its latest step."""


@dataclass
class TrainingState:
    """All that a training changes."""

    net: nn.Module
    averaged: nn.Module
    """The running average; ``net`` itself where none is kept."""
    optimizer: torch.optim.Optimizer
    history: History = field(default_factory=History)
    kept_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    """State dict of the epoch that is kept."""
    best: Verdict = UNJUDGED
    """Of the epoch that did best on val; the one that is kept may be a later one that is no worse."""
    best_at: int = 0
    """That epoch."""
    speed: Speed = field(default_factory=Speed)
    """How it is computed."""
    done: int = 0
    """Steps, of all epochs."""
    seconds: float = 0.0
    """Spent on epochs."""
    epoch: EpochSums = field(default_factory=EpochSums)
    """Of the epoch that was begun."""
    ended: bool = False
    """No epoch is to follow."""

    def lay_out(self) -> None:
        """Lay the weights out in memory as they are computed."""
        self.speed.lay_out(self.net)
        self.speed.lay_out(self.averaged)


class Checkpoint:
    """Where a training's state is kept.

    Args:
        path: The file; None: nothing is kept.
        conditions: What must be equal for a state to be this training's, see :func:`conditions_of`.
        writes: Whether this process writes it; of several that train together one does, and all read.
    """

    def __init__(self, path: Path | None, conditions: Mapping[str, str], writes: bool = True):
        self.path = path
        self.conditions = dict(conditions)
        self._writes = writes
        self._next = time.monotonic() + _SECONDS

    def save_now_and_then(self, state: TrainingState) -> None:
        """:meth:`save`, where it is some time since, and so seldom that it costs next to nothing."""
        if time.monotonic() >= self._next:
            self.save(state)

    def save(self, state: TrainingState) -> None:
        """Write the state and that of all random numbers, whole or not at all."""
        if self.path is None or not self._writes:
            return
        from safetensors.torch import save

        start = time.monotonic()
        tensors = untied({**_tensors_of(state), **_random_tensors()})
        facts = {"schema": SCHEMA, "conditions": self.conditions, **_facts_of(state), **_random_facts()}
        with atomic_file(self.path) as stream:
            stream.write(save(tensors, {_KEY: json.dumps(facts)}))
        now = time.monotonic()
        self._next = now + max(_SECONDS, (now - start) / _SHARE_OF_TIME)

    def restore(self, state: TrainingState) -> bool:
        """Put what is kept into ``state`` and into all sources of random numbers; false where nothing is kept yet.

        Raises:
            RunError: what is kept is damaged, or another training's; names what differs.
        """
        if self.path is None or not self.path.is_file():
            return False
        try:
            tensors, metadata = read_tensors(self.path)
            facts = json.loads(metadata[_KEY])
            self._require_same(facts)
            _restore_facts(state, facts)
            state.lay_out()
            _restore_tensors(state, tensors)
            _restore_random(tensors, facts)
        except (WeightsError, KeyError, TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, RunError):
                raise
            reason = " ".join(str(error).split())[:200]
            raise RunError(
                f"{self.path} must be the whole state of a training, which it is not ({reason}); delete it to begin "
                "anew"
            ) from error
        return True

    def _require_same(self, facts: Mapping[str, Any]) -> None:
        if facts["schema"] != SCHEMA:
            raise RunError(f"a training's state must be {SCHEMA}, got {facts['schema']!r} in {self.path}; begin anew")
        # An option that an older hawklet did not know was as its default is now.
        theirs = {**_options_of(TrainConfig()), **facts["conditions"]}
        differing = [
            f"{name} ({theirs.get(name)} there, {self.conditions.get(name)} now)"
            for name in sorted(theirs.keys() | self.conditions.keys())
            if theirs.get(name) != self.conditions.get(name)
        ]
        if differing:
            raise RunError(
                f"a training goes on only as it began, but that in {self.path} differs in {'; '.join(differing)}; ask "
                "for the same (processes: --devices and --nodes), or delete that file to begin anew"
            )


def conditions_of(
    net: nn.Module,
    teacher: nn.Module | None,
    photos: PhotoSet,
    spec: PreprocessSpec,
    pixel: tuple[int, float],
    config: TrainConfig,
    speed: Speed | None,
    matched: Sequence[MatchedLayer] = (),
    world: int = 1,
) -> dict[str, str]:
    """What decides how a training goes on from a state: every option of its loop, shapes, the teacher's weights,
    pictures and their split."""
    chosen = [(split, photo.sha256, photo.label_index) for split in ("train", "val") for photo in photos.items(split)]
    return {
        **_options_of(config),
        "network": _shapes(net),
        "teacher": "none" if teacher is None else _weights(teacher),
        "matched layers": _digest([astuple(layer) for layer in matched]),
        "photos": photos.digest[:16],
        "split": _digest(chosen),
        "input": json.dumps(spec.to_dict(), sort_keys=True),
        "pixels": f"{pixel[0]}, {pixel[1]!r}",
        "computed": "as measured" if speed is None else speed.describe(),
        "processes": str(world),
    }


def _options_of(config: TrainConfig) -> dict[str, str]:
    return {key: str(value.value if isinstance(value, Enum) else value) for key, value in vars(config).items()}


def _shapes(net: nn.Module) -> str:
    return _digest([(name, list(tensor.shape)) for name, tensor in net.state_dict().items()])


def _weights(net: nn.Module) -> str:
    total = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return total.hexdigest()[:16]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _tensors_of(state: TrainingState) -> dict[str, torch.Tensor]:
    tensors = {f"net/{name}": tensor for name, tensor in state.net.state_dict().items()}
    if state.averaged is not state.net:
        tensors |= {f"averaged/{name}": tensor for name, tensor in state.averaged.state_dict().items()}
    tensors |= {f"kept/{name}": tensor for name, tensor in state.kept_weights.items()}
    for number, kept in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{number}/{key}": tensor for key, tensor in kept.items()}
    return tensors


def _restore_tensors(state: TrainingState, tensors: Mapping[str, torch.Tensor]) -> None:
    state.net.load_state_dict(_below("net/", tensors))
    if state.averaged is not state.net:
        state.averaged.load_state_dict(_below("averaged/", tensors))
    device = next(state.net.parameters()).device
    state.kept_weights = {name: tensor.to(device) for name, tensor in _below("kept/", tensors).items()}
    parameters = [parameter for group in state.optimizer.param_groups for parameter in group["params"]]
    for name, tensor in _below("optimizer/", tensors).items():
        number, key = name.split("/")
        parameter = parameters[int(number)]
        if tensor.shape == parameter.shape and tensor.ndim:
            # Laid out in memory like its parameter, as the optimizer had it: else the last bits come out otherwise.
            tensor = torch.empty_like(parameter, requires_grad=False).copy_(tensor)
        state.optimizer.state[parameter][key] = tensor.to(parameter.device)  # the count of a fused Adam's steps too


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _facts_of(state: TrainingState) -> dict[str, Any]:
    history = {f.name: getattr(state.history, f.name) for f in fields(History) if f.name != "records"}
    return {
        "history": history,
        "records": [astuple(record) for record in state.history.records],
        "best": {**vars(state.best), "lacking": state.best.lacking.tolist()},
        "best_at": state.best_at,
        "speed": state.speed.to_plain(),
        "done": state.done,
        "seconds": state.seconds,
        "epoch": asdict(state.epoch),
        "ended": state.ended,
    }


def _restore_facts(state: TrainingState, facts: Mapping[str, Any]) -> None:
    for name, value in facts["history"].items():
        setattr(state.history, name, value)
    state.history.records[:] = [EpochRecord(*values) for values in facts["records"]]
    lacking = torch.tensor(facts["best"]["lacking"], dtype=torch.float64)
    state.best = Verdict(**{**facts["best"], "lacking": lacking})
    state.best_at = facts["best_at"]
    state.speed = Speed.from_plain(facts["speed"])
    state.epoch = EpochSums(**facts["epoch"])
    state.done, state.seconds, state.ended = facts["done"], facts["seconds"], facts["ended"]


def _random_tensors() -> dict[str, torch.Tensor]:
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"random/cpu": torch.get_rng_state(), **{f"random/cuda{i}": state for i, state in enumerate(devices)}}


def _random_facts() -> dict[str, Any]:
    version, words, gauss = random.getstate()
    name, key, *rest = np.random.get_state(legacy=True)
    return {"python": [version, list(words), gauss], "numpy": [name, np.asarray(key).tolist(), *rest]}


def _restore_random(tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
    version, words, gauss = facts["python"]
    random.setstate((version, tuple(words), gauss))
    name, key, *rest = facts["numpy"]
    np.random.set_state((name, np.array(key, dtype=np.uint32), *rest))
    torch.set_rng_state(tensors["random/cpu"])
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            if f"random/cuda{number}" in tensors:
                torch.cuda.set_rng_state(tensors[f"random/cuda{number}"], number)
