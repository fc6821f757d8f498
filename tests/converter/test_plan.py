"""Grids and the plan."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawklet_converter.plan import ActivationQuant, QuantPlan

_reals = st.floats(-1e4, 1e4, allow_nan=False)


@given(_reals, _reals)
def test_a_grid_covers_its_range_and_holds_zero_exactly(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    grid = ActivationQuant.covering(low, high)
    assert -128 <= grid.zero_point <= 127
    assert grid.low <= min(low, 0) + grid.scale * 0.51
    assert grid.high >= max(high, 0) - grid.scale * 0.51


@given(_reals, _reals)
def test_a_grid_made_from_its_own_ends_is_itself(a: float, b: float) -> None:
    grid = ActivationQuant.covering(min(a, b), max(a, b))
    again = ActivationQuant.covering(grid.low, grid.high)
    assert again.zero_point == grid.zero_point
    assert again.scale == pytest.approx(grid.scale, rel=1e-6)


@given(st.floats(0.0, 1e-6))
def test_a_grid_of_an_activation_that_is_all_but_zero_can_count_a_relu6s_six_in_31_bits(high: float) -> None:
    assert 6.0 / ActivationQuant.covering(0.0, high).scale < 2**31 - 128


def test_a_plan_survives_json() -> None:
    plan = QuantPlan(
        "mse + bias correction",
        {"x": ActivationQuant(0.5, -12)},
        {"stem.0": (0.1, 0.2)},
        {"tflite": ("HARD_SWISH",)},
        ("add", "head"),
        per_channel=False,
    )
    assert QuantPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
