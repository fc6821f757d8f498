"""Charts: safe, with round ticks, whatever is drawn."""

from __future__ import annotations

import pytest

from hawklet_trainer.evaluation.charts import training_curves
from hawklet_trainer.evaluation.line_chart import Axis, Line, line_chart, round_ticks
from hawklet_trainer.training.terms import EpochRecord


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0.00021, 0.00029, None),
        (88.2, 91.7, None),
    ],
)
def test_ticks_are_a_few_round_numbers_within_the_axis(low: float, high: float, ticks: list[float] | None) -> None:
    found = round_ticks(low, high)
    assert ticks is None or found == pytest.approx(ticks)
    assert 3 <= len(found) <= 7 and low <= min(found) and max(found) <= high
    assert all(len(f"{tick:g}") <= 8 for tick in found)


def test_names_of_lines_are_escaped() -> None:
    drawn = line_chart("t", Axis.over("x", [0, 1]), Axis.over("y", [0, 1]), [Line("<b>", [(0, 1)], "s0", "&")])
    assert "<b>" not in drawn.replace("<b>&amp;</b>", "") and "&lt;b&gt;" in drawn


def test_a_flat_line_has_room_of_its_own_size_and_nothing_is_below_zero_where_no_value_is() -> None:
    flat = Axis.over("ms", [0.02, 0.02])
    assert (flat.low, flat.high) == (pytest.approx(0.019), pytest.approx(0.021))
    assert Axis.over("ms", [0.0, 0.0]).low == 0.0
    assert Axis.over("loss", [0.01, 2.0]).low == 0.0
    assert Axis.over("loss", [-1.0, -1.0]).low == pytest.approx(-1.05)


def test_a_flat_line_and_none_at_all_are_drawn() -> None:
    flat = Line("flat", [(0, 5.0), (1, 5.0)], "s0")
    assert "polyline" in line_chart("t", Axis.over("x", [0, 1], whole=True), Axis.over("y", [5.0, 5.0]), [flat])
    assert "polyline" not in line_chart("t", Axis.over("x", []), Axis.over("y", []), [Line("none", [], "s0")])


def test_curves_show_train_and_val_and_leave_out_what_was_not_measured() -> None:
    nan = float("nan")
    records = [
        EpochRecord(0, "fine-tune", 0.0, nan, 1.0, 50, 1.0),
        EpochRecord(1, "fine-tune", 1e-3, 0.5, 0.6, 80, 9.0),
    ]
    titles = dict(training_curves(records, 1))
    assert list(titles) == ["Loss", "Accuracy, %", "Learning rate"]
    assert titles["Accuracy, %"].count("<polyline") == 1  # what training named rightly was not counted
    assert titles["Loss"].count("<polyline") == 2
    assert "Images per second" not in titles
    counted = [*records, EpochRecord(2, "fine-tune", 1e-3, 0.4, 0.5, 90, 9.0, 85.0)]
    assert dict(training_curves(counted, 1))["Accuracy, %"].count("<polyline") == 2


def test_a_head_that_was_trained_alone_has_no_curve_of_learning_rates() -> None:
    records = [EpochRecord(0, "head", 1e-3, 0.5, 0.6, 80, 1.0)]
    assert [title for title, _ in training_curves(records, 0)] == ["Loss", "Accuracy, %"]
    assert ">kept<" not in training_curves(records, 0)[0][1]  # there is nothing else


def test_every_curve_is_marked_at_the_epoch_that_is_kept() -> None:
    records = [EpochRecord(epoch, "fine-tune", 1e-3, 0.5, 0.6, 80, 9.0) for epoch in range(5)]
    drawings = [drawing for _, drawing in training_curves(records, 4)]
    assert all('<line class="diagonal" x1="448.0"' in drawing and ">kept</text>" in drawing for drawing in drawings)
