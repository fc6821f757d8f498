"""The vocabulary of ``hawklet inspect``: what a model file is, whatever its format. Nothing here reads or judges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from hawklet.spec import ModelFormat

Shape: TypeAlias = tuple["int | str", ...]
"""Sides of a tensor; a side that is free has its name, or ``?``."""


def product(sides: Iterable[int | str]) -> int | None:
    """Of all sides; None where one of them is free."""
    factors = list(sides)
    known = [side for side in factors if isinstance(side, int)]
    return math.prod(known) if len(known) == len(factors) else None


def elements_of_one(shape: Shape) -> int | None:
    """Numbers that a shape holds where a free first side, the batch, is 1; None where more of it is not known."""
    return product((1, *shape[1:]) if isinstance(shape[0], str) else shape) if shape else None


class Arithmetic(str, Enum):
    """What one layer computes in. CONVERTS, MOVES and FUSED are no arithmetic of their own."""

    INT8 = "int8"
    """Weights and activations are 8-bit integers."""
    INT16 = "int16"
    """16-bit activations."""
    DYNAMIC_INT8 = "int8-dynamic"
    """8-bit weights; activations are float and quantized anew at every inference."""
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    OTHER = "other"
    """Index, boolean or text arithmetic, and custom operations."""
    CONVERTS = "converts"
    """QUANTIZE, DEQUANTIZE, CAST and their like."""
    MOVES = "moves"
    """Reorders or renames values without computing: RESHAPE, TRANSPOSE, CONCATENATION."""
    FUSED = "fused"
    """Vanishes into a neighbour when the runtime loads the file."""

    @property
    def computes(self) -> bool:
        """Whether such a layer counts when shares of operations are told."""
        return self in _COMPUTES

    @property
    def is_integer(self) -> bool:
        """Whether weights and activations are integers while they are computed with."""
        return self in (Arithmetic.INT8, Arithmetic.INT16)

    @property
    def is_float(self) -> bool:
        """Whether values are floating-point numbers while they are computed."""
        return self in (Arithmetic.FLOAT16, Arithmetic.FLOAT32)


_COMPUTES = (
    Arithmetic.INT8,
    Arithmetic.INT16,
    Arithmetic.DYNAMIC_INT8,
    Arithmetic.FLOAT16,
    Arithmetic.FLOAT32,
)


class PrecisionKind(str, Enum):
    """What a whole file computes in, in one word."""

    INT8 = "int8"
    """Every computing layer: weights and activations."""
    INT16 = "int16"
    DYNAMIC_INT8 = "int8-dynamic"
    INT8_WEIGHTS = "int8-weights"
    """Weights are stored in 8 bits or fewer and computed with in float."""
    FLOAT16_WEIGHTS = "float16-weights"
    """Weights are stored in half precision and computed with in float32."""
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    MIXED = "mixed"
    NONE = "none"
    """No layer computes."""


@dataclass(frozen=True)
class Grid:
    """How integers stand for real numbers: ``real = (integer - zero_point) * scale``."""

    scale: float
    zero_point: int


_INTEGER_RANGES = {
    "int4": (-8, 7),
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "uint16": (0, 65535),
}


@dataclass(frozen=True)
class TensorFacts:
    """An input, an output, or an activation."""

    name: str
    dtype: str
    """NumPy's name."""
    shape: Shape
    grid: Grid | None = None

    @property
    def real_range(self) -> tuple[float, float] | None:
        """Smallest and largest real number it can hold; None where it has no grid."""
        if self.grid is None or self.dtype not in _INTEGER_RANGES:
            return None
        low, high = ((end - self.grid.zero_point) * self.grid.scale for end in _INTEGER_RANGES[self.dtype])
        return (low, high)

    @property
    def is_symmetric(self) -> bool:
        """Whether real 0 lies in the middle of the integers."""
        return self.grid is not None and self.grid.zero_point == {"uint8": 128, "uint16": 32768}.get(self.dtype, 0)


