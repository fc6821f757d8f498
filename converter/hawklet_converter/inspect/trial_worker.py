"""The process that :mod:`hawklet_converter.inspect.trial` starts: it tries one model and writes down what happened."""

from __future__ import annotations

import argparse
import dataclasses
import resource
from pathlib import Path

from hawklet import safefiles
from hawklet.engines import format_of
from hawklet.spec import ModelFormat
from hawklet_converter.inspect.trial import Trial

_MEMORY_LIMIT = 12 << 30
"""Bytes of address space: a file that asks for more is refused here, before the machine is brought down."""


def main() -> None:
    """``trial_worker MODEL ANSWER [--latency] [--beside=FOLDER]``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("answer", type=Path)
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--beside", type=Path)
    asked = parser.parse_args()
    _limit_memory()
    safefiles.write_json(asked.answer, dataclasses.asdict(_try(asked)))


def _try(asked: argparse.Namespace) -> Trial:
    content = asked.model.read_bytes()
    if format_of(asked.model) is ModelFormat.TFLITE:
        from hawklet_converter.inspect.try_tflite import try_tflite

        return try_tflite(content, latency=asked.latency)
    from hawklet_converter.inspect.try_onnx import try_onnx

    return try_onnx(content, latency=asked.latency, beside=asked.beside)


def _limit_memory() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY_LIMIT if most == resource.RLIM_INFINITY else min(_MEMORY_LIMIT, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))


if __name__ == "__main__":
    main()
