"""`hawklet demo`, whole, as `make demo` runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hawklet.bundle import Bundle

pytestmark = pytest.mark.acceptance


def test_the_demo_keeps_its_promises(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hawklet", "demo", "--out", str(tmp_path / "demo")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=2400)
    print(result.stdout[-6000:], result.stderr[-3000:])
    assert result.returncode == 0

    (bundle_path,) = (tmp_path / "demo").glob("*.hawklet")
    accuracy = {variant.name: variant.accuracy for variant in Bundle.open(bundle_path).manifest.variants}
    floating = accuracy["float32-tflite"]
    assert floating is not None
    for variant in ("int8-tflite", "int8-onnx"):
        got = accuracy[variant]
        assert got is not None
        assert got >= 97.0, accuracy
        assert floating - got <= 1.0, accuracy

    summary = json.loads((tmp_path / "demo" / "live.jsonl").read_text().splitlines()[-1])["summary"]
    assert summary["shown"] >= 6
    assert summary["named_rightly"] >= 0.95 * summary["shown"], summary
    assert (tmp_path / "demo" / "report.html").stat().st_size > 10_000
