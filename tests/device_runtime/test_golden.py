from __future__ import annotations

from pathlib import Path

import pytest

import tiny_models
from hawklet.bundle import Bundle, Golden, write_bundle
from hawklet.errors import BundleError, SelfTestError
from hawklet.golden import replay, require


@pytest.mark.parametrize("variant", [None, "float32-tflite", "float32-onnx"])
def test_a_sound_bundle_replays_within_its_tolerance(tiny_bundle: Path, variant: str | None) -> None:
    report = replay(Bundle.open(tiny_bundle), variant)
    require(report)
    assert report.passed
    assert report.frames == 3


@pytest.mark.parametrize(("rows", "words"), [(0, "holds none"), (1, r"shape \[1, 3\], got \[3, 3\]")])
def test_golden_frames_that_prove_nothing_are_refused(tmp_path: Path, rows: int, words: str) -> None:
    bundle = Bundle.open(tiny_models.write_colour_bundle(tmp_path / "whole.hawklet"))
    golden = bundle.golden()
    with pytest.raises(BundleError, match=words):
        write_bundle(tmp_path / "x.hawklet", bundle.manifest, {}, Golden(golden.inputs[:rows], golden.outputs), "")


def test_outputs_that_differ_are_refused(tmp_path: Path) -> None:
    bundle = Bundle.open(tiny_models.write_colour_bundle(tmp_path / "wrong.hawklet", golden_shift=0.5))
    report = replay(bundle)
    assert not report.passed
    assert report.largest_difference == pytest.approx(0.5, abs=1e-3)
    with pytest.raises(SelfTestError, match="do not use it"):
        require(report)
