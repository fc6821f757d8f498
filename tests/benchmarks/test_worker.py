from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hawklet_benchmarks.picture import HEIGHT, WIDTH, default_jpeg
from hawklet_benchmarks.worker import is_steady, peak_rss_mb


def asked(bundle: Path, picture: Path, **changes: Any) -> dict[str, Any]:
    request: dict[str, Any] = {
        "model": str(bundle),
        "open": {"variant": "float32-tflite", "threads": 1},
        "engine_module": "hawklet.engines.tflite",
        "picture": str(picture),
        "invoke": True,
        "seconds": 0.1,
        "rounds": 7,
        "warmup_s": 0.2,
        "spawned_ns": time.monotonic_ns(),
    }
    return request | changes


def run_worker(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    process = subprocess.run(
        [sys.executable, "-m", "hawklet_benchmarks.worker"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return process.returncode, json.loads(process.stdout.splitlines()[-1])


def test_a_process_times_its_start_and_every_stage_of_every_round(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(default_jpeg())
    code, answer = run_worker(asked(tiny_bundle, tmp_path / "picture"))
    assert code == 0
    assert set(answer["wall_ms"]) == {"decode", "preprocess", "infer", "postprocess", "invoke"}
    assert {len(times) for clock in ("wall_ms", "cpu_ms") for times in answer[clock].values()} == {7}
    assert all(answer["start"][part] > 0 for part in ("interpreter_ms", "import_ms", "load_ms", "first_ms", "cpu_ms"))
    assert answer["peak_rss_mb"] > 10
    assert answer["warmup"]["rounds"] >= 5


def test_without_a_bare_invoke_the_other_stages_are_measured(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(default_jpeg())
    code, answer = run_worker(asked(tiny_bundle, tmp_path / "picture", invoke=False, rounds=None))
    assert code == 0
    assert "invoke" not in answer["wall_ms"]
    assert len(answer["wall_ms"]["infer"]) >= 5


def test_a_model_that_fails_in_the_process_is_reported_in_words(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(default_jpeg())
    code, answer = run_worker(asked(tiny_bundle, tmp_path / "picture", open={"variant": "int4"}))
    assert code == 1
    assert "--variant int4" in answer["error"]


def test_memory_of_the_parent_is_not_counted(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(default_jpeg())
    ballast = bytearray(300_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])
    assert peak_rss_mb() > 280
    _, answer = run_worker(asked(tiny_bundle, tmp_path / "picture"))
    assert answer["peak_rss_mb"] < 250


def test_times_are_steady_when_two_windows_agree() -> None:
    assert not is_steady([100] * 15)
    assert is_steady([100] * 16)
    assert not is_steady([*([200] * 8), *([100] * 8)])
    assert is_steady([*([900] * 20), *([100] * 8), *([102] * 8)])


def test_the_default_picture_is_always_the_same_photo_sized_jpeg() -> None:
    assert default_jpeg() == default_jpeg()
    assert default_jpeg()[:2] == b"\xff\xd8"
    assert (WIDTH, HEIGHT) == (640, 480)
    assert 30_000 < len(default_jpeg()) < 300_000
