"""Reading an ``.onnx`` graph into :class:`ModelFacts`, judged as ONNX Runtime will fuse it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hawklet.errors import ModelError
from hawklet.spec import ModelFormat
from hawklet_converter import onnx_file
from hawklet_converter.inspect.facts import (
    Arithmetic,
    LayerFacts,
    ModelFacts,
    Shape,
    batch_of,
    elements_of_one,
    product,
    remarks_on_macs,
)
from hawklet_converter.inspect.onnx_graph import OnnxGraph

MAX_NODES = 50_000
"""Operations that a graph may hold; the largest networks have some thousands."""

_CONVERTS = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "CastLike"})
_MOVES = frozenset(
    {
        "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Slice", "Gather", "GatherND", "Shape",
        "Size", "Concat", "Split", "Pad", "Expand", "Tile", "Dropout", "SpaceToDepth", "DepthToSpace", "Range",
        "ConstantOfShape", "ScatterND", "ScatterElements",
    }
)  # fmt: skip
_INTEGER_KERNELS = frozenset({"QLinearConv", "QLinearMatMul", "QGemm", "QAttention"})
_DYNAMIC_KERNELS = frozenset(
    {"ConvInteger", "MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "DynamicQuantizeLSTM"}
)
_FUSED_BY_RUNTIME = frozenset(
    {"Conv", "Gemm", "MatMul", "Add", "Mul", "AveragePool", "GlobalAveragePool", "MaxPool", "Sigmoid", "Softmax",
     "LeakyRelu", "Where", "Resize"}
)  # fmt: skip
"""Operations that ONNX Runtime replaces by an integer kernel between DequantizeLinear and QuantizeLinear."""
_FLOAT_OUTPUT = frozenset({"MatMul", "Gemm"})
"""Of those, the ones whose output may stay float: their products are integers all the same."""
_TAKE_ACTIVATIONS = frozenset({"Conv", "Gemm", "ConvTranspose"})
"""Float operations into which a following activation function is fused."""
_FUSED_ACTIVATIONS = frozenset({"Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid"})
_KNOWN_DOMAINS = frozenset({"ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"})


def read_onnx(content: bytes) -> ModelFacts:
    """Read an ``.onnx`` file.

    Raises:
        ModelError: it is no such file, or is damaged.
    """
    from google.protobuf.message import DecodeError

    try:
        model = onnx_file.read_model(content)
    except (DecodeError, ValueError, TypeError) as error:
        raise ModelError("this is no .onnx file, or it was cut short or damaged") from error
    if not model.graph.node or not model.graph.output:
        raise ModelError("an .onnx file must hold a graph with outputs, this one holds none; is it another format?")
    if len(model.graph.node) > MAX_NODES:
        raise ModelError(f"an .onnx graph may hold {MAX_NODES} operations, got {len(model.graph.node)}; is it damaged?")
    if not all(isinstance(text, str) for text in _texts(model)):  # protobuf gives bytes where they are no UTF-8
        raise ModelError("the names in an .onnx file must be UTF-8; is the file damaged?")
    try:
        return _facts(model, len(content))
    except ModelError:
        raise
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelError(f"this .onnx graph is malformed ({type(error).__name__}: {error})") from error


def _texts(model: Any) -> Iterator[object]:
    graph = model.graph
    yield from (model.producer_name, model.producer_version)
    yield from (text for entry in model.metadata_props for text in (entry.key, entry.value))
    yield from (entry.domain for entry in model.opset_import)
    for tensors in (graph.input, graph.output, graph.value_info, graph.initializer):
        yield from (tensor.name for tensor in tensors)
    yield from (side.dim_param for value in graph.input for side in value.type.tensor_type.shape.dim)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)


def _facts(model: Any, size: int) -> ModelFacts:
    graph = OnnxGraph(model)
    inputs = graph.inputs()
    batch = batch_of(inputs)
    layers = tuple(_layer(graph, number, node, batch) for number, node in graph.active_nodes())
    opsets = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    main = opsets.pop("ai.onnx", 1)
    used = {node.domain for node in model.graph.node}
    versions = {"IR": str(model.ir_version), "opset": str(main)} | {
        f"opset {domain}": str(version) for domain, version in opsets.items() if domain in used
    }
    return ModelFacts(
        format=ModelFormat.ONNX,
        bytes=size,
        layers=layers,
        inputs=inputs,
        outputs=graph.outputs(),
        activations=tuple(graph.quantized_activations()),
        producer=" ".join(part for part in (model.producer_name, model.producer_version) if part),
        versions=versions,
        metadata={entry.key: entry.value for entry in model.metadata_props},
        remarks=(*graph.remarks, *remarks_on_macs(layers, batch)),
    )


def _layer(graph: OnnxGraph, number: int, node: Any, batch: int) -> LayerFacts:
    arithmetic = arithmetic_of(graph, node)
    outputs = tuple(name for name in node.output if name)
    dtype, shape = graph.type_of(outputs[0]) if outputs else ("", ())
    activations = graph.activation_inputs(node)
    quantized = arithmetic.is_integer
    macs = _macs(graph, node, shape)
    return LayerFacts(
        index=number,
        name=node.name or (outputs[0] if outputs else f"operation {number}"),
        op=node.op_type,
        arithmetic=arithmetic,
        inputs=tuple(activations),
        outputs=outputs,
        input_dtype=_dtype_in(graph, activations, quantized),
        output_dtype=(graph.quantized_dtype_after(node) if quantized else "") or dtype,
        output_shape=shape,
        macs=(macs or 0) // batch,
        macs_known=macs is not None,
        weights=tuple(graph.weights_of(node)) if arithmetic.computes else (),
        needs=_needs(graph, node),
        permutation=tuple(graph.attribute(node, "perm") or ()) if node.op_type == "Transpose" else (),
    )


def _dtype_in(graph: OnnxGraph, activations: Sequence[str], quantized: bool) -> str:
    if not activations:
        return ""
    return (graph.quantized_dtype_before(activations[0]) if quantized else "") or graph.type_of(activations[0])[0]


def _needs(graph: OnnxGraph, node: Any) -> str:
    from onnx import defs

    if graph.defines(node):
        return ""
    if node.domain in ("", "ai.onnx"):
        return "" if defs.has(node.op_type) else f"operation {node.op_type}, which no ONNX opset defines"
    if node.domain in _KNOWN_DOMAINS:
        return ""
    return f"custom operation {node.domain}.{node.op_type}"


def arithmetic_of(graph: OnnxGraph, node: Any) -> Arithmetic:
    """What a node computes in once ONNX Runtime has fused the graph."""
    op = node.op_type
    if op in _CONVERTS:
        return Arithmetic.CONVERTS
    if op in _MOVES:
        return Arithmetic.MOVES
    if op in _INTEGER_KERNELS or op.startswith("QLinear"):
        return Arithmetic.INT8
    if op in _DYNAMIC_KERNELS:
        return Arithmetic.DYNAMIC_INT8
    if op in _FUSED_ACTIVATIONS and _vanishes(graph, node):
        return Arithmetic.FUSED
    if op == "BatchNormalization" and graph.producer_op(node.input[0]) == "Conv":
        return Arithmetic.FUSED
    quantized = _between_quantization(graph, node)
    if quantized is not None:
        return quantized
    dtype = graph.type_of(node.output[0])[0] if node.output else ""
    return {"float32": Arithmetic.FLOAT32, "float16": Arithmetic.FLOAT16}.get(dtype, Arithmetic.OTHER)


def _between_quantization(graph: OnnxGraph, node: Any) -> Arithmetic | None:
    """Of an operation whose inputs all come from DequantizeLinear and whose output goes to QuantizeLinear."""
    if node.op_type not in _FUSED_BY_RUNTIME or not graph.activation_inputs(node):
        return None
    values = [name for name in node.input[:2] if name] if node.op_type != "Where" else list(node.input[1:])
    if node.op_type == "Resize":
        values = values[:1]
    bits = {graph.bits_before(name) for name in values}
    if not bits <= {8, 16} or not (node.op_type in _FLOAT_OUTPUT or _only_quantized(graph, node)):
        return None
    return Arithmetic.INT16 if 16 in bits else Arithmetic.INT8


def _only_quantized(graph: OnnxGraph, node: Any) -> bool:
    """Whether the output goes to QuantizeLinear alone, but for activations that vanish into it."""
    consumers = graph.consumers(node.output[0])
    if graph.is_output(node.output[0]) or not consumers:
        return False
    return all(
        one.op_type == "QuantizeLinear" or (one.op_type in ("Relu", "Clip") and graph.is_within_grid(one))
        for one in consumers
    )


def _vanishes(graph: OnnxGraph, node: Any) -> bool:
    """Whether an activation function costs nothing: its limits are the grid's own, or a float operation takes it in."""
    if node.op_type in ("Relu", "Clip") and graph.is_within_grid(node):
        return True
    producer = graph.producer(node.input[0])
    if producer is None or producer.op_type not in _TAKE_ACTIVATIONS or len(graph.consumers(node.input[0])) != 1:
        return False
    return not graph.is_dequantized_byte(producer.input[0])


def _macs(graph: OnnxGraph, node: Any, made: Shape) -> int | None:
    """Multiply-accumulates; convolution weights are ``[O, I, H, W]``. None where a size is not known."""
    op = node.op_type
    place = 3 if op in _INTEGER_KERNELS else 1
    if len(node.input) <= place or op not in _MACS_AXES:
        return 0
    first, weights = graph.type_of(node.input[0])[1], graph.type_of(node.input[place])[1]
    axes = slice(1) if "Gemm" in op and graph.attribute(node, "transB") else _MACS_AXES[op]
    numbers = elements_of_one(made if op in _BY_OUTPUT else first)
    each = product(weights[axes]) if weights else None
    return None if numbers is None or each is None else numbers * each


_BY_OUTPUT = frozenset({"Conv", "QLinearConv", "ConvInteger"})
"""Operations whose every result takes as many multiplications as some axes of the weights hold; else every input."""
_MACS_AXES = {
    **dict.fromkeys((*_BY_OUTPUT, "ConvTranspose", "Gemm", "QGemm"), slice(1, None)),
    **dict.fromkeys(
        ("MatMul", "QLinearMatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"), slice(-1, None)
    ),
}
