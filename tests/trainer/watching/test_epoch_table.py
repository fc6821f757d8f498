"""Epochs as rows: aligned, and as narrow as the terminal."""

from __future__ import annotations

import math

import pytest

from hawklet_trainer.training.terms import EpochRecord
from hawklet_trainer.watching.epoch_table import epoch_line, epoch_row, fitting, titles

RECORD = EpochRecord(7, "fine-tune", 2.4e-4, 0.4968, 0.3576, 91.43, 75.4, 97.25, 39.17)


def test_titles_stand_above_their_figures() -> None:
    above, below = titles(80).plain, epoch_row(RECORD, 80).plain
    assert above.split() == ["epoch", "loss", "train", "%", "val", "loss", "val", "%", "lr", "images/s", "time"]
    assert below.split() == ["7", "0.497", "97.2", "0.358", "91.4", "2.4e-04", "39.2", "1:15"]
    assert len(above) == len(below)


@pytest.mark.parametrize("width", [200, 80, 60, 50, 40])
def test_a_row_with_its_mark_fits_into_the_terminal(width: int) -> None:
    assert len(epoch_row(RECORD, width, kept=True).plain) <= width
    assert epoch_row(RECORD, width, kept=True).plain.endswith("kept")


def test_a_narrow_terminal_keeps_what_matters_most() -> None:
    assert [column.title for column in fitting(60)] == ["epoch", "loss", "train %", "val loss", "val %", "lr"]
    assert [column.title for column in fitting(1)] == ["epoch", "val %"]


def test_what_was_not_measured_is_empty_and_shifts_nothing() -> None:
    unknown = EpochRecord(7, "fine-tune", math.nan, math.nan, 0.3576, 91.43, 75.4)
    row, full = epoch_row(unknown, 80).plain, epoch_row(RECORD, 80).plain
    assert row.split() == ["7", "0.358", "91.4", "1:15"] and row.index("91.4") == full.index("91.4")


def test_a_line_says_what_its_figures_are() -> None:
    assert epoch_line(RECORD, kept=True) == (
        "epoch   7  loss 0.497  train  97.2 %  val loss 0.358  val  91.4 %  lr 2.4e-04  39.2 images/s   75.4 s  kept"
    )
    assert "train" not in epoch_line(EpochRecord(7, "fine-tune", 1e-4, 0.5, 0.4, 90.0, 1.0), kept=False)
