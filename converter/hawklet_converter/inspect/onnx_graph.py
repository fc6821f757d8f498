"""Questions about an ONNX graph: who makes a tensor, who reads it, on what grid it lies."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.errors import ModelError
from hawklet_converter.inspect.facts import Grid, Shape, TensorFacts, WeightFacts, product

_PASS_ON = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "Cast", "Identity", "Transpose", "Reshape", "Unsqueeze", "Squeeze", "Mul",
     "Div", "Add", "Sub"}
)  # fmt: skip
"""Operations that the runtime evaluates once when their inputs are constants."""
_KEEP_GRID = frozenset({"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"})
_WITHOUT_WEIGHTS = frozenset({"Clip", "Resize"})
"""Operations whose constants are settings."""
_MAX_GRID = 1_000_000
"""Scales that one tensor may have."""
_UNPACKS = frozenset({"Mul", "Div", "Add", "Sub"})
"""Operations that turn stored integers into weights; the scale is the smaller of their two inputs."""
_WEIGHTS_BESIDE = {
    "QLinearConv": (3, 4, 5, 8), "QLinearMatMul": (3, 4, 5, None), "QGemm": (3, 4, 5, 6),
    "QLinearAdd": (3, 4, 5, None), "QLinearMul": (3, 4, 5, None), "ConvInteger": (1, None, 3, None),
    "MatMulInteger": (1, None, 3, None), "DynamicQuantizeMatMul": (1, 2, 3, 4), "MatMulIntegerToFloat": (1, 3, 5, 6),
}  # fmt: skip
"""Places of the weights, their scale, their zero point and the bias, where integer kernels are given them singly."""
_OUTPUT_GRID = {"QLinearConv": 6, "QLinearMatMul": 6, "QLinearAdd": 6, "QLinearMul": 6, "QGemm": 7, "QLinearConcat": 0,
                "QLinearWhere": 7}  # fmt: skip
"""Place of the output's scale, before its zero point; 3 for the QLinear operations of one input."""


