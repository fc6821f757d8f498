"""Reading a ``.tflite`` flatbuffer into :class:`ModelFacts`, as far as it can be trusted.

The schema's accessors are used lazily: a field is read when it is asked for, and a list of tables is counted before it
is walked, so that a file of garbage costs an error and neither memory nor time.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hawklet.engines.tflite_metadata import read_metadata
from hawklet.errors import ModelError
from hawklet.spec import ModelFormat
from hawklet_converter.inspect.facts import (
    Arithmetic,
    Grid,
    LayerFacts,
    ModelFacts,
    Shape,
    TensorFacts,
    WeightFacts,
    batch_of,
    elements_of_one,
    product,
    remarks_on_macs,
)

MAX_ENTRIES = 50_000
"""Operations, tensors or buffers that a file may list; the largest networks have some thousands."""

_MAX_ELEMENTS = 20_000_000
"""Numbers and letters that all lists of a file may hold together: a crafted one lets many tables share a long list."""

GARBAGE = (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError, KeyError, AssertionError)
"""What the flatbuffer accessors raise on bytes that are no such file."""

_CONVERTS = frozenset({"QUANTIZE", "DEQUANTIZE", "CAST", "FAKE_QUANT"})
_MOVES = frozenset(
    {
        "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "PAD", "PADV2", "MIRROR_PAD", "SLICE", "STRIDED_SLICE",
        "CONCATENATION", "PACK", "UNPACK", "SPLIT", "SPLIT_V", "GATHER", "GATHER_ND", "TILE", "SPACE_TO_DEPTH",
        "DEPTH_TO_SPACE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "REVERSE_V2", "SHAPE", "RANK",
        "FILL", "RANGE", "DYNAMIC_UPDATE_SLICE", "SCATTER_ND", "EMBEDDING_LOOKUP",
    }
)  # fmt: skip
_HYBRID = frozenset(
    {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL", "LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "SVDF"}
)
"""Operations that take float activations with 8-bit weights, and quantize the activations as they come."""
_BYTES = ("int8", "uint8", "int4", "int2", "uint4")


@dataclass(frozen=True)
class _Tensor:
    facts: TensorFacts
    constant: WeightFacts | None


def read_tflite(content: bytes) -> ModelFacts:
    """Read a ``.tflite`` file.

    Raises:
        ModelError: it is no such file, or is damaged.
    """
    if content[4:8] != b"TFL3":
        raise ModelError(
            f"a .tflite file must carry the identifier TFL3 at byte 4, got {content[4:8]!r}; "
            "was it cut short or is it another format?"
        )
    try:
        return _Reader(content).read()
    except ModelError:  # which is a ValueError too
        raise
    except GARBAGE as error:
        raise ModelError(f"this .tflite file is cut short or damaged ({type(error).__name__} in its tables)") from error


class _Reader:
    """One pass over the primary graph."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema = schema
        self._content = content
        self._model = schema.Model.GetRootAs(content, 0)
        if _count(self._model.SubgraphsLength, "graphs") == 0:
            raise ModelError("this .tflite file holds no graph; was it cut short?")
        self._graph = self._model.Subgraphs(0)
        _count(self._model.BuffersLength, "buffers")
        self._left = _MAX_ELEMENTS
        self._names = self._tensor_names()
        self._tensors: dict[int, _Tensor] = {}
        self._stored: dict[str, WeightFacts] = {}
        """Constants behind a DEQUANTIZE, by the name of what it makes."""

    def _tensor_names(self) -> list[str]:
        """One for each tensor, all different: the format lets them be equal, or empty."""
        names: dict[str, int] = {}
        for number in range(_count(self._graph.TensorsLength, "tensors")):
            name = self._text(self._graph.Tensors(number).Name()) or f"tensor {number}"
            names[f"{name} ({number})" if name in names else name] = number
        return list(names)

    def read(self) -> ModelFacts:
        inputs = tuple(self._tensor(n).facts for n in self._ints(self._graph.InputsAsNumpy()))
        batch = batch_of(inputs)
        layers = tuple(self._layer(n, batch) for n in range(_count(self._graph.OperatorsLength, "operations")))
        tensors = [self._tensor(n) for n in range(len(self._names))]
        return ModelFacts(
            format=ModelFormat.TFLITE,
            bytes=len(self._content),
            layers=layers,
            inputs=inputs,
            outputs=tuple(self._tensor(n).facts for n in self._ints(self._graph.OutputsAsNumpy())),
            activations=tuple(t.facts for t in tensors if t.constant is None and t.facts.grid is not None),
            producer=self._text(self._model.Description()),
            versions={"schema": str(self._model.Version())} | self._minimum_runtime(),
            metadata=read_metadata(self._content),
            remarks=(*self._remarks(), *remarks_on_macs(layers, batch)),
        )

    def _remarks(self) -> Iterator[str]:
        count = self._model.SubgraphsLength()
        if count > 1:
            yield f"holds {count} graphs; the first is inspected"

    def _minimum_runtime(self) -> dict[str, str]:
        for number in range(_count(self._model.MetadataLength, "metadata entries")):
            entry = self._model.Metadata(number)
            if entry.Name() == b"min_runtime_version":
                raw = bytes(self._ints(self._model.Buffers(entry.Buffer()).DataAsNumpy()))
                return {"runtime at least": raw.rstrip(b"\0").decode("ascii", errors="replace")}
        return {}

    def _tensor(self, number: int) -> _Tensor:
        if not 0 <= number < len(self._names):
            raise IndexError(number)
        if number not in self._tensors:
            self._tensors[number] = self._read_tensor(number)
        return self._tensors[number]

    def _read_tensor(self, number: int) -> _Tensor:
        tensor = self._graph.Tensors(number)
        dtype = _dtype_names().get(tensor.Type(), f"type {tensor.Type()}")
        shape = self._ints(tensor.ShapeAsNumpy())
        free = self._ints(tensor.ShapeSignatureAsNumpy()) or shape
        scales, zeros = self._quantization(tensor)
        name = self._names[number]
        size = self._buffer_bytes(tensor.Buffer())
        grid = Grid(float(scales[0]), zeros[0]) if len(scales) == 1 and math.isfinite(scales[0]) else None
        facts = TensorFacts(name, dtype, tuple("?" if n < 0 else n for n in free), grid)
        if not size:
            return _Tensor(facts, None)
        middle = 128 if dtype == "uint8" else 0
        symmetric = all(zero == middle for zero in zeros)
        return _Tensor(facts, WeightFacts(name, dtype, shape, size, len(scales), symmetric))

    def _quantization(self, tensor: Any) -> tuple[Sequence[float], Sequence[int]]:
        quantization = tensor.Quantization()
        if quantization is None:
            return (), ()
        scales = _vector(quantization.ScaleAsNumpy())
        self._spend(len(scales))
        return scales, self._ints(quantization.ZeroPointAsNumpy()) or (0,) * len(scales)

    def _buffer_bytes(self, number: int) -> int:
        if number == 0:  # by convention the empty one, which some files leave out
            return 0
        if number >= self._model.BuffersLength():
            raise IndexError(number)
        buffer = self._model.Buffers(number)
        if buffer.Offset() <= 1:
            return len(_vector(buffer.DataAsNumpy()))  # a view, which fails where the file ends too early
        if buffer.Offset() + buffer.Size() > len(self._content):
            raise IndexError(number)
        return int(buffer.Size())

    def _spend(self, elements: int) -> None:
        self._left -= elements
        if self._left < 0:
            raise ModelError(f"a .tflite file's lists may hold {_MAX_ELEMENTS} entries together; is it damaged?")

    def _ints(self, vector: Any) -> tuple[int, ...]:
        found = _vector(vector)
        self._spend(len(found))
        return tuple(int(value) for value in found)

    def _text(self, raw: bytes | None) -> str:
        self._spend(len(raw or b""))
        return (raw or b"")[:1000].decode("utf-8", errors="replace")

    def _layer(self, number: int, batch: int) -> LayerFacts:
        operator = self._graph.Operators(number)
        op, needs = self._op(operator.OpcodeIndex())
        inputs = [self._tensor(n) for n in self._ints(operator.InputsAsNumpy()) if n >= 0]
        outputs = [self._tensor(n).facts for n in self._ints(operator.OutputsAsNumpy()) if n >= 0]
        activations = [t.facts for t in inputs if self._constant(t) is None]
        weights = [w for t in inputs if (w := self._constant(t)) is not None]
        if op == "DEQUANTIZE" and weights and outputs:
            self._stored[outputs[0].name] = weights[0]
        in_bytes = any(t.constant is not None and t.constant.dtype in _BYTES for t in inputs)
        arithmetic = Arithmetic.OTHER if needs else _arithmetic(op, activations, in_bytes, outputs)
        macs = _macs(op, [t.facts.shape for t in inputs], outputs)
        return LayerFacts(
            index=number,
            name=outputs[0].name if outputs else f"operation {number}",
            op=op,
            arithmetic=arithmetic,
            inputs=tuple(t.name for t in activations),
            outputs=tuple(t.name for t in outputs),
            input_dtype=activations[0].dtype if activations else "",
            output_dtype=outputs[0].dtype if outputs else "",
            output_shape=outputs[0].shape if outputs else (),
            macs=(macs or 0) // batch,
            macs_known=macs is not None,
            weights=tuple(w for w in weights if _is_weight(w)) if arithmetic.computes else (),
            activation=self._fused_activation(operator),
            needs=needs,
            permutation=self._permutation(operator) if op == "TRANSPOSE" else (),
        )

    def _constant(self, tensor: _Tensor) -> WeightFacts | None:
        """A constant as it is stored, also where a DEQUANTIZE of it stands between; None for an activation."""
        return tensor.constant or self._stored.get(tensor.facts.name)

    def _op(self, number: int) -> tuple[str, str]:
        if number >= _count(self._model.OperatorCodesLength, "kinds of operations"):
            raise IndexError(number)
        code = self._model.OperatorCodes(number)
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if builtin != self._schema.BuiltinOperator.CUSTOM:
            return _op_names().get(builtin, f"operation number {builtin}"), ""
        name = self._text(code.CustomCode())
        if name.startswith("Flex"):
            return name, f"TensorFlow's Flex delegate for {name}"
        return name or "CUSTOM", f"custom operation {name}"

    def _fused_activation(self, operator: Any) -> str:
        kind = _option_names().get(operator.BuiltinOptionsType(), "NONE")
        table = operator.BuiltinOptions()
        options = getattr(self._schema, kind, None)
        if table is None or options is None or not hasattr(options, "FusedActivationFunction"):
            return ""
        reader = options()
        reader.Init(table.Bytes, table.Pos)
        return _activation_names().get(reader.FusedActivationFunction(), "")

    def _permutation(self, operator: Any) -> tuple[int, ...]:
        number = self._ints(operator.InputsAsNumpy())[1]
        data = self._ints(self._model.Buffers(self._graph.Tensors(number).Buffer()).DataAsNumpy())
        return struct.unpack(f"<{len(data) // 4}i", bytes(data[: len(data) // 4 * 4]))


def _count(length: Callable[[], int], what: str) -> int:
    count = int(length())
    if count > MAX_ENTRIES:
        raise ModelError(f"a .tflite file may list {MAX_ENTRIES} {what} at most, got {count}; is it damaged?")
    return count


def _vector(vector: Any) -> Sequence[Any]:
    """A vector as the accessors give it, which is 0 where it is absent."""
    found: Sequence[Any] = () if isinstance(vector, int) else vector
    return found


def _is_weight(weight: WeightFacts) -> bool:
    """Not a shape, an axis or a permutation: those are integers without a grid."""
    return weight.scales > 0 or weight.dtype not in ("int32", "int64", "bool")


def _arithmetic(
    op: str, activations: Sequence[TensorFacts], weights_in_bytes: bool, outputs: Sequence[TensorFacts]
) -> Arithmetic:
    if op in _CONVERTS:
        return Arithmetic.CONVERTS
    if op in _MOVES:
        return Arithmetic.MOVES
    dtype = outputs[0].dtype if outputs else ""
    if dtype not in ("float32", "float16", "int8", "uint8", "int16") and activations:
        dtype = activations[0].dtype  # ARG_MAX and comparisons answer in another type than they compute in
    if dtype == "float32" and op in _HYBRID and weights_in_bytes:
        return Arithmetic.DYNAMIC_INT8
    return _BY_DTYPE.get(dtype, Arithmetic.OTHER)


_BY_DTYPE = {
    "int8": Arithmetic.INT8,
    "uint8": Arithmetic.INT8,
    "int16": Arithmetic.INT16,
    "float16": Arithmetic.FLOAT16,
    "float32": Arithmetic.FLOAT32,
}


def _macs(op: str, inputs: Sequence[Shape], outputs: Sequence[TensorFacts]) -> int | None:
    """Multiply-accumulates; weights are ``[O, H, W, I]``, of a depthwise convolution ``[1, H, W, O]``.

    None where a size is not known.
    """
    if op not in _MACS_AXES or len(inputs) < 2 or not outputs:
        return 0
    made = inputs[2] if op == "TRANSPOSE_CONV" and len(inputs) > 2 else outputs[0].shape
    numbers = elements_of_one(made)
    each = product(inputs[0][-1:] if op == "BATCH_MATMUL" else inputs[1][_MACS_AXES[op]])
    return None if numbers is None or each is None else numbers * each


_MACS_AXES = {
    "CONV_2D": slice(1, None),
    "FULLY_CONNECTED": slice(1, None),
    "DEPTHWISE_CONV_2D": slice(1, 3),
    "CONV_3D": slice(-1),
    "TRANSPOSE_CONV": slice(3),
    "BATCH_MATMUL": slice(0),
}
"""Axes of the weights whose product is what one result takes."""


@functools.cache
def _op_names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return _names_of(schema.BuiltinOperator)


@functools.cache
def _option_names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return _names_of(schema.BuiltinOptions)


@functools.cache
def _activation_names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {number: name for number, name in _names_of(schema.ActivationFunctionType).items() if name != "NONE"}


@functools.cache
def _dtype_names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {number: name.lower() for number, name in _names_of(schema.TensorType).items()}


def _names_of(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}
