"""What the facts of a model file mean: findings, each with its layers and where it comes from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hawklet.spec import ModelFormat
from hawklet_converter.inspect.facts import Arithmetic, Finding, LayerFacts, ModelFacts, PrecisionKind, Severity, Source

_TO_FLOAT = frozenset({"DEQUANTIZE", "DequantizeLinear"})
_TO_INTEGER = frozenset({"QUANTIZE", "QuantizeLinear"})
_CONVERTS_TYPE = _TO_FLOAT | _TO_INTEGER
_TRANSPOSES = frozenset({"TRANSPOSE", "Transpose"})
_NAMED = 4
"""Names spelt out in a sentence before the rest is counted."""


@dataclass(frozen=True)
class Island:
    """A float region between int8 regions."""

    layers: tuple[int, ...]
    """Indices of the layers that compute or move within it; empty for a bare pair."""
    conversions: tuple[int, ...]
    macs: int


def judge(facts: ModelFacts) -> tuple[Finding, ...]:
    """Everything worth saying that the file alone tells."""
    return (
        *_unrunnable(facts),
        *_half_quantized(facts),
        *_island_findings(facts),
        *_unfused_activations(facts),
        *_transposes(facts),
        *_weight_grids(facts),
        *_for_tensorrt(facts),
        *_foreign_labels(facts),
        *(Finding(Severity.NOTE, "unread", text) for text in facts.remarks),
    )


def _unrunnable(facts: ModelFacts) -> Iterator[Finding]:
    for needs, layers in _grouped((layer.needs, layer.index) for layer in facts.layers if layer.needs).items():
        text = f"needs {needs}, which the runtime does not bring"
        yield Finding(Severity.WRONG, "custom-op", text, layers=tuple(layers))


def _half_quantized(facts: ModelFacts) -> Iterator[Finding]:
    """A file with 8-bit parts that is not int8 through and through."""
    kind = facts.precision
    if kind is PrecisionKind.MIXED:
        floats = [layer for layer in facts.layers if layer.arithmetic.is_float]
        macs = sum(layer.macs for layer in floats)
        some = macs or not all(layer.macs_known for layer in floats)
        share = f"; {_millions(macs)} of the MACs" if macs or not some else ""
        text = f"computes in float: {counted(layer.op for layer in floats)}{share}"
        yield Finding(Severity.SLOW if some else Severity.NOTE, "float-layers", text, layers=_indices(floats))
    if kind is PrecisionKind.DYNAMIC_INT8:
        stored = f"weights are {weight_dtypes(facts)}, activations are float"
        text = f"{stored} and quantized anew at every inference: no full int8 speed"
        yield Finding(Severity.SLOW, "dynamic", text)
    if kind is PrecisionKind.INT8_WEIGHTS:
        text = f"only the weights are {weight_dtypes(facts)}: a smaller file that computes in float"
        yield Finding(Severity.SLOW, "weight-only", text)


def islands(facts: ModelFacts) -> tuple[Island, ...]:
    """Float regions that were cut out of an int8 graph.

    For TFLite a region is what float tensors join together, with a DEQUANTIZE of computed values at its beginning and a
    QUANTIZE at its end; conversion at the graph's own edges is none. In ONNX every operation stands between
    DequantizeLinear and QuantizeLinear, so a region is what ONNX Runtime cannot fuse into integer kernels.
    """
    return tuple(_tflite_islands(facts) if facts.format is ModelFormat.TFLITE else _onnx_islands(facts))


def _tflite_islands(facts: ModelFacts) -> Iterator[Island]:
    edge = _edge_tensors(facts)
    floats = [layer for layer in facts.layers if _is_float(layer) and (layer.inputs or layer.outputs)]
    for region in _regions(floats):
        entries = [one for one in region if one.op in _TO_FLOAT and one.inputs and one.inputs[0] not in edge]
        exits = [one for one in region if one.op in _TO_INTEGER]
        if entries and exits:
            yield _island(region)


def _onnx_islands(facts: ModelFacts) -> Iterator[Island]:
    """Of float layers that read or write what is quantized on both sides."""
    floats = [layer for layer in facts.layers if layer.arithmetic.is_float or layer.arithmetic is Arithmetic.FUSED]
    made = {name: layer for layer in facts.layers for name in layer.outputs}
    readers = _readers(facts.layers)
    edge = _edge_tensors(facts)
    for region in _regions(floats):
        if not any(layer.arithmetic.is_float for layer in region):
            continue
        sources = [made[name] for layer in region for name in layer.inputs if name in made]
        entries = [one for one in sources if one.op in _TO_FLOAT and one.inputs and one.inputs[0] not in edge]
        exits = [one for layer in region for name in layer.outputs for one in readers[name] if one.op in _TO_INTEGER]
        if entries and exits:
            yield _island([*region, *entries, *exits])


def _is_float(layer: LayerFacts) -> bool:
    """Whether a TFLite layer handles float values, if only on one side."""
    if layer.op in _CONVERTS_TYPE:
        return "float" in layer.input_dtype or "float" in layer.output_dtype
    return "float" in layer.output_dtype


def _edge_tensors(facts: ModelFacts) -> set[str]:
    """The inputs, and what is only moved or converted from them."""
    edge = {tensor.name for tensor in facts.inputs}
    for layer in facts.layers:
        passive = layer.arithmetic in (Arithmetic.MOVES, Arithmetic.CONVERTS)
        if passive and layer.inputs and all(name in edge for name in layer.inputs):
            edge.update(layer.outputs)
    return edge


def _regions(layers: Sequence[LayerFacts]) -> Iterator[list[LayerFacts]]:
    """Groups of layers that float tensors join, in graph order."""
    group = {layer.index: layer.index for layer in layers}
    maker = {name: layer.index for layer in layers if layer.op not in _TO_INTEGER for name in layer.outputs}

    def root(index: int) -> int:
        while group[index] != index:
            index = group[index]
        return index

    for layer in layers:
        for name in layer.inputs if layer.op not in _TO_FLOAT else ():
            if name in maker:
                group[root(layer.index)] = root(maker[name])
    yield from _grouped((root(layer.index), layer) for layer in layers).values()


def _island(region: Iterable[LayerFacts]) -> Island:
    members = {layer.index: layer for layer in region}
    inside = [layer for layer in members.values() if layer.op not in _CONVERTS_TYPE]
    conversions = sorted(index for index, layer in members.items() if layer.op in _CONVERTS_TYPE)
    return Island(_indices(inside), tuple(conversions), sum(layer.macs for layer in inside))


def _island_findings(facts: ModelFacts) -> Iterator[Finding]:
    by_index = {layer.index: layer for layer in facts.layers}
    kinds: dict[str, list[Island]] = defaultdict(list)
    for island in islands(facts):
        kinds[" + ".join(_runs(by_index[index].op for index in island.layers))].append(island)
    for what, found in kinds.items():
        macs = sum(island.macs for island in found)
        layers = tuple(index for island in found for index in (*island.layers, *island.conversions))
        conversions = sum(len(island.conversions) for island in found)
        if not what:
            text = f"{len(found)} x a dequantization followed by a quantization with nothing between: needless"
            yield Finding(Severity.SLOW, "needless-conversion", text, layers=layers)
            continue
        names = _named([by_index[island.layers[0]] for island in found])
        cost = f"{_millions(macs)} MACs, {conversions} conversions"
        text = f"{len(found)} x float island {what} in the {_kind_of_graph(facts)} graph ({cost}): {names}"
        yield Finding(Severity.SLOW if macs else Severity.NOTE, "island", text, layers=layers)


def _kind_of_graph(facts: ModelFacts) -> str:
    kinds = {layer.arithmetic for layer in facts.layers if layer.arithmetic.is_integer}
    return kinds.pop().value if len(kinds) == 1 else "quantized"


def _unfused_activations(facts: ModelFacts) -> Iterator[Finding]:
    """A Relu or Clip between DequantizeLinear's and QuantizeLinear's that the grid does not imply."""
    if facts.format is not ModelFormat.ONNX:
        return
    readers = _readers(facts.layers)
    made = {name: layer for layer in facts.layers for name in layer.outputs}
    left = [
        layer
        for layer in facts.layers
        if layer.op in ("Relu", "Clip")
        and layer.arithmetic is not Arithmetic.FUSED
        and any(reader.op in _TO_INTEGER for name in layer.outputs for reader in readers[name])
    ]
    if not left:
        return
    held = [made[layer.inputs[0]] for layer in left if layer.inputs and layer.inputs[0] in made]
    text = (
        f"{counted(layer.op for layer in left)} left before QuantizeLinear, on a grid that reaches beyond its limits, "
        f"so what is before computes in float: {counted(one.op for one in held if one.arithmetic.is_float)}"
    )
    yield Finding(Severity.SLOW, "unfused-activation", text, layers=_indices(left))


def _transposes(facts: ModelFacts) -> Iterator[Finding]:
    made = {name: layer for layer in facts.layers for name in layer.outputs}
    edge = _edge_tensors(facts)
    for layer in facts.layers:
        if layer.op not in _TRANSPOSES or not layer.inputs:
            continue
        before = made.get(layer.inputs[0])
        if before is not None and before.op in _TRANSPOSES and _cancel(before.permutation, layer.permutation):
            text = f"#{before.index} and #{layer.index} ({layer.op}) undo one another"
            yield Finding(Severity.SLOW, "needless-transpose", text, layers=(before.index, layer.index))
        elif facts.format is ModelFormat.TFLITE and layer.inputs[0] in edge:
            text = f"the input is transposed ({_named([layer])}): the network computes in NHWC and is given NCHW"
            yield Finding(Severity.SLOW, "input-transpose", text, layers=(layer.index,))
        elif facts.format is ModelFormat.TFLITE:
            yield Finding(
                Severity.NOTE,
                "transpose",
                f"transposes within the graph: #{layer.index} {shorten(layer.name)}",
                layers=(layer.index,),
            )


def _cancel(first: Sequence[int], second: Sequence[int]) -> bool:
    inside = all(0 <= place < len(first) for place in second)
    return bool(first) and inside and [first[place] for place in second] == list(range(len(first)))


def _weight_grids(facts: ModelFacts) -> Iterator[Finding]:
    kernels = _int8_kernels(facts)
    single = [layer for layer in kernels if layer.kernel is not None and layer.kernel.scales == 1]
    convolutions = [layer for layer in single if "conv" in layer.op.lower()]
    if convolutions:
        text = f"{len(convolutions)} convolutions have one scale for all channels, which costs accuracy"
        yield Finding(Severity.NOTE, "per-tensor-weights", text, layers=_indices(convolutions))


def _int8_kernels(facts: ModelFacts) -> list[LayerFacts]:
    return [layer for layer in facts.layers if _multiplies(layer) and layer.kernel and layer.kernel.scales]


def _multiplies(layer: LayerFacts) -> bool:
    return layer.macs > 0 or not layer.macs_known


def _for_tensorrt(facts: ModelFacts) -> Iterator[Finding]:
    if facts.format is not ModelFormat.ONNX or not facts.int8_ops_share:
        return
    refused = [one for one in facts.activations if one.dtype != "int8" or not one.is_symmetric]
    if refused:
        text = (
            f"TensorRT takes int8 activations with zero point 0; {len(refused)} of {len(facts.activations)} here are "
            "not: it would refuse the file or leave them float (for a Jetson: --target jetson)"
        )
        yield Finding(Severity.NOTE, "tensorrt", text, Source.TABLE)


def _foreign_labels(facts: ModelFacts) -> Iterator[Finding]:
    labels, last = facts.labels, facts.outputs[0].shape[-1:] if len(facts.outputs) == 1 else ()
    if labels and last and isinstance(last[0], int) and last[0] != len(labels):
        text = f"carries {len(labels)} labels for {last[0]} outputs"
        yield Finding(Severity.WRONG, "labels", text)


def weight_dtypes(facts: ModelFacts) -> str:
    """What the weights that lie on grids are stored as, as ``int8``; the most of them first."""
    sizes: Counter[str] = Counter()
    for layer in facts.layers:
        sizes.update({one.dtype: one.elements for one in layer.weights if one.dtype not in _NO_GRID})
    return "/".join(dtype for dtype, _ in sizes.most_common()) or "integer"


_NO_GRID = frozenset({"float32", "float64", "float16", "bfloat16", "int32", "int64"})
"""What biases and plain constants are stored as."""


def weight_scheme(facts: ModelFacts) -> str:
    """How the 8-bit weights lie on their grids, in words; empty where there are none."""
    kernels = [layer.kernel for layer in _int8_kernels(facts) if layer.kernel is not None]
    if not kernels:
        return ""
    channels = sum(kernel.scales > 1 for kernel in kernels)
    symmetric = sum(kernel.symmetric for kernel in kernels)
    dtypes = "/".join(sorted({kernel.dtype for kernel in kernels}))
    return f"{dtypes}, {_share(channels, len(kernels), 'per channel', 'per tensor')}, " + _share(
        symmetric, len(kernels), "symmetric", "asymmetric"
    )


def activation_scheme(facts: ModelFacts) -> str:
    """How the integer activations lie on their grids, in words; empty where there are none."""
    integers = [one for one in facts.activations if one.dtype in ("int8", "uint8", "int16", "uint16")]
    computed = {name for layer in facts.computing for name in (*layer.inputs, *layer.outputs)}
    if not integers or (facts.format is ModelFormat.TFLITE and not any(one.name in computed for one in integers)):
        return ""
    if facts.format is ModelFormat.ONNX and not any(layer.arithmetic.is_integer for layer in facts.layers):
        return ""
    dtypes = "/".join(sorted({one.dtype for one in integers}))
    symmetric = sum(one.is_symmetric for one in integers)
    return f"{dtypes}, per tensor, " + _share(symmetric, len(integers), "symmetric", "asymmetric")


def _share(count: int, total: int, yes: str, no: str) -> str:
    if count == total:
        return yes
    if not count:
        return no
    return f"{count} of {total} {yes}, the rest {no}"


def layout(facts: ModelFacts) -> str:
    """``NHWC`` or ``NCHW``, of a model that takes pictures; else empty."""
    if len(facts.inputs) != 1 or len(facts.inputs[0].shape) != 4:
        return ""
    _, *sides = facts.inputs[0].shape
    if sides[2] in (1, 3, 4):
        return "NHWC"
    return "NCHW" if sides[0] in (1, 3, 4) else ""


def counted(names: Iterable[str]) -> str:
    """``CONV_2D x 3, ADD``, the most frequent first."""
    return ", ".join(f"{name} x {n}" if n > 1 else name for name, n in Counter(names).most_common())


def _millions(macs: int) -> str:
    return f"{macs / 1e6:.2f} M" if macs else "0"


def _named(layers: Sequence[LayerFacts]) -> str:
    short = [f"#{layer.index} {shorten(layer.name)}" for layer in layers[:_NAMED]]
    return ", ".join(short) + (f" and {len(layers) - _NAMED} more" if len(layers) > _NAMED else "")


def shorten(name: str, width: int = 36) -> str:
    """What tells a layer from the others, of the long names that converters string together.

    LiteRT's converter for PyTorch names every layer after its module's class, and numbers them at the very end; others
    put the layer's own path first, which is telling at its right end.
    """
    first, *more = name.split(";")
    if more and (not more[-1] or more[-1].isdigit()):
        return _without_middle(";".join(part.split("/")[-1].split(".")[-1] for part in (first, *more) if part), width)
    first = first or name
    if len(first) <= width:
        return first
    parts = first.split("/")
    tails = ("/".join(parts[-kept:]) for kept in range(len(parts) - 1, 0, -1))
    return next((tail for tail in tails if len(tail) <= width), _without_middle(parts[-1], width))


def _without_middle(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    kept = width - len("...")
    return f"{text[: kept - kept // 2]}...{text[-(kept // 2) :]}"


def _runs(names: Iterable[str]) -> list[str]:
    """Each name once, in order of appearance."""
    return list(dict.fromkeys(names))


def _indices(layers: Iterable[LayerFacts]) -> tuple[int, ...]:
    return tuple(sorted(layer.index for layer in layers))


def _readers(layers: Iterable[LayerFacts]) -> Mapping[str, list[LayerFacts]]:
    readers: dict[str, list[LayerFacts]] = defaultdict(list)
    for layer in layers:
        for name in layer.inputs:
            readers[name].append(layer)
    return readers


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _grouped(pairs: Iterable[tuple[_Key, _Value]]) -> dict[_Key, list[_Value]]:
    groups: dict[_Key, list[_Value]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups
