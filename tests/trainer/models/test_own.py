"""A network of the user's own, by ``module:function``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hawklet.errors import UsageError
from hawklet_trainer.models.blocks import blocks_of
from hawklet_trainer.models.head import head_of
from hawklet_trainer.models.registry import model_entry

SIDE = 64
OWN = """
from torch import nn

def build(classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))

def headless(classes):
    return nn.Conv2d(3, classes, 1)

def text(classes):
    return "network"

def broken(classes):
    raise ZeroDivisionError("oops")
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module of a user's own in the current folder."""
    (tmp_path / "own_network.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    yield "own_network"
    sys.modules.pop("own_network", None)


def test_a_users_own_function_gives_an_entry(own_module: str) -> None:
    entry = model_entry(f"{own_module}:build")
    net = entry.build(5, SIDE, SIDE)
    assert head_of(net, entry).out_features == 5 and entry.stem is None and entry.weights is None
    assert not any(Path(folder) == Path.cwd() for folder in sys.path)
    assert [block.name for block in blocks_of(net, entry)] == ["0", "4"]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("headless", "ends in an nn.Linear of 5 outputs, got no nn.Linear"),
        ("text", "must return an nn.Module, got str"),
        ("broken", "ZeroDivisionError: oops"),
        ("absent", "has none called absent"),
        ("a:b", "must be named as --model module:function"),
    ],
)
def test_a_function_that_gives_no_classifier_is_refused(own_module: str, function: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        model_entry(f"{own_module}:{function}").build(5, SIDE, SIDE)


def test_a_module_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--model no_such_module:build must name a module .* No module named"):
        model_entry("no_such_module:build")
