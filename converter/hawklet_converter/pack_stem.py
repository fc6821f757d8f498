"""Let the first int8 convolution of a ``.tflite`` see two or four neighbouring pixels as the channels of one.

XNNPACK's integer convolutions fill the channels of each tap up to the width of their kernels, which a picture's three
leave idle, most of all where the processor multiplies whole tiles. ``[1, H, W, 3]`` lies in memory as
``[1, H, W/4, 12]`` does; with two neighbouring output columns as twice the channels, the same sums come out sooner,
bit for bit, and a RESHAPE brings them back into their order (docs/decisions/0023-packed-stem.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet_converter import tflite_file

_STRIDE = 2
_MOST_CHANNELS = 3
"""More fill the lanes by themselves."""


@dataclass(frozen=True)
class _Stem:
    """The first convolution of a graph, as it is."""

    source: int
    """Tensor of the picture, ``int8 [1, H, W, C]``."""
    pad: Any
    """The PAD before it; None: it pads by itself, or not at all."""
    conv: Any
    rows: tuple[int, int]
    """Padding above and below."""
    columns: tuple[int, int]
    """Padding left and right."""


def pack_stem(model: Any, pixels: int) -> bool:
    """Pack the first convolution, if it is one of stride 2 on a picture whose width is a multiple of ``pixels``.

    Args:
        model: A ``ModelT`` with int8 activations; changed in place.
        pixels: How many neighbours become channels of one: 2, or 4, which make two output columns channels of one.

    Returns:
        Whether anything was changed.
    """
    stem = _find_stem(model, pixels)
    if stem is None:
        return False
    graph = model.subgraphs[0]
    _, height, width, channels = (int(side) for side in graph.tensors[stem.source].shape)
    kernel = _constant(model, int(stem.conv.inputs[1]), np.int8)
    first = -(-stem.columns[0] // pixels)
    last = (pixels - _STRIDE - stem.columns[0] + kernel.shape[2] - 1) // pixels
    packed = _reshape(model, stem.source, (1, height, width // pixels, pixels * channels))
    before = [packed]
    source = int(packed.outputs[0])
    if any(stem.rows) or first or last:
        before.append(_pad(model, source, (stem.rows, (first, last))))
        source = int(before[-1].outputs[0])
    place = graph.operators.index(stem.conv)
    after = _pack_conv(model, stem, source, _pack_kernel(kernel, stem.columns[0], first, last, pixels))
    graph.operators[place : place + 1] = [*before, *after]
    if stem.pad is not None:
        graph.operators.remove(stem.pad)
    return True


def _find_stem(model: Any, pixels: int) -> _Stem | None:
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    named = [(tflite_file.operator_name(model, operator), operator) for operator in graph.operators]
    conv = next((operator for name, operator in named if name == "CONV_2D"), None)
    if conv is None or not _fits(model, conv):
        return None
    source = int(conv.inputs[0])
    pad = next((operator for name, operator in named if name == "PAD" and int(operator.outputs[0]) == source), None)
    if pad is not None:
        if conv.builtinOptions.padding != schema.Padding.VALID:
            return None  # it pads twice
        source = int(pad.inputs[0])
    if not _is_picture(graph, source, pixels) or _users(graph, int(conv.inputs[0])) != 1:
        return None
    rows, columns = _padding(model, conv, pad, graph.tensors[source].shape)
    width, channels = (int(side) for side in graph.tensors[source].shape[2:])
    kernel, seen = (int(side) for side in graph.tensors[int(conv.inputs[1])].shape[2:])
    if seen != channels:  # grouped, or its PAD adds channels
        return None
    if (width + sum(columns) - kernel) // _STRIDE + 1 != width // _STRIDE:
        return None
    return _Stem(source, pad, conv, rows, columns)


def _fits(model: Any, conv: Any) -> bool:
    """Whether a convolution is of the kind that is packed: stride 2, whole, integer weights."""
    from ai_edge_litert import schema_py_generated as schema

    if len(conv.inputs) < 3 or int(conv.inputs[2]) < 0:  # no bias
        return False
    options, tensors = conv.builtinOptions, model.subgraphs[0].tensors
    weights, bias = (tensors[int(index)] for index in conv.inputs[1:3])
    steps = (options.strideH, options.strideW, options.dilationHFactor, options.dilationWFactor)
    kinds = (weights.type, bias.type)
    return steps == (_STRIDE, _STRIDE, 1, 1) and kinds == (schema.TensorType.INT8, schema.TensorType.INT32)


def _is_picture(graph: Any, index: int, pixels: int) -> bool:
    from ai_edge_litert import schema_py_generated as schema

    tensor = graph.tensors[index]
    return (
        tensor.type == schema.TensorType.INT8
        and len(tensor.shape) == 4
        and int(tensor.shape[3]) <= _MOST_CHANNELS
        and int(tensor.shape[2]) % pixels == 0
    )


def _users(graph: Any, index: int) -> int:
    return sum(index in map(int, operator.inputs) for operator in graph.operators)


def _padding(model: Any, conv: Any, pad: Any, shape: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Padding of rows and of columns, as the PAD says or TensorFlow's "SAME" means."""
    from ai_edge_litert import schema_py_generated as schema

    if pad is not None:
        amounts = _constant(model, int(pad.inputs[1]), None)
        return (int(amounts[1][0]), int(amounts[1][1])), (int(amounts[2][0]), int(amounts[2][1]))
    if conv.builtinOptions.padding == schema.Padding.VALID:
        return (0, 0), (0, 0)
    kernel = model.subgraphs[0].tensors[int(conv.inputs[1])].shape
    return _same(int(shape[1]), int(kernel[1])), _same(int(shape[2]), int(kernel[2]))


