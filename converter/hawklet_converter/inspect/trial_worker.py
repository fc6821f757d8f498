"""The process that :mod:`hawklet_converter.inspect.trial` starts: it tries one model and writes down what happened."""

from __future__ import annotations

import dataclasses
import resource
import sys
from pathlib import Path

from hawklet import safefiles
from hawklet.engines import format_of
from hawklet.spec import ModelFormat

_MEMORY_LIMIT = 12 << 30
"""Bytes of address space: a file that asks for more is refused here, before the machine is brought down."""


def main() -> None:
    """``trial_worker MODEL ANSWER [--latency]``."""
    model, answer, *options = sys.argv[1:]
    _limit_memory()
    if format_of(model) is ModelFormat.TFLITE:
        from hawklet_converter.inspect.try_tflite import try_tflite as try_it
    else:
        from hawklet_converter.inspect.try_onnx import try_onnx as try_it
    trial = try_it(Path(model).read_bytes(), latency="--latency" in options)
    safefiles.write_json(answer, dataclasses.asdict(trial))


def _limit_memory() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY_LIMIT if most == resource.RLIM_INFINITY else min(_MEMORY_LIMIT, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))


if __name__ == "__main__":
    main()
