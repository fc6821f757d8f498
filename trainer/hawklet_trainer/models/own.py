"""A network of the user's own: ``module:function``, imported only where a user typed it."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from hawklet.errors import UsageError
from hawklet_trainer.models.entry import ModelEntry
from hawklet_trainer.models.families import IMAGENET_MEAN, IMAGENET_STD

_OWN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_own(name: str) -> bool:
    """Whether ``name`` means a user's own code (``module:function``), which is imported only where a user typed it."""
    return ":" in name


def own_entry(name: str) -> ModelEntry:
    """Make an entry of a user's own function; its module is imported, with the current folder importable.

    Raises:
        UsageError: there is no such function; or, when it is called, it gives no classifier.
    """
    function = _own_function(name)

    def build(classes: int, height: int, width: int) -> nn.Module:
        with _current_folder_importable():
            try:
                net = function(classes)
            except Exception as error:
                raise UsageError(f"--model {name} must build a network: {type(error).__name__}: {error}") from error
        _require_classifier(name, net, classes)
        return net

    return ModelEntry(name, build, 224, 0.875, IMAGENET_MEAN, IMAGENET_STD, None, "", None)


def _own_function(name: str) -> Callable[[int], nn.Module]:
    if not _OWN.fullmatch(name):
        raise UsageError(f"a network of your own must be named as --model module:function, got {name!r}")
    module_name, function_name = name.split(":")
    with _current_folder_importable():
        try:
            module = importlib.import_module(module_name)
        except Exception as error:
            raise UsageError(
                f"--model {name} must name a module that can be imported from {Path.cwd()}: "
                f"{type(error).__name__}: {error}"
            ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UsageError(f"--model {name} must name a function, but {module.__file__} has none called {function_name}")
    return function  # type: ignore[no-any-return]  # what it gives is checked when it is called


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    """As ``python -m`` has it; for as long as the user's code runs only."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _require_classifier(name: str, net: object, classes: int) -> None:
    if not isinstance(net, nn.Module):
        raise UsageError(f"--model {name} must return an nn.Module, got {type(net).__name__}")
    linears = [module for module in net.modules() if isinstance(module, nn.Linear)]
    if not linears or linears[-1].out_features != classes:
        got = f"one of {linears[-1].out_features} outputs" if linears else "no nn.Linear"
        raise UsageError(
            f"--model {name} must return a network that ends in an nn.Linear of {classes} outputs, got {got}"
        )
