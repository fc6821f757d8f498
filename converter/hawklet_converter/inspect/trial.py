"""Trying a model in its runtime, in a process of its own: a file that makes the runtime crash or hang harms nobody."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hawklet.spec import ModelFormat
from hawklet_converter.inspect.facts import Arithmetic, LayerFacts

_SECONDS_TO_LOAD, _SECONDS_TO_MEASURE = 60, 240


@dataclass(frozen=True)
class MeasuredLayer:
    """One operation as the runtime executed it."""

    op: str
    """As the runtime calls it: ``QLinearConv`` where the file says ``Conv``."""
    name: str
    ms: float
    layer: int | None
    """Index of the file's own layer; None for what the runtime added."""
    measured_with: int | None = None
    """The layer that it is one with, and whose time is that of both."""


@dataclass(frozen=True)
class Latency:
    """Where the time of an inference goes, on one thread of this machine."""

    layers: tuple[MeasuredLayer, ...]
    """In order of execution."""
    total_ms: float
    """Of whole inferences, measured in turn with the layers."""
    method: str
    unmeasured: tuple[int, ...] = ()
    """Layers that could not be run alone."""

    @property
    def sum_ms(self) -> float:
        """Of the layers."""
        return sum(layer.ms for layer in self.layers)

    @property
    def discrepancy(self) -> float:
        """By what share of the total the layers' sum differs from it."""
        return self.sum_ms / self.total_ms - 1 if self.total_ms else 0.0


@dataclass(frozen=True)
class Trial:
    """What became of a model in its runtime."""

    runtime: str
    """Library and version."""
    runs: bool
    error: str = ""
    not_tried: str = ""
    """Why nothing is known of whether it runs, as "the file leaves open ..."."""
    delegate: str = ""
    """What takes operations over, as ``XNNPACK``; empty where nothing does."""
    partitions: int = 0
    """Pieces in which the delegate took the graph: 1 is best."""
    undelegated: tuple[int, ...] | None = None
    """Layers that the delegate left to the slower kernels of the runtime; None: not known."""
    executed: dict[str, int] = field(default_factory=dict)
    """What ONNX Runtime made of the graph: operation -> how often."""
    integer_layers: tuple[int, ...] | None = None
    """Layers that became integer kernels; None: not known."""
    float32_layers: tuple[int, ...] | None = None
    """Layers that ONNX Runtime was seen to compute in float32; None: not known."""
    latency: Latency | None = None


def is_widened(layer: LayerFacts, trial: Trial) -> bool:
    """Whether a layer that the file holds in float16 was computed in float32."""
    return layer.arithmetic is Arithmetic.FLOAT16 and layer.index in (trial.float32_layers or ())


def try_model(content: bytes, model_format: ModelFormat, *, latency: bool, beside: Path | None = None) -> Trial:
    """Load a model in its runtime, run it once, and measure its layers if asked to.

    Args:
        content: The whole file.
        model_format: Which runtime.
        latency: Whether to measure; some seconds.
        beside: Folder that the file lies in, where an .onnx one may keep weights; None for one out of a bundle.
    """
    with tempfile.TemporaryDirectory(prefix="hawklet-inspect-") as folder:
        model, answer = Path(folder) / f"model.{model_format.value}", Path(folder) / "answer.json"
        model.write_bytes(content)
        words = [sys.executable, "-m", "hawklet_converter.inspect.trial_worker", str(model), str(answer)]
        words += (["--latency"] if latency else []) + ([f"--beside={beside.absolute()}"] if beside else [])
        limit = _SECONDS_TO_MEASURE if latency else _SECONDS_TO_LOAD
        try:
            done = subprocess.run(words, capture_output=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            return Trial(_RUNTIMES[model_format], False, f"did not finish within {limit} s")
        if not answer.exists():
            return Trial(_RUNTIMES[model_format], False, _cause(done))
        return _from_json(json.loads(answer.read_text(encoding="utf-8")))


_RUNTIMES = {ModelFormat.TFLITE: "LiteRT", ModelFormat.ONNX: "ONNX Runtime"}


def _cause(done: subprocess.CompletedProcess[bytes]) -> str:
    """Why a worker died without an answer."""
    if done.returncode < 0:
        return f"crashed on this file ({signal.Signals(-done.returncode).name})"
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["without a word"]
    return f"failed: {last[0][:300]}"


def _from_json(data: dict[str, Any]) -> Trial:
    latency = data.pop("latency", None)
    for name in ("undelegated", "integer_layers", "float32_layers"):
        if data.get(name) is not None:
            data[name] = tuple(data[name])
    measured = None
    if latency:
        layers = tuple(MeasuredLayer(**layer) for layer in latency["layers"])
        measured = Latency(layers, latency["total_ms"], latency["method"], tuple(latency["unmeasured"]))
    return Trial(**data, latency=measured)
