"""Editing a ``.tflite`` flatbuffer: pixels in, float logits out, other biases, labels and normalization inside.

Works on the schema's object classes (``ModelT`` and friends of ai-edge-litert).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.errors import ModelError
from hawklet.spec import CHANNELS


def read_model(content: bytes) -> Any:
    """Unpack a file into a ``ModelT``."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.offset:  # data kept behind the flatbuffer, as large files do; bring it in
            buffer.data = np.frombuffer(content, dtype=np.uint8, count=buffer.size, offset=buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def write_model(model: Any) -> bytes:
    """Pack a ``ModelT`` into a file."""
    from hawklet_converter.share_vectors import SharingBuilder

    builder = SharingBuilder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def constant(model: Any, tensor: Any) -> npt.NDArray[Any] | None:
    """The bytes of a constant tensor as ``uint8 [n]``; None for an activation."""
    data = model.buffers[tensor.buffer].data
    return None if data is None or len(data) == 0 else np.asarray(data, dtype=np.uint8)


def activations(model: Any) -> list[Any]:
    """The tensors that are computed, the input included."""
    return [tensor for tensor in model.subgraphs[0].tensors if constant(model, tensor) is None]


def name_of(tensor: Any) -> str:
    """A tensor's name as text."""
    return str(tensor.name.decode() if isinstance(tensor.name, bytes) else tensor.name)


def operator_name(model: Any, operator: Any) -> str:
    """As ``CONV_2D``."""
    from ai_edge_litert import schema_py_generated as schema

    code = model.operatorCodes[operator.opcodeIndex]
    builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
    return str(next(name for name, value in vars(schema.BuiltinOperator).items() if value == builtin))


def float_constants(model: Any) -> dict[int, npt.NDArray[np.float32]]:
    """Float constants of a ``ModelT``, flat, by buffer number."""
    from ai_edge_litert import schema_py_generated as schema

    return {
        tensor.buffer: np.frombuffer(data.tobytes(), dtype=np.float32)
        for tensor in model.subgraphs[0].tensors
        if tensor.type == schema.TensorType.FLOAT32 and (data := constant(model, tensor)) is not None
    }


def set_constants(model: Any, values: Mapping[int, npt.NDArray[np.float32]]) -> None:
    """Replace float constants, by buffer number; changed in place."""
    for number, value in values.items():
        model.buffers[number].data = np.frombuffer(value.astype(np.float32).tobytes(), dtype=np.uint8)


_LAYERS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})


def _weight_tensors(model: Any) -> list[Any]:
    graph = model.subgraphs[0]
    return [
        tensor
        for operator in graph.operators
        if operator_name(model, operator) in _LAYERS
        and constant(model, tensor := graph.tensors[int(operator.inputs[1])]) is not None
    ]


def layer_weights(model: Any) -> dict[str, npt.NDArray[np.float32]]:
    """Weights of a float model's convolutions and dense layers, flat, by tensor name."""
    return {name_of(t): np.asarray(model.buffers[t.buffer].data).view(np.float32) for t in _weight_tensors(model)}


def weights_by_channel(model: Any) -> dict[int, npt.NDArray[np.float32]]:
    """Weights of a float model's convolutions and dense layers, ``float32 [output channels, n]``, by buffer number."""
    graph = model.subgraphs[0]
    found = {}
    for operator in graph.operators:
        kind = operator_name(model, operator)
        tensor = graph.tensors[int(operator.inputs[1])] if kind in _LAYERS else None
        if tensor is not None and (data := constant(model, tensor)) is not None:
            weight = data.view(np.float32).reshape(tensor.shape)
            channels_first = np.moveaxis(weight, -1 if kind == "DEPTHWISE_CONV_2D" else 0, 0)
            found[int(tensor.buffer)] = channels_first.reshape(len(channels_first), -1)
    return found


def weight_scales(model: Any) -> dict[str, npt.NDArray[np.float32]]:
    """Scales of an int8 model's convolutions and dense layers, ``float32 [channels]`` or ``[1]``, by tensor name."""
    from ai_edge_litert import schema_py_generated as schema

    return {
        name_of(t): np.asarray(t.quantization.scale) for t in _weight_tensors(model) if t.type == schema.TensorType.INT8
    }


KEEP_VALUES = frozenset({"PAD", "PADV2", "RESHAPE", "TRANSPOSE", "MAX_POOL_2D", "SQUEEZE"})
"""Operations whose output lies on their input's grid."""


FIXED_GRIDS = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0)}
"""Scale and zero point that the specification prescribes for the int8 output of an operation."""


