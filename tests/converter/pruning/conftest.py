"""A tiny network, what can be pruned of it, and pictures to judge it on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hawklet_converter.pruning.importance import Examples
from hawklet_converter.pruning.least_squares import Moments, gather_moments
from hawklet_converter.pruning.structure import Structure, find_structure
from hawklet_trainer.data import load_pixels
from hawklet_trainer.run import load_run
from hawklet_trainer.training.inputs import as_input
from tiny_networks import SPEC, TinyNet

# Networks this small gain nothing from a second thread, and lose much to it where another process keeps a core busy.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def net(tiny_run: Path) -> TinyNet:
    """Trained; no test changes it."""
    built = load_run(tiny_run).build()
    assert isinstance(built, TinyNet)
    return built


@pytest.fixture(scope="session")
def structure(net: TinyNet) -> Structure:
    """Of the tiny network: ``project.0`` (with the stem, 16 channels), ``block.2.0`` and ``down.0.0`` (32 each)."""
    return find_structure(net, SPEC)


@pytest.fixture(scope="session")
def examples(tiny_run: Path) -> Examples:
    """48 training pictures in mixed order."""
    run = load_run(tiny_run)
    train = run.photos().items("train")
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:48]
    pixels, truth = load_pixels([train[i] for i in order], run.spec)
    return Examples(as_input(pixels, run.pixel_zero_point, run.pixel_scale), torch.from_numpy(truth))


@pytest.fixture(scope="session")
def moments(net: TinyNet, structure: Structure, examples: Examples) -> dict[str, Moments]:
    """Of what the tiny network's layers read of the pictures."""
    return gather_moments(net, structure, examples.inputs)
