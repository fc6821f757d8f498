"""Telling the truth about a model file: what it computes in, what it holds, what will run slowly, what it claims."""

from __future__ import annotations

from hawklet.spec import ModelFormat
from hawklet_converter.inspect.facts import ModelFacts


def inspect_model(content: bytes, model_format: ModelFormat) -> ModelFacts:
    """Read a model file without running it; some tens of milliseconds.

    Args:
        content: The whole file.
        model_format: What it is.

    Raises:
        ModelError: it is no such file, or is damaged.
    """
    if model_format is ModelFormat.TFLITE:
        from hawklet_converter.inspect.read_tflite import read_tflite

        return read_tflite(content)
    from hawklet_converter.inspect.read_onnx import read_onnx

    return read_onnx(content)