def fixed_grids(model: Any) -> dict[str, tuple[float, int]]:
    """The grids that are prescribed, by the name of the tensor that lies on each."""
    graph = model.subgraphs[0]
    named = ((operator_name(model, operator), operator) for operator in graph.operators)
    return {
        name_of(graph.tensors[int(operator.outputs[0])]): FIXED_GRIDS[name]
        for name, operator in named
        if name in FIXED_GRIDS
    }


def value_keepers(model: Any) -> dict[str, str]:
    """Float outputs of operations that keep values, each with the tensor it took them from, in graph order."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    keepers = (operator for operator in graph.operators if operator_name(model, operator) in KEEP_VALUES)
    pairs = ((graph.tensors[int(operator.outputs[0])], graph.tensors[int(operator.inputs[0])]) for operator in keepers)
    return {name_of(to): name_of(of) for to, of in pairs if to.type == schema.TensorType.FLOAT32}


def float_ops(model: Any) -> tuple[str, ...]:
    """Operations of a quantized model that compute in float, each named once."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    names = {
        operator_name(model, operator)
        for operator in graph.operators
        if graph.tensors[int(operator.outputs[0])].type == schema.TensorType.FLOAT32
    }
    return tuple(sorted(names - {"DEQUANTIZE"}))


def take_pixels(model: Any, zero_point: int, scale: float) -> None:
    """Make the input ``uint8 [1, H, W, C]`` pixels whose quantization parameters say what they mean to the network.

    A DEQUANTIZE is put in front, and for an int8 model a QUANTIZE after it. Together they flip the top bit of every
    byte, which one QUANTIZE from uint8 to int8 does too, but XNNPACK runs the two and not the one
    (docs/decisions/0022-pixels-enter-as-uint8.md).

    Args:
        model: Changed in place.
        zero_point: Pixel value that is 0 to the network.
        scale: Real units per pixel step.
    """
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    inner = int(graph.inputs[0])
    pixels = _quantized_tensor(b"pixels", graph.tensors[inner], schema.TensorType.UINT8, zero_point, scale)
    outer = _add_tensor(graph, pixels)
    if graph.tensors[inner].type == schema.TensorType.FLOAT32:
        front = [_convert(model, True, outer, inner)]
    else:
        real = _add_tensor(graph, _float_tensor(b"real_pixels", pixels.shape))
        front = [_convert(model, True, outer, real), _convert(model, False, real, inner)]
    graph.operators[:0] = front
    graph.inputs = [outer]
    _move_signature(model, "inputs", inner, outer, "pixels")


def give_float_logits(model: Any) -> None:
    """Make the output ``float32 [1, classes]``, by a DEQUANTIZE at the end of an int8 model; changed in place."""
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    inner = int(graph.outputs[0])
    if graph.tensors[inner].type == schema.TensorType.FLOAT32:
        graph.tensors[inner].name = b"logits"
        _move_signature(model, "outputs", inner, inner, "logits")
        return
    outer = _add_tensor(graph, _float_tensor(b"logits", graph.tensors[inner].shape))
    graph.operators.append(_convert(model, True, inner, outer))
    graph.outputs = [outer]
    _move_signature(model, "outputs", inner, outer, "logits")


def _convert(model: Any, dequantize: bool, source: int, target: int) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [source], [target]
    if dequantize:
        operator.opcodeIndex = opcode(model, schema.BuiltinOperator.DEQUANTIZE)
        operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
        operator.builtinOptions = schema.DequantizeOptionsT()
    else:
        operator.opcodeIndex = opcode(model, schema.BuiltinOperator.QUANTIZE)
        operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
        operator.builtinOptions = schema.QuantizeOptionsT()
    return operator


def _float_tensor(name: bytes, shape: Any) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, schema.TensorType.FLOAT32, 0
    return tensor


def _quantized_tensor(name: bytes, like: Any, kind: int, zero_point: int, scale: float) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, like.shape, kind, 0
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.array([scale], dtype=np.float32)
    tensor.quantization.zeroPoint = np.array([zero_point], dtype=np.int64)
    return tensor


def _add_tensor(graph: Any, tensor: Any) -> int:
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def opcode(model: Any, builtin: int, version: int = 2) -> int:
    """Number of an operation in the model's list, to which it is added if it is not there; changed in place."""
    from ai_edge_litert import schema_py_generated as schema

    for number, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == builtin:
            return number
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = builtin, builtin, version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _move_signature(model: Any, side: str, inner: int, outer: int, name: str) -> None:
    for signature in model.signatureDefs or []:
        for entry in getattr(signature, side):
            if entry.tensorIndex == inner:
                entry.tensorIndex, entry.name = outer, name.encode()