class OnnxGraph:
    """A ``ModelProto``'s main graph, indexed by tensor; a free batch is set to 1 in it."""

    def __init__(self, model: Any) -> None:
        self._graph = model.graph
        self._free_batch = dict(_fix_batch(model.graph))
        self._functions = {(f.domain, f.name) for f in model.functions}
        self._constants = {entry.name: entry for entry in self._graph.initializer}
        self._constants |= dict(_constant_nodes(self._graph))
        self._nodes = _in_order(self._graph, self._constants)
        self._producers = {name: node for node in self._graph.node for name in node.output if name}
        self._consumers: dict[str, list[Any]] = defaultdict(list)
        for _, node in self._nodes:
            for name in dict.fromkeys(node.input):
                self._consumers[name].append(node)
        self._outputs = {value.name for value in self._graph.output}
        self._folded = self._constant_tensors()
        self._types, remark = _infer_types(_for_inference(model, [node for _, node in self._nodes]))
        nested = any(a.type in (_GRAPH, _GRAPHS) for node in self._graph.node for a in node.attribute)
        remarks = [remark, "operations inside If, Loop and Scan are not inspected" if nested else ""]
        remarks.append("weights lie in another file, which is not read" if self._has_external_weights() else "")
        self.remarks = tuple(text for text in remarks if text)

    def _has_external_weights(self) -> bool:
        return any(entry.data_location == _EXTERNAL for entry in self._graph.initializer)

    def _constant_tensors(self) -> set[str]:
        """Names of tensors that do not depend on the input."""
        known = set(self._constants)
        for _, node in self._nodes:
            if node.op_type == "Constant" or (
                node.op_type in _PASS_ON and all(name in known for name in node.input if name)
            ):
                known.update(node.output)
        return known

    def active_nodes(self) -> Iterator[tuple[int, Any]]:
        """Nodes that run at every inference, each with its number."""
        for number, node in self._nodes:
            if not all(name in self._folded for name in node.output if name):
                yield number, node

    def defines(self, node: Any) -> bool:
        """Whether the file itself says what this operation does."""
        return (node.domain, node.op_type) in self._functions

    @staticmethod
    def attribute(node: Any, name: str) -> Any:
        """An attribute's value; None where it is absent."""
        from onnx import helper

        return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), None)

    def producer(self, name: str) -> Any:
        """The node that makes a tensor; None for inputs and constants."""
        return self._producers.get(name)

    def producer_op(self, name: str) -> str:
        """Its operation, or nothing."""
        return str(getattr(self.producer(name), "op_type", ""))

    def consumers(self, name: str) -> Sequence[Any]:
        """The nodes that read a tensor."""
        return self._consumers.get(name, [])

    def is_output(self, name: str) -> bool:
        """Whether it leaves the graph."""
        return name in self._outputs

    def activation_inputs(self, node: Any) -> list[str]:
        """Inputs that are no constants."""
        return [name for name in node.input if name and name not in self._folded]

    def type_of(self, name: str) -> tuple[str, Shape]:
        """NumPy name of the element type, and shape; empty where unknown."""
        if name in self._constants:
            entry = self._constants[name]
            return _dtype_name(entry.data_type), tuple(int(n) for n in entry.dims)
        if name in self._folded and not self._types.get(name, ("", ()))[1] and self._producers[name].input:
            return self.type_of(self._producers[name].input[0])
        return self._types.get(name, ("", ()))

    def is_dequantized_byte(self, name: str) -> bool:
        """Whether a tensor comes from the DequantizeLinear of an 8-bit one."""
        return self.bits_before(name) == 8

    def bits_before(self, name: str) -> int:
        """Of the integers that a DequantizeLinear made this tensor of; 0 where none did."""
        dtype = self.quantized_dtype_before(name)
        return _BITS.get(dtype, 8) if dtype else 0

    def quantized_dtype_before(self, name: str) -> str:
        """Type of the integers that a DequantizeLinear made this tensor of; empty where none did."""
        node = self.producer(name)
        return self.type_of(node.input[0])[0] if node is not None and node.op_type == "DequantizeLinear" else ""

    def quantized_dtype_after(self, node: Any) -> str:
        """Type of the integers that a node's output is quantized to; empty where it is not."""
        for one in self.consumers(node.output[0]):
            if one.op_type == "QuantizeLinear":
                return self.type_of(one.output[0])[0]
            if one.op_type in ("Relu", "Clip"):
                return self.quantized_dtype_after(one)
        return ""

    def is_within_grid(self, node: Any) -> bool:
        """Whether a Relu or Clip changes nothing, since what quantizes its output cannot say more than it lets pass."""
        readers = self.consumers(node.output[0])
        if not readers or self.is_output(node.output[0]) or any(r.op_type != "QuantizeLinear" for r in readers):
            return False
        low, high = self._limits(node)
        slack = 1e-6
        for reader in readers:
            held = self._grid_facts(*next(_stated_grids(reader))).real_range
            if held is None or held[0] < low - slack or held[1] > high + slack:
                return False
        return True

    def _limits(self, node: Any) -> tuple[float, float]:
        """What it lets pass; nothing, where a limit is computed and so not known."""
        if node.op_type == "Relu":
            return 0.0, math.inf
        return self._clip_limit(node, 1, "min", -math.inf), self._clip_limit(node, 2, "max", math.inf)

    def _clip_limit(self, node: Any, place: int, name: str, absent: float) -> float:
        if len(node.input) > place and node.input[place]:
            value = self._array(node.input[place])
            return -absent if value is None or value.size != 1 else float(value.reshape(-1)[0])
        given = self.attribute(node, name)
        return absent if given is None else float(given)

    def _array(self, name: str) -> npt.NDArray[Any] | None:
        """A small constant's values; None where it is none, or lies in another file."""
        from onnx import numpy_helper

        entry = self._constants.get(name)
        if entry is None or entry.data_location == _EXTERNAL or math.prod(entry.dims) > _MAX_GRID:
            return None
        return np.asarray(numpy_helper.to_array(entry))

    def _grid_of(self, scale: str, zero_point: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
        scales = self._array(scale)
        if scales is None or scales.dtype.kind != "f" or not np.isfinite(scales).all():
            return None
        zeros = self._array(zero_point) if zero_point else None
        return scales.reshape(-1), (np.zeros(1) if zeros is None else zeros.reshape(-1))

    def _grid_facts(self, integers: str, scale: str, zero_point: str) -> TensorFacts:
        dtype, shape = self.type_of(integers)
        dtype = (self.type_of(zero_point)[0] if zero_point else "") or dtype
        grid = self._grid_of(scale, zero_point)
        if grid is None or grid[0].size != 1:
            return TensorFacts(integers, dtype, shape)
        return TensorFacts(integers, dtype, shape, Grid(float(grid[0][0]), int(grid[1][0])))

    def _grids_beside(self, node: Any) -> Iterator[TensorFacts]:
        """Integer tensors whose grid this operation states."""
        for integers, scale, zero_point in _stated_grids(node):
            if integers and integers not in self._folded:
                yield self._grid_facts(integers, scale, zero_point)

    def quantized_activations(self) -> Iterator[TensorFacts]:
        """Every activation that has a grid, once."""
        seen = set()
        for _, node in self._nodes:
            for facts in self._grids_beside(node):
                if facts.grid is not None and facts.name not in seen:
                    seen.add(facts.name)
                    yield facts

    def inputs(self) -> tuple[TensorFacts, ...]:
        """The graph's inputs; files of old list constants among them."""
        return tuple(
            TensorFacts(value.name, *self._declared(value), self._grid_downstream(value.name))
            for value in self._graph.input
            if value.name not in self._constants
        )

    def outputs(self) -> tuple[TensorFacts, ...]:
        """The graph's outputs."""
        return tuple(
            TensorFacts(value.name, *self._declared(value), self._grid_upstream(value.name))
            for value in self._graph.output
        )

    def _declared(self, value: Any) -> tuple[str, Shape]:
        dtype, shape = _value_type(value)
        inferred = self._types.get(value.name, ("", ()))[1]
        shape = shape or inferred
        return dtype, ((self._free_batch[value.name], *shape[1:]) if value.name in self._free_batch else shape)

    def _grid_downstream(self, name: str) -> Grid | None:
        """The grid of an integer input, as what reads it says."""
        for node in self.consumers(name):
            if node.op_type in _KEEP_GRID:
                return self._grid_downstream(node.output[0])
            for facts in self._grids_beside(node):
                if facts.name == name and node.op_type != "QuantizeLinear":
                    return facts.grid
        return None

    def _grid_upstream(self, name: str) -> Grid | None:
        """The grid of an integer output, as what makes it says."""
        node = self.producer(name)
        if node is None:
            return None
        if node.op_type in _KEEP_GRID:
            return self._grid_upstream(node.input[0])
        return next((facts.grid for facts in self._grids_beside(node) if facts.name == name), None)

    def weights_of(self, node: Any) -> Iterator[WeightFacts]:
        """The constants that a node computes with, as they are stored."""
        if node.op_type in _WEIGHTS_BESIDE:
            yield from self._weights_beside(node)
            return
        dynamic = any(self.producer_op(name) == "DynamicQuantizeLinear" for name in node.input)  # scales
        settings = dynamic or node.op_type in _WITHOUT_WEIGHTS or node.op_type.startswith("QLinear")
        for name in () if settings else node.input:
            if name in self._folded and (found := self._stored(name)) is not None:
                yield found

    def _weights_beside(self, node: Any) -> Iterator[WeightFacts]:
        weights, scale, zero_point, bias = (_input(node, place) for place in _WEIGHTS_BESIDE[node.op_type])
        if weights in self._constants:
            yield self._weight(weights, self._grid_of(scale, zero_point) if scale else self._grid_without(zero_point))
        if bias in self._constants:
            yield self._weight(bias, None)

    def _grid_without(self, zero_point: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """A grid of as many scales as there are zero points, where the scales are multiplied in further down."""
        zeros = self._array(zero_point)
        zeros = np.zeros(1) if zeros is None else zeros.reshape(-1)
        return np.ones(zeros.size), zeros

    def _stored(self, name: str) -> WeightFacts | None:
        """A constant as it is stored, also behind what makes numbers of integers; None for shapes and axes."""
        node, grid, unpacked = self.producer(name), None, None
        while name not in self._constants and node is not None and node.input:
            name = node.input[0]
            if node.op_type in ("DequantizeLinear", "QuantizeLinear") and grid is None:
                grid = self._grid_of(node.input[1], _input(node, 2))
            elif node.op_type in _UNPACKS:
                name, other = sorted(node.input, key=lambda one: -(product(self.type_of(one)[1]) or 0))
                unpacked = self._grid_of(other, "") or unpacked
            node = self.producer(name)
        if name not in self._constants:
            return None
        if grid is None and "int" in self.type_of(name)[0]:
            grid = unpacked
        weight = self._weight(name, grid)
        return None if grid is None and weight.dtype in ("int64", "int32", "bool") else weight

    def _weight(self, name: str, grid: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None) -> WeightFacts:
        entry = self._constants[name]
        dtype, shape = self.type_of(name)
        size = 0 if entry.data_location == _EXTERNAL else _bytes_of(dtype, [int(n) for n in entry.dims])
        sides = tuple(n if isinstance(n, int) else 1 for n in shape)
        if grid is None:
            return WeightFacts(name, dtype, sides, size)
        middle = 128 if dtype == "uint8" else 0
        return WeightFacts(name, dtype, sides, size, int(grid[0].size), bool((grid[1] == middle).all()))


def _input(node: Any, place: int | None) -> str:
    """Name of an input; empty where it is left out."""
    return str(node.input[place]) if place is not None and place < len(node.input) else ""


def _stated_grids(node: Any) -> Iterator[tuple[str, str, str]]:
    """Tensor of integers, scale and zero point, as often as an operation states them."""
    op = node.op_type
    if op in ("QuantizeLinear", "DequantizeLinear"):
        yield (node.output if op == "QuantizeLinear" else node.input)[0], node.input[1], _input(node, 2)
    elif op == "QGemm" or op.startswith("QLinear"):
        last = _OUTPUT_GRID.get(op, 3)
        first = {"QLinearConcat": 2, "QLinearWhere": 1}.get(op, 0)
        for place in range(first, last - last % 3 or len(node.input), 3):
            yield _input(node, place), _input(node, place + 1), _input(node, place + 2)
        yield node.output[0], _input(node, last), _input(node, last + 1)


_GRAPH, _GRAPHS, _EXTERNAL = 5, 10, 1
"""Numbers of AttributeProto.GRAPH, AttributeProto.GRAPHS and TensorProto.EXTERNAL."""


def _in_order(graph: Any, constants: Mapping[str, Any]) -> list[tuple[int, Any]]:
    """Operations with their numbers, each after those whose results it reads.

    The format demands that order of a file, but ONNX Runtime does not, nor does its own quantizer keep it. That every
    tensor is made once, and none of itself, is demanded here, so that what follows a graph comes to an end.

    Raises:
        ModelError: it is not so.
    """
    nodes = list(graph.node)
    known = {"", *(value.name for value in graph.input), *constants}
    made = [name for node in nodes for name in node.output if name]
    if len(set(made)) != len(made):
        raise ModelError("every tensor of an .onnx graph must be made by one operation; is the file damaged?")
    readers: dict[str, list[int]] = defaultdict(list)
    missing = []
    for number, node in enumerate(nodes):
        waits = {name for name in node.input if name not in known}
        missing.append(len(waits))
        for name in waits:
            readers[name].append(number)
    ready = [number for number, count in enumerate(missing) if not count]
    order = []
    while ready:
        number = heapq.heappop(ready)
        order.append((number, nodes[number]))
        for reader in (reader for name in nodes[number].output for reader in readers[name]):
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, reader)
    if len(order) != len(nodes):
        raise ModelError(
            "an .onnx graph must make every tensor that it reads, and none of itself; is the file damaged?"
        )
    return order


def _constant_nodes(graph: Any) -> Iterator[tuple[str, Any]]:
    from onnx import numpy_helper

    for node in graph.node:
        if node.op_type != "Constant":
            continue
        for attribute in node.attribute:
            if attribute.name == "value":
                yield node.output[0], attribute.t
            elif attribute.name in _PLAIN_VALUES:
                value = getattr(attribute, _PLAIN_VALUES[attribute.name])
                yield node.output[0], numpy_helper.from_array(np.asarray(value, dtype=_plain_dtype(attribute.name)))


_PLAIN_VALUES = {"value_float": "f", "value_floats": "floats", "value_int": "i", "value_ints": "ints"}


def _plain_dtype(attribute: str) -> type[np.generic]:
    return np.float32 if "float" in attribute else np.int64


def _fix_batch(graph: Any) -> Iterator[tuple[str, str]]:
    """Set a free first side of every input to 1, so that shapes can be inferred; gives input and the side's name."""
    constants = {entry.name for entry in graph.initializer}
    for value in graph.input:
        sides = value.type.tensor_type.shape.dim
        if value.name not in constants and len(sides) and not sides[0].HasField("dim_value"):
            yield value.name, sides[0].dim_param or "?"
            sides[0].dim_value = 1


def _for_inference(model: Any, nodes: Sequence[Any]) -> Any:
    """A copy as ONNX's own inference needs it: in order, and with ONNX's Q and DQ in place of Microsoft's like ones."""
    ordered = type(model)()
    ordered.CopyFrom(model)
    del ordered.graph.node[:]
    ordered.graph.node.extend(nodes)
    for node in ordered.graph.node:
        if node.domain == "com.microsoft" and node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            node.domain = ""
    return ordered


def _infer_types(model: Any) -> tuple[dict[str, tuple[str, Shape]], str]:
    """Types of all tensors, by name, and a remark where they could not be inferred."""
    from onnx import shape_inference

    remark, inferred = "", model
    try:
        inferred = shape_inference.infer_shapes(model)
    except (shape_inference.InferenceError, RuntimeError, ValueError, TypeError) as error:
        remark = f"shapes could not be inferred: {' '.join(str(error).split())[:200]}"
    values = [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]
    return {value.name: _value_type(value) for value in values}, remark


def _value_type(value: Any) -> tuple[str, Shape]:
    tensor = value.type.tensor_type
    sides = tuple(
        int(side.dim_value) if side.HasField("dim_value") else (side.dim_param or "?") for side in tensor.shape.dim
    )
    return _dtype_name(tensor.elem_type), sides


def _dtype_name(number: int) -> str:
    """NumPy's name of an element type."""
    from onnx import TensorProto

    name = TensorProto.DataType.Name(number).lower() if number in TensorProto.DataType.values() else f"type {number}"
    return {"float": "float32", "double": "float64", "undefined": ""}.get(name, name)


_BITS = {"float32": 32, "float64": 64, "int64": 64, "uint64": 64, "int32": 32, "uint32": 32, "float16": 16,
         "bfloat16": 16, "int16": 16, "uint16": 16, "int4": 4, "uint4": 4}  # fmt: skip


def _bytes_of(dtype: str, sides: Sequence[int]) -> int:
    return math.prod(sides) * _BITS.get(dtype, 8) // 8
