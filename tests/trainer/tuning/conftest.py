"""Optuna as hawklet has it: quiet."""

from __future__ import annotations

import pytest

from hawklet_trainer.tuning.storage import require_optuna


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Nothing is printed but by hawklet."""
    require_optuna()