def activation_grids(model: Any) -> dict[str, tuple[float, int]]:
    """Scale and zero point of every int8 activation, by tensor name.

    Raises:
        ModelError: an activation has one grid per channel, which no runtime executes.
    """
    from ai_edge_litert import schema_py_generated as schema

    grids = {}
    for tensor in activations(model):
        if tensor.type != schema.TensorType.INT8:
            continue
        scales, zeros = tensor.quantization.scale, tensor.quantization.zeroPoint
        if len(scales) != 1:
            raise ModelError(f"an activation must have one scale, got {len(scales)} for {name_of(tensor)}")
        grids[name_of(tensor)] = (float(scales[0]), int(zeros[0]))
    return grids


def add_metadata(model: Any, name: str, labels: Sequence[str], mean: float, std: float, channels: int) -> bytes:
    """Write the file with TFLite Metadata: normalization, and the labels as an appended zip.

    Args:
        model: A ``ModelT`` with pixels in and logits out; changed in place.
        name: The model's name.
        labels: One per output.
        mean: Subtracted from pixels 0..255.
        std: Divides pixels after that.
        channels: 1, 3 or 4.

    Returns:
        The file.
    """
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(describe_model(name, mean, std, channels), dtype=np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers) - 1
    model.metadata = [kept for kept in model.metadata or [] if kept.name != entry.name] + [entry]
    model.description = f"{name}, converted by hawklet".encode()
    stream = io.BytesIO(write_model(model))
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(LABELS_FILE, date_time=(1980, 1, 1, 0, 0, 0)), "\n".join(labels) + "\n")
    return stream.getvalue()


LABELS_FILE = "labels.txt"


def describe_model(name: str, mean: float, std: float, channels: int) -> bytes:
    """The metadata flatbuffer (identifier M001) of an image classifier.

    Source: ``metadata_schema.fbs`` of tflite-support; fields are written by their numbers there.
    """
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    pixel = _pixel_tensor(builder, mean, std, channels)
    logits = _logits_tensor(builder)
    subgraph = _table(
        builder, {2: ("offset", _vector(builder, [pixel])), 3: ("offset", _vector(builder, [logits]))}, 12
    )
    fields = {
        0: ("offset", builder.CreateString(name)),
        3: ("offset", _vector(builder, [subgraph])),
        7: ("offset", builder.CreateString("1.0.0")),
    }
    builder.Finish(_table(builder, fields, 8), file_identifier=b"M001")
    return bytes(builder.Output())


_COLOUR_SPACES = {1: 2, 3: 1, 4: 0}
"""By channels, the schema's numbers: GRAYSCALE, RGB, UNKNOWN."""


def _pixel_tensor(builder: Any, mean: float, std: float, channels: int) -> int:
    image = _table(builder, {0: ("int8", _COLOUR_SPACES[channels])}, 2)  # ImageProperties
    content = _table(builder, {0: ("uint8", 2), 1: ("offset", image)}, 3)  # the union's number 2 is ImageProperties
    options = _table(builder, {0: ("offset", _floats(builder, [mean])), 1: ("offset", _floats(builder, [std]))}, 2)
    unit = _table(builder, {0: ("uint8", 1), 1: ("offset", options)}, 2)  # number 1 is NormalizationOptions
    stats = _table(builder, {0: ("offset", _floats(builder, [255.0])), 1: ("offset", _floats(builder, [0.0]))}, 3)
    fields = {
        0: ("offset", builder.CreateString("pixels")),
        1: ("offset", builder.CreateString(f"{CHANNELS[channels]} pixels, 0..255")),
        3: ("offset", content),
        4: ("offset", _vector(builder, [unit])),
        5: ("offset", stats),
    }
    return _table(builder, fields, 7)


def _logits_tensor(builder: Any) -> int:
    file = _table(
        builder,
        {0: ("offset", builder.CreateString(LABELS_FILE)), 2: ("int8", 2)},  # type 2 is TENSOR_AXIS_LABELS
        5,
    )
    fields = {0: ("offset", builder.CreateString("logits")), 6: ("offset", _vector(builder, [file]))}
    return _table(builder, fields, 7)


def _table(builder: Any, fields: Mapping[int, tuple[str, int]], size: int) -> int:
    writers = {
        "offset": builder.PrependUOffsetTRelativeSlot,
        "uint8": builder.PrependUint8Slot,
        "int8": builder.PrependInt8Slot,
    }
    builder.StartObject(size)
    for slot, (kind, value) in fields.items():
        writers[kind](slot, value, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: Any, values: Sequence[float]) -> int:
    return int(builder.CreateNumpyVector(np.asarray(values, dtype=np.float32)))
