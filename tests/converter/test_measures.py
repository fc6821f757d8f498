"""Small measures: agreement, tensors told by their values."""

from __future__ import annotations

import numpy as np
import pytest

from hawklet_converter.collect_ranges import Fingerprint, fingerprint, join_fingerprints
from hawklet_converter.judge import judge
from hawklet_converter.match_tensors import match_tensors
from hawklet_converter.request import Row, layout_for
from hawklet_converter.table import conversion_table
from hawklet_converter.write_onnx import OnnxActivations


def test_logits_that_agree_diverge_by_nothing() -> None:
    logits = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    assert judge(logits, logits).divergence == pytest.approx(0, abs=1e-12)
    assert judge(logits, logits).agreement == 100
    assert judge(-logits, logits).divergence > 0.1


def _print(values: np.ndarray) -> Fingerprint:
    return join_fingerprints([{"t": fingerprint(values)}])["t"]


def test_a_tensor_is_recognised_in_another_layout_and_by_rounding_only() -> None:
    values = np.random.default_rng(0).normal(size=(1, 8, 5, 7)).astype(np.float32)
    others = {"a": _print(values), "b": _print(np.abs(values)), "c": _print(values * 1.05)}
    file = {"file_tensor": _print(values.transpose(0, 2, 3, 1) + 1e-6)}
    assert match_tensors(others, file) == {"file_tensor": "a"}


def test_a_tensor_that_holds_no_activation_is_matched_with_none() -> None:
    random = np.random.default_rng(0)
    known = {"a": _print(random.normal(size=100))}
    assert (
        match_tensors(known, {"other": _print(random.normal(size=100)), "longer": _print(random.normal(size=101))})
        == {}
    )


def test_the_table_shows_a_missing_test_split_as_a_dash() -> None:
    table = conversion_table([Row("int8-tflite", 3_960_000, 84.76, None, 98.6, 5.1)])
    assert table.splitlines()[1].split() == ["int8-tflite", "3.96", "84.8", "-", "98.6", "5.10"]


def test_boards_get_signed_activations_and_pcs_unsigned_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert layout_for("pi5").activations is OnnxActivations.INT8
    assert layout_for("x86").activations is OnnxActivations.UINT8
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert layout_for("host").activations is OnnxActivations.INT8
