"""The space of a search: which options of a training are searched, over which values.

A space file is YAML, an option of ``hawklet train`` a line:

.. code-block:: yaml

    model: [mobilenet_v2, efficientnet_lite0]       # one of these
    lr: {low: 1.0e-5, high: 1.0e-2, log: true}      # a number between two
    imgsz: {low: 160, high: 224, step: 32}
    augment: strong                                 # this, in every trial

Values are checked as ``hawklet train`` checks them, by its own options.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import click
import yaml

from hawklet.errors import HawkletError, UsageError
from hawklet_trainer.models.own import is_own
from hawklet_trainer.models.registry import model_entry
from hawklet_trainer.train import TrainOptions
from hawklet_trainer.train_options import LOOP, NETWORK
from hawklet_trainer.tuning.dimension import Choice, Dimension, Range, Value, flag

_NOT_SEARCHED = {
    "seed": "it would be chosen for the luck it had on val",
    "minutes": "how far a training comes in them depends on what else the machine does",
}
SEARCHABLE: dict[str, click.Parameter] = {
    str(option.name): option for option in (*NETWORK, *LOOP) if option.name not in _NOT_SEARCHED
}
"""Options that can be searched, by name."""
NETWORKS = Choice(("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_lite0"))
"""Of the default space; all of one native side."""
_LR_AROUND, _DECAY_AROUND = (1 / 6, 10.0), (1 / 20, 10.0)
"""The ends of the default space's ranges, by what a training has unless told otherwise."""
_LEAST_SIDE = 5 / 7
"""Of the default space, by the network's native side."""
_SIDE_STEP = 32
_KEYS = {"low", "high", "log", "step"}
_MOST_NETWORKS = 1000


@dataclass(frozen=True)
class Space:
    """What is searched, and what a space file says of the rest."""

    dimensions: Mapping[str, Dimension]
    """By option name, at least one."""
    fixed: Mapping[str, Value] = field(default_factory=dict)
    """Options that every trial has."""

    def plain(self) -> dict[str, Any]:
        """As a space file has it, what is fixed left out."""
        return {name: dimension.plain() for name, dimension in self.dimensions.items()}

    def networks(self) -> Iterator[dict[str, Value]]:
        """Every combination of what decides the network and its input, by option name.

        Raises:
            UsageError: they are too many to be looked at.
        """
        names = [str(option.name) for option in NETWORK if option.name in self.dimensions]
        listed = [self.dimensions[name].listed() for name in names]
        if math.prod(map(len, listed)) > _MOST_NETWORKS:
            raise UsageError(
                f"a space may have {_MOST_NETWORKS} different networks at most; give {names[0]} fewer values"
            )
        for values in product(*listed):
            yield dict(zip(names, values, strict=True))


def default_space(given: Mapping[str, Any], training: TrainOptions) -> Space:
    """What is searched unless told otherwise, around what the training does by itself.

    Not the epochs: more of them are hardly ever worse, so what a search of them would find is patience.

    Args:
        given: Options of the command line, by name, which are left out.
        training: What they, and the defaults of the rest, come to.

    Raises:
        UsageError: nothing is left to search, or the network cannot be meant.
    """
    config = training.config
    dimensions: dict[str, Dimension] = {
        "model": NETWORKS,
        "imgsz": _sides(model_entry(training.model).side),
        "lr": _around(training.highest_lr, _LR_AROUND),
        **({"weight_decay": _around(config.decay, _DECAY_AROUND)} if config.decay else {}),
        "label_smoothing": Range(0.0, 0.2),
        "augment": Choice(("light", "medium", "strong")),
        "mix": Choice(("none", "mixup", "cutmix", "both")),
        "batch": Choice((16, 32, 64)),
    }
    return Space(_required({name: dimension for name, dimension in dimensions.items() if name not in given}))


def _sides(native: int) -> Dimension:
    """A network's native side and smaller ones."""
    least = math.ceil(native * _LEAST_SIDE / _SIDE_STEP) * _SIDE_STEP
    if native % _SIDE_STEP == 0:
        return Range(least, native, step=_SIDE_STEP)
    return Choice((*range(least, native, _SIDE_STEP), native))


def _around(value: float, ends: tuple[float, float]) -> Range:
    low, high = (float(f"{value * end:.3g}") for end in ends)
    return Range(low, high, log=True)


