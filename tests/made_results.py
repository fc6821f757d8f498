"""Benchmark results made of given numbers, for tests of everything that reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hawklet_benchmarks.conditions import Machine, Moment
from hawklet_benchmarks.result import SCHEMA, Executed, Model, Picture, Result, Run, Start, Warmup
from hawklet_hardware.sensors import Throttle

QUIET = Moment(
    time="2026-01-01T00:00:00Z",
    temperatures_c={"cpu-thermal": 51.0},
    clocks_mhz={"policy0": 2400.0},
    governor="performance",
    throttle=Throttle((), (), "vcgencmd"),
    load_1min=0.1,
    pressure_cpu_percent=0.0,
    cpu_ticks=1000,
    steal_ticks=0,
)
PI5 = Machine(
    board="raspberry-pi-5",
    board_name="Raspberry Pi 5",
    soc="bcm2712",
    architecture="aarch64",
    cores=4,
    ram_mb=8000,
    virtual=False,
    os="Debian GNU/Linux 13 (trixie)",
    kernel="6.12",
    python="CPython 3.13.0",
    libraries={"numpy": "2.0.0"},
    affinity=(0, 1, 2, 3),
)


def made_result(
    infer_ms: float = 10.0, *, noise: float = 0.02, seed: int = 0, rounds: int = 60, **changes: Any
) -> Result:
    """A result whose infer stage takes ``infer_ms``, with relative ``noise``; ``changes`` replace fields of Result."""
    rng = np.random.default_rng(seed)
    runs = tuple(_run(rng, infer_ms, noise, rounds) for _ in range(5))
    model = Model(
        name="signs",
        file="signs.hawklet",
        sha256="a" * 64,
        bytes=2_500_000,
        format="tflite",
        variant="int8-tflite",
        precision="int8",
        accuracy=98.5,
        float_ops=(),
        input_dtype="uint8",
        input_shape=(224, 224, 3),
        classes=6,
        fit="crop",
        interpolation="reduce-bilinear",
    )
    made = Result(
        schema=SCHEMA,
        created="2026-01-01T00:00:10Z",
        hawklet_version="0.1.0",
        model=model,
        engine=Executed("ai-edge-litert 2.3.0", "XNNPACK (CPU)", 4),
        picture=Picture("generated", 640, 480, 60_000, "b" * 64),
        machine=PI5,
        before=QUIET,
        after=replace(QUIET, cpu_ticks=5000),
        runs=runs,
        warnings=(),
    )
    return replace(made, **changes)


def _run(rng: np.random.Generator, infer_ms: float, noise: float, rounds: int) -> Run:
    def times(ms: float) -> tuple[float, ...]:
        return tuple(float(v) for v in ms * np.exp(rng.normal(0, noise, rounds)))

    stages = {"decode": 3.0, "preprocess": 1.0, "infer": infer_ms, "postprocess": 0.05, "invoke": infer_ms * 0.97}
    return Run(
        start=Start(20.0, 300.0, 40.0, infer_ms * 1.5, 350.0),
        peak_rss_mb=80.0,
        warmup=Warmup(16, 0.3, True),
        wall_ms={stage: times(ms) for stage, ms in stages.items()},
        cpu_ms={stage: times(ms) for stage, ms in stages.items()},
    )
