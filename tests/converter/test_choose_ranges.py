"""Ranges out of distributions."""

from __future__ import annotations

import numpy as np
import pytest

from hawklet_converter.choose_ranges import METHODS, choose_ranges
from hawklet_converter.collect_ranges import Distribution
from hawklet_converter.plan import ActivationQuant


@pytest.fixture
def with_outliers() -> Distribution:
    """Half a bell of 200,000 values within about 4, and three values at 60."""
    values = np.abs(np.random.default_rng(0).normal(size=200_000)).astype(np.float32)
    values[:3] = 60
    return Distribution(0.0, 60.0, values)


def test_min_max_keeps_the_true_extremes(with_outliers: Distribution) -> None:
    assert METHODS["min-max"](with_outliers) == (0.0, 60.0)


def test_percentile_drops_the_rarest_values(with_outliers: Distribution) -> None:
    assert 3 < METHODS["percentile"](with_outliers)[1] < 5


def test_mse_gives_up_outliers_when_that_makes_the_whole_more_exact(with_outliers: Distribution) -> None:
    def error(low: float, high: float) -> float:
        grid = ActivationQuant.covering(low, high)
        steps = np.clip(np.round(with_outliers.samples / grid.scale) + grid.zero_point, -128, 127)
        return float((((steps - grid.zero_point) * grid.scale - with_outliers.samples) ** 2).mean())

    assert error(*METHODS["mse"](with_outliers)) <= error(*METHODS["min-max"](with_outliers))


def test_mse_keeps_a_flat_distribution_whole() -> None:
    flat = Distribution(-1.0, 1.0, np.linspace(-1, 1, 50_000, dtype=np.float32))
    low, high = METHODS["mse"](flat)
    assert low == pytest.approx(-1, abs=0.05)
    assert high == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_an_activation_that_is_always_zero_gets_a_grid(method: str) -> None:
    dead = Distribution(0.0, 0.0, np.zeros(10, dtype=np.float32))
    grids = choose_ranges({"dead": dead}, method, {})
    assert grids["dead"].scale > 0


def test_a_given_grid_is_taken_as_it_is(with_outliers: Distribution) -> None:
    pixels = ActivationQuant(1 / 64, -8)
    assert choose_ranges({"x": with_outliers}, "mse", {"x": pixels}) == {"x": pixels}
