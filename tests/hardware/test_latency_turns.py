"""Candidates in turns on this machine: what is measured, and what a candidate that misbehaves does to the others."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from hawklet.errors import FlashError, UsageError
from hawklet.spec import ModelFormat, Pixels
from hawklet_hardware.latency import turns
from hawklet_hardware.latency.onboard import report_of
from hawklet_hardware.latency.results import (
    Candidates,
    Conditions,
    Latency,
    Measurement,
    check_request,
    contents_by_digest,
    measurement_from,
)
from hawklet_hardware.latency.turns import Request, Turns
from hawklet_hardware.sensors import Sensors, Throttle

PICTURE = np.zeros((tiny_models.SIDE, tiny_models.SIDE, 3), dtype=np.uint8)
TFLITE, ONNX = ModelFormat.TFLITE, ModelFormat.ONNX

# A worker whose engine does what the end of a model file says: no model of an honest writer crashes on purpose.
_MISBEHAVING = """
import os, signal, sys, time
from pathlib import Path
import hawklet_hardware.latency.worker as worker

opened, calls = [], {}
real = worker.open_engine

def open_engine(file, *arguments, **options):
    content = Path(file).read_bytes()
    opened.append(file)
    if content.endswith(b"DIES"):
        print("free(): invalid pointer", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    if content.endswith(b"CROWDED") and len(opened) > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if content.endswith(b"HANGS"):
        time.sleep(60)
    if content.endswith(b"NEITHER LATER") and len(opened) == 1:
        raise worker.HawkletError("no room for it")
    engine = real(file, *arguments, **options)
    print("Hello from an engine's C++ side", flush=True)
    if content.endswith(b"LATER"):
        infer = engine.infer
        def dies_later(pixels):
            calls[file] = calls.get(file, 0) + 1
            if calls[file] > 100:
                os.kill(os.getpid(), signal.SIGABRT)
            return infer(pixels)
        engine.infer = dies_later
    return engine

worker.open_engine = open_engine
worker.main()
"""


@pytest.fixture
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_WORKER", (sys.executable, "-c", _MISBEHAVING))


def pair() -> dict[str, tuple[ModelFormat, bytes]]:
    return {"plain tflite": (TFLITE, tiny_models.colour_tflite()), "plain onnx": (ONNX, tiny_models.colour_onnx())}


def measure_here(candidates: Candidates, picture: Pixels, *, threads: int = 1, rounds: int = 30) -> Measurement:
    contents, files, digest = contents_by_digest(candidates, picture)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in contents.items():
            (folder / file).write_bytes(content)
        placed = {name: (model_format, str(folder / file)) for name, (model_format, file) in files.items()}
        height, width, channels = picture.shape
        request = Request(placed, str(folder / digest), (height, width, channels), threads, rounds)
        report = report_of(Turns(folder, request, lambda done, rounds: None))
    return measurement_from(report, board="this machine", profile=None, threads=threads)


def measured(candidates: Candidates, **options: int) -> tuple[dict[str, Latency], dict[str, str]]:
    found = measure_here(candidates, PICTURE, **{"rounds": 4, **options})
    return dict(found.latencies), dict(found.refused)


def test_every_candidate_is_measured_once_a_round_and_its_engine_is_named() -> None:
    found = measure_here(pair(), PICTURE, rounds=5)
    assert set(found.latencies) == {"plain tflite", "plain onnx"} and found.refused == {}
    for latency in found.latencies.values():
        assert latency.rounds == len(latency.wall_ms) == 5 and latency.in_turns
        low, high = latency.wall_quartiles_ms
        assert 0 < min(latency.wall_ms) <= low <= latency.median_wall_ms <= high <= max(latency.wall_ms)
        low, high = latency.cpu_quartiles_ms
        assert low <= latency.median_cpu_ms <= high
    assert found.latencies["plain tflite"].accelerator == "XNNPACK (CPU)"
    assert found.latencies["plain onnx"].runtime.startswith("onnxruntime ")
    assert set(found.conditions.engines) == {"tflite", "onnx"} and found.conditions.threads == 1
    assert 0 <= found.conditions.others_percent <= 100


def test_several_threads_are_given_to_the_engine() -> None:
    latencies, refused = measured(pair(), threads=2)
    assert len(latencies) == 2 and refused == {}


def test_a_candidate_that_the_engine_refuses_is_told_in_the_engines_words_and_the_others_go_on() -> None:
    broken = (TFLITE, b"\0\0\0\0TFL3" + bytes(64))
    latencies, refused = measured({"broken": broken, **pair(), "text": (ONNX, b"no model at all")})
    assert set(latencies) == {"plain tflite", "plain onnx"}
    assert "ai-edge-litert" in refused["broken"] and "refuses this model" in refused["broken"]
    assert "onnxruntime" in refused["text"]


def test_a_picture_of_another_shape_is_refused_by_every_model() -> None:
    found = measure_here(pair(), np.zeros((8, 8, 3), dtype=np.uint8), rounds=2)
    assert not found.latencies and "[16, 16, 3]" in found.refused["plain tflite"]


def test_a_candidate_that_crashes_while_it_loads_takes_no_other_number_with_it(misbehaving: None) -> None:
    candidates = {"crash": (TFLITE, tiny_models.colour_tflite() + b"DIES"), **pair()}
    latencies, refused = measured(candidates)
    assert set(latencies) == {"plain tflite", "plain onnx"} and all(found.rounds == 4 for found in latencies.values())
    assert refused == {"crash": "it crashes the interpreter there (SIGSEGV): free(): invalid pointer"}


def test_a_candidate_that_crashes_in_a_later_round_takes_no_other_number_with_it(misbehaving: None) -> None:
    later = (TFLITE, tiny_models.colour_tflite() + b"LATER")
    latencies, refused = measured({"a": later, **pair(), "z": later}, rounds=3)
    assert set(latencies) == {"plain tflite", "plain onnx"} and all(found.rounds == 3 for found in latencies.values())
    assert set(refused) == {"a", "z"} and "SIGABRT" in refused["a"]


def test_a_candidate_without_room_beside_the_others_is_measured_alone(misbehaving: None) -> None:
    crowded = (TFLITE, tiny_models.colour_tflite() + b"CROWDED")
    latencies, refused = measured({**pair(), "crowded": crowded})
    assert refused == {}
    assert {name: (found.in_turns, found.rounds) for name, found in latencies.items()} == {
        "plain tflite": (True, 4),
        "plain onnx": (True, 4),
        "crowded": (False, 4),
    }


def test_a_candidate_that_dies_in_turns_and_is_refused_alone_has_no_times(misbehaving: None) -> None:
    neither = (TFLITE, tiny_models.colour_tflite() + b"NEITHER LATER")
    latencies, refused = measured({**pair(), "neither": neither}, rounds=3)
    assert set(latencies) == {"plain tflite", "plain onnx"}
    assert refused == {"neither": "no room for it"}


def test_a_candidate_that_hangs_is_ended_and_not_tried_again(
    misbehaving: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_LOAD_LIMIT_S", 2.0)
    latencies, refused = measured({"hangs": (ONNX, tiny_models.colour_onnx() + b"HANGS"), **pair()}, rounds=2)
    assert set(latencies) == {"plain tflite", "plain onnx"}
    assert refused == {"hangs": "it did not end within 4 s there"}


def test_a_process_that_cannot_start_is_told_for_every_candidate_that_it_was_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        "import json, sys, hawklet_hardware.latency.worker as w; load = w._load\n"
        "def only_onnx(request, *rest):\n"
        "    if request['format'] == 'tflite': sys.exit('Illegal instruction')\n"
        "    return load(request, *rest)\n"
        "w._load = only_onnx; w.main()"
    )
    monkeypatch.setattr(turns, "_WORKER", (sys.executable, "-c", code))
    latencies, refused = measured({**pair(), "another": pair()["plain tflite"]})
    assert set(latencies) == {"plain onnx"}
    assert set(refused) == {"plain tflite", "another"}
    assert refused["another"] == "it ended the interpreter there with status 1: Illegal instruction"


def test_nothing_remains_in_the_temporary_folder_or_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    measured(pair(), rounds=2)
    assert list(temporary.iterdir()) == [] and list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"candidates": {}}, "at least one candidate"),
        ({"picture": PICTURE.astype(np.float32)}, r"must be uint8 \[H, W, C\], got float32"),
        ({"picture": PICTURE[0]}, r"got uint8 \[16, 3\]"),
        ({"rounds": 1}, "rounds 2"),
        ({"threads": 0}, "threads must be 1"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(change: dict[str, object], message: str) -> None:
    request = {"candidates": pair(), "picture": PICTURE, "threads": 1, "rounds": 2, **change}
    with pytest.raises(UsageError, match=message):
        check_request(**request)  # type: ignore[arg-type] # wrong on purpose


def conditions(**changes: object) -> Conditions:
    cool = Sensors({"cpu": 50.0}, {}, "ondemand", Throttle((), (), "vcgencmd"))
    fields = {
        "board": "Raspberry Pi 5, Linux, aarch64",
        "profile": "raspberry-pi-5",
        "python": "CPython 3.13.1",
        "engines": {"tflite": "ai-edge-litert 2.3.0"},
        "threads": 4,
        "before": cool,
        "after": cool,
        "others_percent": 0.5,
    }
    return Conditions(**{**fields, **changes})  # type: ignore[arg-type] # the test names the fields


def test_a_quiet_cool_board_gives_no_warning_and_its_conditions_fit_on_a_line() -> None:
    assert list(conditions().warnings()) == []
    assert str(conditions()) == (
        "Raspberry Pi 5, Linux, aarch64; ai-edge-litert 2.3.0; 4 threads; governor ondemand; 50 to 50 degrees Celsius; "
        "throttled: no"
    )


def test_what_slows_a_board_is_said_with_what_to_do() -> None:
    hot = Sensors({"cpu": 85.0}, {}, "ondemand", Throttle(("throttled",), ("throttled", "under-voltage"), "vcgencmd"))
    (held_back,) = conditions(after=hot).warnings()
    assert "held back (throttled, under-voltage); cool it" in held_back
    (service,) = conditions(services=("user",), others_percent=60.0).warnings()
    assert "hawklet.service (user) runs" in service and "systemctl --user stop hawklet" in service
    (busy,) = conditions(others_percent=30.0).warnings()
    assert "used 30 % of the processor" in busy


def test_what_slowed_a_board_before_the_measurement_is_no_doubt_about_it() -> None:
    once = Sensors({}, {}, "", Throttle((), ("under-voltage",), "vcgencmd"))
    assert conditions(before=once, after=once).throttled == ()


def test_a_report_that_is_none_is_our_error() -> None:
    with pytest.raises(FlashError, match="must report times and conditions"):
        measurement_from({"latencies": {}}, board="", profile=None, threads=1)
