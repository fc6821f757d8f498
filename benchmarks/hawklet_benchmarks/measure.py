"""Measure a classifier in several fresh processes, one after the other, with the conditions before and after."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hawklet import __version__
from hawklet.classifier import Classifier
from hawklet.engines import ENGINES, format_of
from hawklet.errors import ModelError, UsageError
from hawklet.images import read_image
from hawklet.safefiles import sha256_of
from hawklet.spec import ModelFormat
from hawklet_benchmarks.conditions import read_machine, read_moment
from hawklet_benchmarks.picture import default_jpeg, default_png
from hawklet_benchmarks.plain import record_from
from hawklet_benchmarks.result import SCHEMA, Executed, Model, Picture, Result, Run
from hawklet_benchmarks.trust import doubts

_WARMUP_SHARE = 0.5  # of a process's sampling time that warming up may take at most
_WARMUP_MIN_S = 1.0


@dataclass(frozen=True)
class Plan:
    """What to measure and how long."""

    model: Path
    """A bundle, or a bare ``.tflite`` / ``.onnx``."""
    variant: str | None = None
    """Bundles only; None = the one a plain open takes here."""
    labels: Path | None = None
    """Bare models only: a text file with one label a line."""
    normalize: str | None = None
    """Bare float-input models only: a key of :data:`hawklet.classifier.NORMALIZATIONS`."""
    threads: int | None = None
    """CPU threads; None = all, at most 4."""
    image: Path | None = None
    """Picture to classify; None = the one that :mod:`hawklet_benchmarks.picture` draws."""
    seconds: float = 10.0
    """Sampling time of all processes together."""
    rounds: int | None = None
    """Rounds of all processes together; takes the place of ``seconds``."""
    processes: int = 5
    """Fresh processes; each gives one cold start, and more of them show what differs between processes."""

    def __post_init__(self) -> None:
        if not 0.05 <= self.seconds <= 86_400:
            raise UsageError(f"--seconds must be 0.05..86400, got {self.seconds:g}")
        if not 1 <= self.processes <= 1000:
            raise UsageError(f"--processes must be 1..1000, got {self.processes}")
        if self.rounds is not None and not self.processes <= self.rounds <= 10_000_000:
            raise UsageError(
                f"--rounds must be at least --processes ({self.processes}), got {self.rounds}; lower --processes"
            )
        if self.threads is not None and not 1 <= self.threads <= 1024:
            raise UsageError(f"--threads must be 1..1024, got {self.threads}")


def measure(plan: Plan, progress: Callable[[int, int], None] | None = None) -> Result:
    """Measure.

    Args:
        plan: What, and how long.
        progress: Called with (processes done, processes in all).

    Raises:
        HawkletError: the model or picture cannot be opened, or a measuring process failed.
    """
    opened = _open_options(plan)
    classifier = Classifier.open(plan.model, **opened)
    if classifier.variant is not None:
        opened["variant"] = classifier.variant.name  # so that every process opens the same one
    encoded, picture = _picture(plan.image, classifier.spec.planes)
    model, engine = _describe(plan, classifier), _executed(classifier)
    can_invoke = _can_invoke(classifier)
    classifier.close()
    before = read_moment()
    runs = []
    with tempfile.TemporaryDirectory(prefix="hawklet-bench-") as folder:
        # The suffix stays: reading the file by its name is what makes HEIC readable in the process.
        picture_file = (Path(folder) / "picture").with_suffix(plan.image.suffix if plan.image else ".jpg")
        picture_file.write_bytes(encoded)
        seconds = plan.seconds / plan.processes
        request = {
            "model": str(plan.model),
            "open": opened,
            "engine_module": ENGINES[ModelFormat(model.format)].partition(":")[0],
            "picture": str(picture_file),
            "invoke": can_invoke,
            "seconds": seconds,
            "rounds": plan.rounds and plan.rounds // plan.processes,
            "warmup_s": max(_WARMUP_MIN_S, seconds * _WARMUP_SHARE),
        }
        for done in range(plan.processes):
            if progress:
                progress(done, plan.processes)
            runs.append(_run_process(request))
    if progress:
        progress(plan.processes, plan.processes)
    after = read_moment()
    result = Result(
        SCHEMA, after.time, __version__, model, engine, picture, read_machine(), before, after, tuple(runs), ()
    )
    return replace(result, warnings=doubts(result))


def _open_options(plan: Plan) -> dict[str, Any]:
    """Keyword arguments of :meth:`Classifier.open`, of JSON types, without those that are not given."""
    options = {
        "variant": plan.variant,
        "labels": str(plan.labels) if plan.labels else None,
        "normalize": plan.normalize,
        "threads": plan.threads,
    }
    return {name: value for name, value in options.items() if value is not None}


def _picture(image: Path | None, planes: int) -> tuple[bytes, Picture]:
    """The encoded picture and what to say of it."""
    if image is None:
        encoded, source = default_jpeg() if planes == 3 else default_png(), "generated"
    else:
        read_image(image, planes=planes)  # its errors name the file
        encoded, source = image.read_bytes(), image.name
    height, width = read_image(io.BytesIO(encoded)).shape[:2]
    return encoded, Picture(source, width, height, len(encoded), hashlib.sha256(encoded).hexdigest())


def _describe(plan: Plan, classifier: Classifier) -> Model:
    variant, info, spec = classifier.variant, classifier.engine_info, classifier.spec
    return Model(
        name=classifier.name,
        file=plan.model.resolve().name,
        sha256=variant.sha256 if variant else sha256_of(plan.model),
        bytes=variant.bytes if variant else plan.model.stat().st_size,
        format=(variant.format if variant else format_of(plan.model)).value,
        variant=variant.name if variant else None,
        precision=variant.precision.value if variant else None,
        accuracy=variant.accuracy if variant else None,
        float_ops=variant.float_ops if variant else (),
        input_dtype=info.input_dtype,
        input_shape=info.input_shape,
        classes=info.classes,
        fit=spec.fit.value,
        interpolation=spec.interpolation.value,
    )


def _executed(classifier: Classifier) -> Executed:
    info = classifier.engine_info
    return Executed(info.runtime, info.accelerator, info.threads)


def _can_invoke(classifier: Classifier) -> bool:
    try:
        classifier.engine.invoke()
    except ModelError:
        return False
    return True


def _run_process(request: dict[str, Any]) -> Run:
    """One fresh process from start to samples."""
    asked = json.dumps(request | {"spawned_ns": time.monotonic_ns()})
    process = subprocess.run(
        [sys.executable, "-m", "hawklet_benchmarks.worker"], input=asked, capture_output=True, text=True, check=False
    )
    # A runtime may print to stdout before; the answer is the last line.
    last_line = (process.stdout.splitlines() or [""])[-1]
    try:
        answer = json.loads(last_line)
    except ValueError as error:
        raise ModelError(f"the measuring process ended with {_ending(process)}") from error
    if "error" in answer:
        raise ModelError(str(answer["error"]))
    return record_from(Run, answer, "run")


def _ending(process: subprocess.CompletedProcess[str]) -> str:
    if process.returncode < 0:
        return f"signal {-process.returncode}; the model or its engine crashes on this machine"
    said = " ".join(process.stderr.split())
    return f"exit code {process.returncode}: {said[-300:] or 'it said nothing'}"
