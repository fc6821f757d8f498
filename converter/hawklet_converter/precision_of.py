"""What a model file computes in, told by looking into it and never by its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from hawklet.errors import ModelError
from hawklet.spec import ModelFormat, Precision

_TFLITE_MULTIPLIES = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL"}
_ONNX_MULTIPLIES = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_ONNX_INTEGER = {"QLinearConv", "QLinearMatMul", "QGemm"}
_ONNX_DYNAMIC = {"ConvInteger", "MatMulInteger", "DynamicQuantizeMatMul", "MatMulNBits"}


def precision_of(content: bytes, model_format: ModelFormat) -> Precision:
    """The precision that most multiplying layers (convolutions, matrix products) compute in.

    INT8 takes 8-bit weights *and* activations, signed or unsigned; 8-bit weights beside float activations are
    DYNAMIC_INT8; weights kept in 16-bit floats are FLOAT16. A file without such layers is FLOAT32.

    Raises:
        ModelError: the file cannot be read, or its layers compute in something else (16-bit integers).
    """
    layers = _tflite_layers if model_format is ModelFormat.TFLITE else _onnx_layers
    counted = Counter(layers(content))
    return counted.most_common(1)[0][0] if counted else Precision.FLOAT32


def _tflite_layers(content: bytes) -> Iterator[Precision]:
    from hawklet_converter.tflite_file import operator_name, read_model

    model = read_model(content)
    graph = model.subgraphs[0]
    made_by = {int(out): operator for operator in graph.operators for out in operator.outputs}
    for operator in graph.operators:
        if operator_name(model, operator) in _TFLITE_MULTIPLIES:
            number = int(operator.inputs[1])
            maker = made_by.get(number)
            stored = number if maker is None else int(maker.inputs[0])
            yield _of_types(graph.tensors[stored].type, graph.tensors[int(operator.outputs[0])].type)


def _of_types(weights: int, result: int) -> Precision:
    from ai_edge_litert.schema_py_generated import TensorType

    small = {TensorType.INT8, TensorType.UINT8, TensorType.INT4}
    if result in small:
        return Precision.INT8
    if result not in {TensorType.FLOAT32, TensorType.FLOAT16}:
        raise ModelError("a classifier computes here in floats or in 8-bit integers; this one uses another type")
    if weights in small:
        return Precision.DYNAMIC_INT8
    return Precision.FLOAT16 if weights == TensorType.FLOAT16 else Precision.FLOAT32


def _onnx_layers(content: bytes) -> Iterator[Precision]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load_model_from_string(content).graph
    except DecodeError as error:
        raise ModelError(f"this is no ONNX model, or it was cut short ({error})") from error
    made_by = {name: node for node in graph.node for name in node.output}
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in _ONNX_INTEGER:
            yield Precision.INT8
        elif node.op_type in _ONNX_DYNAMIC:
            yield Precision.DYNAMIC_INT8
        elif node.op_type in _ONNX_MULTIPLIES:
            yield _onnx_layer(node, made_by, types)


def _onnx_layer(node: Any, made_by: dict[str, Any], types: dict[str, int]) -> Precision:
    import onnx

    makers = [made_by.get(name) for name in node.input[:2]]
    quantized = [maker is not None and maker.op_type == "DequantizeLinear" for maker in makers]
    if all(quantized):
        return Precision.INT8
    if quantized[1]:
        return Precision.DYNAMIC_INT8
    cast = makers[1]
    weights = cast.input[0] if cast is not None and cast.op_type == "Cast" else node.input[1]
    return Precision.FLOAT16 if types.get(weights) == onnx.TensorProto.FLOAT16 else Precision.FLOAT32
