"""What a pruning's networks are held against: their files' times, and what was promised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hawklet.errors import BudgetError
from hawklet.spec import ModelFormat, Precision
from hawklet_converter.candidate import Candidate
from hawklet_converter.pruning.network import Network
from hawklet_converter.pruning.points import cuts_of, in_words, require_promise, tried_on
from hawklet_converter.pruning.sheet import PRUNED, UNPRUNED, Point
from hawklet_converter.request import Row
from hawklet_trainer.run import load_run


def _point(kind: str, variant: str, ms: float | None, **others: Any) -> Point:
    return Point(kind, kind, variant, ms, 90.0, None, 1000, 1000, 32, 1.0, "runs/it", 0.0, **others)


def test_a_cut_is_counted_from_the_unpruned_networks_file_of_the_same_variant() -> None:
    points = [
        _point(UNPRUNED, "int8-tflite", 2.0),
        _point(UNPRUNED, "float32-tflite", 4.0),
        _point(PRUNED, "int8-tflite", 1.2, chosen=True),
        _point(PRUNED, "float32-tflite", None, chosen=True),
        _point(PRUNED, "int8-onnx", 1.0, chosen=True),
    ]
    assert cuts_of(points) == {"int8-tflite": pytest.approx(0.4)}


def test_the_promise_is_about_the_int8_tflite_file_and_may_be_missed_by_two_points() -> None:
    require_promise({"int8-tflite": 0.381, "int8-onnx": 0.1}, 0.4)
    require_promise({"float32-tflite": 0.1}, 0.4)
    with pytest.raises(BudgetError, match=r"must cut 40% .* takes 37\.9 % less time than the unpruned one"):
        require_promise({"int8-tflite": 0.379}, 0.4)
    assert in_words(-0.05) == "5.0 % more time"


def test_every_other_attempt_on_the_chosen_network_is_a_row_with_files_of_its_own(tiny_run: Path) -> None:
    attempt = Candidate(
        recipe="int8-mixed",
        method="up to 1% in float",
        precision=Precision.INT8,
        files={ModelFormat.TFLITE: b"12", ModelFormat.ONNX: b"123"},
        plan=None,
        top1={ModelFormat.TFLITE: 91.0, ModelFormat.ONNX: 92.0},
        agreement={ModelFormat.TFLITE: 98.0, ModelFormat.ONNX: 99.0},
        divergence={},
        ms={},
        float_ms={},
        float_layers=(),
        float_macs_share=0.0,
        seconds=1.0,
    )
    first = Row("int8-tflite", 1, 90.0, 89.0, 97.0, 1.0)
    network, files = tried_on(Network(PRUNED, load_run(tiny_run), rows=(first,)), [attempt])
    assert network.rows[0] == first
    assert [(row.variant, row.val, row.bytes) for row in network.rows[1:]] == [
        ("int8-mixed: up to 1% in float-tflite", 91.0, 2),
        ("int8-mixed: up to 1% in float-onnx", 92.0, 3),
    ]
    assert set(files) == {row.variant for row in network.rows[1:]}