def read_space(path: Path, given: Mapping[str, Any]) -> Space:
    """Read a space file: what it does not name is not searched.

    Args:
        path: Of the file.
        given: Options of the command line, by name.

    Raises:
        UsageError: it is no such file, names what cannot be searched, or what the command line gives too.
    """
    dimensions: dict[str, Dimension] = {}
    fixed: dict[str, Value] = {}
    for written, values in _loaded(path).items():
        name = _name(written, path)
        if name in given:
            raise UsageError(f"an option is either searched or given, got {flag(name)} and {name} in {path}; drop one")
        meant = _meant(name, values, path)
        if isinstance(meant, (Choice, Range)):
            dimensions[name] = meant
        else:
            fixed[name] = meant
    return Space(_required(dimensions, path), fixed)


def _loaded(path: Path) -> dict[Any, Any]:
    try:
        loaded = yaml.safe_load(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--space must name a YAML file, got {path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"--space must name a YAML file, got {path}: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(loaded, dict):
        raise UsageError(f"a space file must have lines of OPTION: VALUES, got {type(loaded).__name__} in {path}")
    return loaded


def _name(written: Any, path: Path) -> str:
    name = str(written).replace("-", "_")
    if name in _NOT_SEARCHED:
        raise UsageError(f"{name} in {path} cannot be searched: {_NOT_SEARCHED[name]}; leave it out")
    if name not in SEARCHABLE:
        close = difflib.get_close_matches(name, SEARCHABLE, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it may name {', '.join(SEARCHABLE)}"
        raise UsageError(f"a space file names options of hawklet train, got {written!r} in {path}; {hint}")
    return name


def _meant(name: str, values: Any, path: Path) -> Dimension | Value:
    try:
        if isinstance(values, dict):
            return _range(name, values)
        if isinstance(values, list):
            return _choice(name, values)
        return _value(name, values)
    except (click.ClickException, ValueError) as error:
        if isinstance(error, HawkletError):
            raise
        text = error.message if isinstance(error, click.ClickException) else str(error)
        raise UsageError(f"{name} in {path}: {text}") from error


def _value(name: str, value: Any) -> Value:
    """A value as the option's own type has it."""
    if not isinstance(value, (str, int, float, bool)):
        raise ValueError(f"a value must be a word or a number, got {value!r}; what is left out is as by default")
    option = SEARCHABLE[name]
    # As text: the type of a whole number would round 1.5 and say nothing.
    converted = option.type.convert(str(value), option, None)
    if option.callback is not None:
        converted = option.callback(click.Context(click.Command("space")), option, converted)
    if name == "model" and is_own(converted):
        raise ValueError(f"a file must not choose what code is imported, got {converted}; give --model {converted}")
    meant: Value = converted
    return meant


def _choice(name: str, values: list[Any]) -> Dimension | Value:
    converted = tuple(dict.fromkeys(_value(name, value) for value in values))
    if not converted:
        raise ValueError("a list must have values, got none")
    return Choice(converted) if len(converted) > 1 else converted[0]


def _range(name: str, values: dict[Any, Any]) -> Dimension | Value:
    odd = sorted(map(str, values.keys() - _KEYS))
    if odd or not {"low", "high"} <= values.keys():
        raise ValueError(f"a range is {{low: .., high: ..}} with log: true or step: .. where wanted, got {values}")
    low, high = _value(name, values["low"]), _value(name, values["high"])
    if isinstance(low, (str, bool)) or isinstance(high, (str, bool)):
        raise ValueError("only numbers have a range; give a list")
    log, step = values.get("log", False), values.get("step")
    _require_range(low, high, log, step)
    return low if low == high else Range(low, high, log, step)


def _require_range(low: float, high: float, log: Any, step: Any) -> None:
    if low > high:
        raise ValueError(f"low must not be above high, got {low:g} and {high:g}")
    if not isinstance(log, bool):
        raise ValueError(f"log must be true or false, got {log!r}")
    if log and low <= 0:
        raise ValueError(f"with log: true low must be above 0, got {low:g}")
    if log and step is not None:
        raise ValueError("log and step exclude each other; leave one out")
    if step is not None and (isinstance(step, bool) or not isinstance(step, (int, float)) or not 0 < step < math.inf):
        raise ValueError(f"step must be a number above 0, got {step!r}")
    if isinstance(low, int) and isinstance(step, float):
        raise ValueError(f"the step of whole numbers must be whole, got {step:g}")


def _required(dimensions: dict[str, Dimension], path: Path | None = None) -> dict[str, Dimension]:
    if not dimensions:
        where = "" if path is None else f" in {path}"
        raise UsageError(
            f"there must be an option to search, got none with two values{where}; name one in --space FILE"
        )
    return dimensions
