"""How a budget of time is dealt out."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawklet.errors import BudgetError
from hawklet_converter.kept_work import KeptWork
from hawklet_converter.pruning.spending import Spending


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    hand = Clock()
    monkeypatch.setattr("hawklet_converter.pruning.spending.time", hand)
    return hand


def _kept(folder: Path, resume: bool = False) -> KeptWork:
    return KeptWork(folder / "kept", "test/1", {}, resume=resume)


def test_what_quantizing_and_looking_leave_is_trained_in_equal_parts(tmp_path: Path, clock: Clock) -> None:
    notes: list[str] = []
    spending = Spending(3600.0, _kept(tmp_path), notes.append)
    clock.now += 60.0
    minutes = spending.minutes_each(networks=3, conversions=3, conversion_s=60.0)
    assert 3 * minutes * 60 < 3600 - 60 - 3 * 60
    assert 3 * minutes * 60 > 3600 / 2
    assert spending.left() == 3540.0
    assert notes == [spending.told]
    assert f"of 60 minutes (--budget), up to {minutes:.1f} train each of 3 networks" in spending.told


def test_a_resumed_training_gets_the_minutes_that_it_had(tmp_path: Path, clock: Clock) -> None:
    first = Spending(3600.0, _kept(tmp_path), lambda note: None).minutes_each(1, 1, 60.0)
    clock.now += 1800.0
    again = Spending(600.0, _kept(tmp_path, resume=True), lambda note: None)
    assert again.minutes_each(1, 1, 5.0) == first


def test_a_budget_that_leaves_no_time_to_train_is_refused_and_a_larger_one_may_go_on(
    tmp_path: Path, clock: Clock
) -> None:
    with pytest.raises(BudgetError, match=r"--budget.*each of 3 networks.*5 minutes do not.*--no-baselines"):
        Spending(300.0, _kept(tmp_path), lambda note: None).minutes_each(3, 3, 60.0)
    assert Spending(3600.0, _kept(tmp_path, resume=True), lambda note: None).minutes_each(3, 3, 60.0) > 1.0