@dataclass(frozen=True)
class WeightFacts:
    """A constant that a layer computes with."""

    name: str
    dtype: str
    """As stored."""
    shape: tuple[int, ...]
    bytes: int
    """Within the file; 0 where the values lie elsewhere."""
    scales: int = 0
    """0 = no grid; 1 = one for the tensor; more = one per channel or block."""
    symmetric: bool = True

    @property
    def elements(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class LayerFacts:
    """One operation of the graph."""

    index: int
    """Position among the file's own operations."""
    name: str
    op: str
    """As the format calls it: ``CONV_2D``, ``Conv``."""
    arithmetic: Arithmetic
    inputs: tuple[str, ...]
    """Names of the activations it reads."""
    outputs: tuple[str, ...]
    input_dtype: str
    output_dtype: str
    output_shape: Shape
    macs: int
    """Multiply-accumulates of one inference at batch 1; 0 where they are not known."""
    weights: tuple[WeightFacts, ...] = ()
    activation: str = ""
    """Function fused into it by the file itself, as ``RELU6``."""
    needs: str = ""
    """What a runtime must bring that it usually lacks, as ``custom operation fake-op``."""
    permutation: tuple[int, ...] = ()
    """TRANSPOSE only."""
    macs_known: bool = True
    """False where the sizes that they follow from are open."""

    @property
    def parameters(self) -> int:
        """Numbers learnt."""
        return sum(weight.elements for weight in self.weights)

    @property
    def weight_bytes(self) -> int:
        """Bytes of its constants in the file."""
        return sum(weight.bytes for weight in self.weights)

    @property
    def kernel(self) -> WeightFacts | None:
        """The largest of its constants: the weights proper, not the bias."""
        return max(self.weights, key=lambda weight: weight.elements, default=None)


@dataclass(frozen=True)
class ModelFacts:
    """What a model file says, read without running it."""

    format: ModelFormat
    bytes: int
    """Size of the file."""
    layers: tuple[LayerFacts, ...]
    """In an order of execution, which is the file's own where that is one."""
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    activations: tuple[TensorFacts, ...]
    """The activations that have a grid."""
    producer: str
    versions: Mapping[str, str]
    """Of the format: ``schema``, or ``IR`` and ``opset``."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the file itself carries beside the graph; ``labels`` newline-separated."""
    remarks: tuple[str, ...] = ()
    """What was left unread, and why."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference at batch 1; those not known are left out."""
        return sum(layer.macs for layer in self.layers)

    @property
    def macs_known(self) -> bool:
        """Whether :attr:`macs` counts every layer."""
        return all(layer.macs_known for layer in self.layers)

    @property
    def weights(self) -> tuple[WeightFacts, ...]:
        """Every constant that is computed with, once."""
        return tuple({weight.name: weight for layer in self.layers for weight in layer.weights}.values())

    @property
    def parameters(self) -> int:
        """Numbers learnt."""
        return sum(weight.elements for weight in self.weights)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constants that are computed with."""
        return sum(weight.bytes for weight in self.weights)

    @property
    def computing(self) -> tuple[LayerFacts, ...]:
        """Layers that do arithmetic."""
        return tuple(layer for layer in self.layers if layer.arithmetic.computes)

    @property
    def int8_macs_share(self) -> float:
        """Share of the multiply-accumulates that are done in int8, 0..1; 0 for a file without any."""
        return self._macs_in(Arithmetic.INT8) / self.macs if self.macs else 0.0

    @property
    def int8_ops_share(self) -> float:
        """Share of the computing layers that compute in int8, 0..1."""
        layers = self.computing
        return sum(layer.arithmetic is Arithmetic.INT8 for layer in layers) / len(layers) if layers else 0.0

    def _macs_in(self, arithmetic: Arithmetic) -> int:
        return sum(layer.macs for layer in self.layers if layer.arithmetic is arithmetic)

    @property
    def float_ops(self) -> tuple[str, ...]:
        """Operations that compute in float, each named once."""
        return tuple(sorted({layer.op for layer in self.layers if layer.arithmetic.is_float}))

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels inside the file."""
        return tuple(line for line in self.metadata.get("labels", "").splitlines() if line.strip())

    @property
    def precision(self) -> PrecisionKind:
        """What it really computes in."""
        kinds = {layer.arithmetic for layer in self.computing}
        if not kinds:
            return PrecisionKind.NONE
        if kinds == {Arithmetic.FLOAT32}:
            return self._stored_weights()
        if len(kinds) == 1:
            return PrecisionKind(kinds.pop().value)
        return PrecisionKind.DYNAMIC_INT8 if kinds == _DYNAMIC else PrecisionKind.MIXED

    def _stored_weights(self) -> PrecisionKind:
        """Float arithmetic: by what most weights are stored as."""
        total = self.parameters
        for dtypes, kind in _STORED:
            if total and 2 * sum(weight.elements for weight in self.weights if weight.dtype in dtypes) > total:
                return kind
        return PrecisionKind.FLOAT32


_DYNAMIC = {Arithmetic.DYNAMIC_INT8, Arithmetic.FLOAT32}
_STORED = (
    (("int2", "int4", "uint4", "int8", "uint8"), PrecisionKind.INT8_WEIGHTS),
    (("float16", "bfloat16"), PrecisionKind.FLOAT16_WEIGHTS),
)


def batch_of(inputs: Sequence[TensorFacts]) -> int:
    """How many pictures a file takes at a time; 1 where that is open, or where its inputs do not agree."""
    firsts = {one.shape[0] for one in inputs if len(one.shape) > 1}
    fixed = [first for first in firsts if isinstance(first, int)]
    return max(1, fixed[0]) if len(firsts) == len(fixed) == 1 else 1


def remarks_on_macs(layers: Sequence[LayerFacts], batch: int) -> Iterator[str]:
    """What a reader of MACs must know."""
    unknown = sum(not layer.macs_known for layer in layers)
    if unknown:
        yield f"the sizes of {unknown} layers are not known, so their MACs are not counted"
    if batch > 1:
        yield f"takes {batch} inputs at a time; MACs are told of one"


class Severity(str, Enum):
    """How bad a finding is."""

    WRONG = "wrong"
    """The file cannot do what it should, or is not what is claimed."""
    SLOW = "slow"
    """It works, and wastes time."""
    NOTE = "note"


class Source(str, Enum):
    """Where a finding comes from."""

    FILE = "read from the file"
    MEASURED = "measured here"
    TABLE = "from a table, not measured"


@dataclass(frozen=True)
class Finding:
    """One thing worth knowing."""

    severity: Severity
    code: str
    """Stable name for programs, as ``island``."""
    text: str
    source: Source = Source.FILE
    layers: tuple[int, ...] = ()
    """Indices of the layers concerned."""
