"""The networks of the pruned one's latency that nobody had to prune."""

from __future__ import annotations

import pytest

from hawklet.spec import PreprocessSpec
from hawklet_converter.pruning.baselines import narrower, smaller_input, with_height
from hawklet_converter.pruning.sheet import NARROWER, SMALLER_INPUT
from hawklet_trainer.models.architecture import Architecture

SPEC = PreprocessSpec(224, 224)
MOBILE = Architecture("mobilenet_v2")


class Clock:
    """Time goes with the area and with a power of the width; counts what it timed."""

    def __init__(self, base: float = 8.0, power: float = 1.4) -> None:
        self.base, self.power, self.timed = base, power, 0

    def __call__(self, architecture: Architecture, spec: PreprocessSpec) -> float:
        self.timed += 1
        return self.base * (spec.height * spec.width / 224**2) * architecture.width**self.power


_NEAR = 1.05
"""A baseline may be slower than the pruned network by this."""


@pytest.mark.parametrize("share", [0.85, 0.6, 0.35])
def test_the_largest_input_that_takes_no_longer_is_found_in_few_tries(share: float) -> None:
    clock = Clock()
    found = smaller_input(MOBILE, SPEC, 8.0 * share, 8.0, clock)
    assert clock.timed <= 5
    assert found is not None
    assert (found.kind, found.architecture) == (SMALLER_INPUT, MOBILE)
    assert found.spec.height == found.spec.width < 224
    assert found.spec.height % 8 == 0
    larger = clock(MOBILE, with_height(SPEC, found.spec.height + 8))
    assert found.ms <= _NEAR * 8.0 * share < larger
    assert found.suffix == f"{found.spec.height}px"


@pytest.mark.parametrize("share", [0.85, 0.6, 0.35])
def test_the_largest_width_that_takes_no_longer_is_found_in_few_tries(share: float) -> None:
    clock = Clock()
    found = narrower(MOBILE, SPEC, 8.0 * share, 8.0, clock)
    assert clock.timed <= 5
    assert found is not None
    assert (found.kind, found.spec) == (NARROWER, SPEC)
    width = found.architecture.width
    wider = clock(Architecture("mobilenet_v2", width + 0.05), SPEC)
    assert found.ms <= _NEAR * 8.0 * share < wider
    assert found.suffix == f"width{width:.2f}"


def test_a_wrong_guess_is_walked_away_from() -> None:
    found = narrower(MOBILE, SPEC, 4.0, 8.0, Clock(power=2.0))
    assert found is not None
    assert found.architecture.width == pytest.approx(0.7)


def test_pictures_that_are_not_square_keep_their_shape() -> None:
    found = smaller_input(MOBILE, PreprocessSpec(192, 256), 4.0, 8.0, Clock())
    assert found is not None
    assert found.spec.width / found.spec.height == pytest.approx(256 / 192, rel=0.05)
    assert found.spec.width % 8 == 0


def test_a_network_has_no_smaller_input_than_its_least() -> None:
    found = smaller_input(Architecture("inception_v3"), PreprocessSpec(96, 96), 0.01, 8.0, Clock())
    assert found is not None
    assert found.spec.height == 80, "it needs 75 pixels"
    assert smaller_input(Architecture("inception_v3"), PreprocessSpec(80, 80), 0.01, 8.0, Clock()) is None


def test_families_without_a_width_multiplier_and_pruned_networks_have_no_narrower_one() -> None:
    assert narrower(Architecture("resnet18"), SPEC, 4.0, 8.0, Clock()) is None
    pruned = Architecture("mobilenet_v2", channels={"features.18.0": (320, 640)})
    assert narrower(pruned, SPEC, 4.0, 8.0, Clock()) is None
