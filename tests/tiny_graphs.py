"""Graphs of a few operations, written by hand, each with one thing to be found by ``hawklet inspect``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def qdq_convolution(
    *, activation: str = "Relu", zero_point: int = 0, symmetric_int8: bool = False, bits: int = 8
) -> bytes:
    """pixels -> Q DQ -> Conv (4 of 3x3x3, per channel) -> activation -> Q DQ -> logits, on 8x8 pictures.

    The activation vanishes where the output's grid begins at 0, which ``zero_point`` 0 of uint8 does.
    """
    from onnx import TensorProto, helper, numpy_helper

    kind = np.int8 if symmetric_int8 else {8: np.uint8, 16: np.uint16}[bits]
    constants = {
        "scale": np.float32(0.02),
        "zero": kind(0 if symmetric_int8 else 128),
        "out_scale": np.float32(0.05),
        "out_zero": kind(zero_point),
        "w": np.ones((4, 3, 3, 3), dtype=np.int8),
        "w_scale": np.full(4, 0.01, dtype=np.float32),
        "w_zero": np.zeros(4, dtype=np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["pixels", "scale", "zero"], ["pixels_q"]),
        helper.make_node("DequantizeLinear", ["pixels_q", "scale", "zero"], ["pixels_dq"]),
        helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["w_dq"], axis=0),
        helper.make_node("Conv", ["pixels_dq", "w_dq"], ["conv_out"], name="conv", kernel_shape=[3, 3]),
        helper.make_node(activation, ["conv_out"], ["act_out"], name="act"),
        helper.make_node("QuantizeLinear", ["act_out", "out_scale", "out_zero"], ["act_q"]),
        helper.make_node("DequantizeLinear", ["act_q", "out_scale", "out_zero"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "qdq",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4, 6, 6])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13 if bits == 8 else 21)], producer_name="by hand"
    )
    model.ir_version = 8 if bits == 8 else 10
    return bytes(model.SerializeToString())


def qdq_operation(op: str, *, inputs: int) -> bytes:
    """x -> Q DQ -> Exp -> Q DQ -> ``op``, named target, of that (and of x) -> Q DQ -> y, all on one uint8 grid."""
    from onnx import TensorProto, helper, numpy_helper

    def grid(kind: str, source: str, made: str) -> object:
        return helper.make_node(f"{kind}Linear", [source, "scale", "zero"], [made])

    nodes = [
        grid("Quantize", "x", "x_q"),
        grid("Dequantize", "x_q", "x_dq"),
        helper.make_node("Exp", ["x_dq"], ["e"]),
        grid("Quantize", "e", "e_q"),
        grid("Dequantize", "e_q", "e_dq"),
        helper.make_node(op, ["e_dq", "x_dq"][:inputs], ["o"], name="target"),
        grid("Quantize", "o", "o_q"),
        grid("Dequantize", "o_q", "y"),
    ]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.asarray(np.float32(0.02)), "scale"),
            numpy_helper.from_array(np.asarray(np.uint8(128)), "zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


def onnx_of(
    operations: Sequence[tuple[str, list[str], list[str], dict[str, object]]],
    constants: Mapping[str, object] | None = None,
) -> bytes:
    """float32 ``x [1, 3, 4, 4]`` through some operations to ``y``."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node(op, inputs, outputs, **attributes) for op, inputs, outputs, attributes in operations]
    graph = helper.make_graph(
        nodes,
        "some",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


def int8_tflite(middle: Sequence[str]) -> bytes:
    """int8 ``[1, 4, 4, 8]`` -> CONV_2D (1x1, per channel) -> ``middle`` -> CONV_2D -> int8.

    ``middle`` names operations of one input and one output; after DEQUANTIZE values are float until QUANTIZE.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    names = ["CONV_2D", *middle, "CONV_2D"]
    kinds = sorted(set(names))
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description, model.buffers = 3, b"by hand", [schema.BufferT() for _ in range(3)]
    model.buffers[1].data, model.buffers[2].data = np.ones(64, dtype=np.uint8), np.zeros(32, dtype=np.uint8)
    model.operatorCodes = [_code(schema, kind) for kind in kinds]
    graph.name, graph.tensors, graph.operators = b"main", [], []
    weights = _tensor(schema, graph, "weights", [8, 1, 1, 8], schema.TensorType.INT8, 1, np.full(8, 0.02, np.float32))
    bias = _tensor(schema, graph, "bias", [8], schema.TensorType.INT32, 2, np.full(8, 0.002, np.float32))
    current = _tensor(schema, graph, "in", [1, 4, 4, 8], schema.TensorType.INT8, 0, np.float32([0.1]))
    graph.inputs, is_float = [current], False
    for number, name in enumerate(names):
        is_float = name == "DEQUANTIZE" or (is_float and name != "QUANTIZE")
        kind = schema.TensorType.FLOAT32 if is_float else schema.TensorType.INT8
        grid = None if is_float else np.float32([0.1])
        made = _tensor(schema, graph, f"{name.lower()}_{number}", [1, 4, 4, 8], kind, 0, grid)
        inputs = [current, weights, bias] if name == "CONV_2D" else [current]
        graph.operators.append(_operator(schema, kinds.index(name), name, inputs, made))
        current = made
    graph.outputs = [current]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _code(schema: object, name: str) -> object:
    code = schema.OperatorCodeT()  # type: ignore[attr-defined]
    code.builtinCode = getattr(schema.BuiltinOperator, name)  # type: ignore[attr-defined]
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 3 if name == "CONV_2D" else 1
    return code


def _tensor(
    schema: object, graph: object, name: str, shape: list[int], kind: int, buffer: int, scales: np.ndarray | None
) -> int:
    tensor = schema.TensorT()  # type: ignore[attr-defined]
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), shape, kind, buffer
    if scales is not None:
        tensor.quantization = schema.QuantizationParametersT()  # type: ignore[attr-defined]
        tensor.quantization.scale, tensor.quantization.zeroPoint = scales, np.zeros(len(scales), dtype=np.int64)
    graph.tensors.append(tensor)  # type: ignore[attr-defined]
    return len(graph.tensors) - 1  # type: ignore[attr-defined]


def _operator(schema: object, code: int, name: str, inputs: list[int], output: int) -> object:
    operator = schema.OperatorT()  # type: ignore[attr-defined]
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, [output]
    if name == "CONV_2D":
        options = schema.Conv2DOptionsT()  # type: ignore[attr-defined]
        options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
        operator.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions  # type: ignore[attr-defined]
        operator.builtinOptions = options
    return operator
