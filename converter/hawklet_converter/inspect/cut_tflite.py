"""Cutting single operations out of a ``.tflite`` model, each as a model of its own."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
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


def paddings(model: Any) -> dict[int, int]:
    """PADs that feed one convolution alone, each with that convolution: XNNPACK makes one operation of the two."""
    graph = model.subgraphs[0]
    readers: dict[int, list[int]] = defaultdict(list)
    for number, operator in enumerate(graph.operators):
        for tensor in operator.inputs:
            readers[int(tensor)].append(number)
    names = [tflite_file.operator_name(model, operator) for operator in graph.operators]
    found = {}
    for number, operator in enumerate(graph.operators):
        after = readers[int(operator.outputs[0])] if names[number] == "PAD" else []
        if len(after) == 1 and names[after[0]] in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            found[number] = after[0]
    return found


def cut_operators(model: Any, numbers: Sequence[int], makers: Mapping[int, int]) -> bytes | None:
    """A model of one operation, or of some that follow one another, with their weights.

    Args:
        model: A ``ModelT``; left as it is.
        numbers: Which operations, in order.
        makers: What :func:`constant_makers` found: they come along, so that weights stay constants.

    Returns:
        The file; None for operations that read no activation, which no inference executes.
    """
    operators = [model.subgraphs[0].operators[number] for number in numbers]
    inside = {int(n) for operator in operators for n in operator.outputs}
    read = dict.fromkeys(int(n) for operator in operators for n in operator.inputs if n >= 0 and int(n) not in inside)
    activations = [n for n in read if n not in makers and not _is_constant(model, n)]
    if not activations:
        return None
    unpacking = sorted({makers[n] for n in read if n in makers})
    return _model_of(model, [*unpacking, *numbers], activations, [int(n) for n in operators[-1].outputs])


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
    moved.name, moved.shapeSignature, moved.buffer = b"", None, 0
    if data is not None:
        buffer = schema.BufferT()
        buffer.data = data
        moved.buffer = len(cut.buffers)
        cut.buffers.append(buffer)
    return moved