def _same(side: int, kernel: int) -> tuple[int, int]:
    needed = max((-(-side // _STRIDE) - 1) * _STRIDE + kernel - side, 0)
    return needed // 2, needed - needed // 2


def _pack_kernel(kernel: npt.NDArray[np.int8], left: int, first: int, last: int, pixels: int) -> npt.NDArray[np.int8]:
    """``[O, h, w, C]`` -> ``[columns x O, h, groups, pixels x C]``, zero where an output column does not look."""
    outputs, rows, width, channels = kernel.shape
    groups = first + last + 1
    columns = pixels // _STRIDE
    packed = np.zeros((columns, outputs, rows, groups * pixels, channels), dtype=np.int8)
    for column in range(columns):
        start = _STRIDE * column - left + first * pixels
        packed[column, :, :, start : start + width] = kernel
    return packed.reshape(columns * outputs, rows, groups, pixels * channels)


def _pack_conv(model: Any, stem: _Stem, source: int, kernel: npt.NDArray[np.int8]) -> list[Any]:
    """Give the convolution its packed kernel; returns it, and the RESHAPE that its columns need."""
    from ai_edge_litert import schema_py_generated as schema

    graph, conv = model.subgraphs[0], stem.conv
    result = int(conv.outputs[0])
    _, height, width, channels = (int(side) for side in graph.tensors[result].shape)
    columns = len(kernel) // channels
    weights = _add_constant(model, int(conv.inputs[1]), kernel, columns)
    bias = np.tile(_constant(model, int(conv.inputs[2]), np.int32), columns)
    conv.inputs = [source, weights, _add_constant(model, int(conv.inputs[2]), bias, columns)]
    conv.builtinOptions.strideW = 1
    conv.builtinOptions.padding = schema.Padding.VALID
    if columns == 1:
        return [conv]
    conv.outputs = [_add_like(graph, result, b"packed", (1, height, width // columns, columns * channels))]
    after = _reshape(model, int(conv.outputs[0]), (1, height, width, channels), result)
    return [conv, after]


def _reshape(model: Any, source: int, shape: tuple[int, ...], target: int | None = None) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    operator = schema.OperatorT()
    operator.opcodeIndex = tflite_file.opcode(model, schema.BuiltinOperator.RESHAPE, version=1)
    operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    operator.builtinOptions = schema.ReshapeOptionsT()
    operator.builtinOptions.newShape = np.array(shape, dtype=np.int32)
    operator.inputs = [source, _add_numbers(model, np.array(shape, dtype=np.int32))]
    graph = model.subgraphs[0]
    operator.outputs = [_add_like(graph, source, b"neighbours_as_channels", shape) if target is None else target]
    return operator


def _pad(model: Any, source: int, amounts: tuple[tuple[int, int], tuple[int, int]]) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    shape = [int(side) for side in graph.tensors[source].shape]
    padded = (1, shape[1] + sum(amounts[0]), shape[2] + sum(amounts[1]), shape[3])
    operator = schema.OperatorT()
    operator.opcodeIndex = tflite_file.opcode(model, schema.BuiltinOperator.PAD, version=2)
    operator.builtinOptionsType = schema.BuiltinOptions.PadOptions
    operator.builtinOptions = schema.PadOptionsT()
    operator.inputs = [source, _add_numbers(model, np.array([(0, 0), *amounts, (0, 0)], dtype=np.int32))]
    operator.outputs = [_add_like(graph, source, b"padded_neighbours", padded)]
    return operator


def _constant(model: Any, index: int, kind: Any) -> npt.NDArray[Any]:
    """A constant tensor in its shape; None as the kind: 32- or 64-bit integers, as the tensor says."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = model.subgraphs[0].tensors[index]
    data = tflite_file.constant(model, tensor)
    assert data is not None, "weights, biases and paddings are constants"  # noqa: S101 -- narrows the type
    if kind is None:
        kind = np.int64 if tensor.type == schema.TensorType.INT64 else np.int32
    values: npt.NDArray[Any] = data.view(kind).reshape([int(side) for side in tensor.shape])
    return values


def _add_constant(model: Any, like: int, values: npt.NDArray[Any], copies: int) -> int:
    """A constant of another's type, its scales repeated for channels that are there more than once."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    before = graph.tensors[like].quantization
    index = _add_buffer(model, graph.tensors[like].type, values)
    quantization = schema.QuantizationParametersT()
    repeat = copies if len(before.scale) > 1 else 1
    quantization.scale = np.tile(before.scale, repeat)
    quantization.zeroPoint = np.tile(before.zeroPoint, repeat)
    quantization.quantizedDimension = before.quantizedDimension
    graph.tensors[index].quantization = quantization
    graph.tensors[index].name = graph.tensors[like].name
    return index


def _add_numbers(model: Any, values: npt.NDArray[np.int32]) -> int:
    from ai_edge_litert import schema_py_generated as schema

    return _add_buffer(model, schema.TensorType.INT32, values)


def _add_buffer(model: Any, kind: int, values: npt.NDArray[Any]) -> int:
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), dtype=np.uint8)
    model.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.buffer = b"packing", kind, len(model.buffers) - 1
    tensor.shape = np.array(values.shape, dtype=np.int32)
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def _add_like(graph: Any, like: int, name: bytes, shape: tuple[int, ...]) -> int:
    """An activation of another's type and grid, in another shape."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.buffer = name, graph.tensors[like].type, 0
    tensor.shape = np.array(shape, dtype=np.int32)
    tensor.quantization = graph.tensors[like].quantization
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
