"""Cutting single operations out of a ``.tflite`` model, each as a model of its own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hawklet_converter import tflite_file


def constant_makers(model: Any) -> dict[int, int]:
    """Operations that only unpack a constant (as DEQUANTIZE of float16 weights does), by the tensor they make."""
    graph = model.subgraphs[0]
    makers: dict[int, int] = {}
    for number, operator in enumerate(graph.operators):
        inputs = [int(n) for n in operator.inputs if n >= 0]
        if inputs and all(_is_constant(model, n) or n in makers for n in inputs):
            makers.update({int(n): number for n in operator.outputs})
    return makers


def _is_constant(model: Any, tensor: int) -> bool:
    return tflite_file.constant(model, model.subgraphs[0].tensors[tensor]) is not None


def cut_operator(model: Any, number: int, makers: dict[int, int]) -> bytes | None:
    """A model of one operation, with its weights.

    Args:
        model: A ``ModelT``; left as it is.
        number: Which operation.
        makers: What :func:`constant_makers` found: they come along, so that weights stay constants.

    Returns:
        The file; None for an operation that reads no activation, which no inference executes.
    """
    operator = model.subgraphs[0].operators[number]
    read = [int(n) for n in operator.inputs if n >= 0]
    activations = [n for n in dict.fromkeys(read) if n not in makers and not _is_constant(model, n)]
    if not activations:
        return None
    helpers = sorted({makers[n] for n in read if n in makers})
    return _model_of(model, [*helpers, number], activations, [int(n) for n in operator.outputs])


def _model_of(model: Any, numbers: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    source = model.subgraphs[0]
    operators = [copy.copy(source.operators[number]) for number in numbers]
    used = dict.fromkeys(int(n) for op in operators for n in (*op.inputs, *op.outputs) if n >= 0)
    place = {tensor: new for new, tensor in enumerate(used)}
    cut, graph = schema.ModelT(), schema.SubGraphT()
    cut.version, cut.description, cut.operatorCodes = model.version, b"", model.operatorCodes
    cut.buffers, graph.tensors = [schema.BufferT()], []
    for tensor in used:
        graph.tensors.append(_tensor_with_data(model, source.tensors[tensor], cut))
    for operator in operators:
        operator.inputs = [place.get(int(n), -1) for n in operator.inputs]
        operator.outputs = [place[int(n)] for n in operator.outputs]
    graph.operators = operators
    graph.inputs, graph.outputs = [place[n] for n in inputs], [place[n] for n in outputs]
    cut.subgraphs = [graph]
    return tflite_file.write_model(cut)


def _tensor_with_data(model: Any, tensor: Any, cut: Any) -> Any:
    """The tensor, pointing to a buffer of the new model."""
    from ai_edge_litert import schema_py_generated as schema

    moved, data = copy.copy(tensor), tflite_file.constant(model, tensor)
    moved.shapeSignature, moved.buffer = None, 0
    if data is not None:
        buffer = schema.BufferT()
        buffer.data = data
        moved.buffer = len(cut.buffers)
        cut.buffers.append(buffer)
    return moved
