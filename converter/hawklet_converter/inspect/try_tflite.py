"""Trying a ``.tflite`` model in LiteRT: does it run, what does XNNPACK take, where does the time go?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from hawklet.engines.tflite import load_library
from hawklet_converter import tflite_file
from hawklet_converter.inspect.cut_tflite import constant_makers, cut_operators, paddings
from hawklet_converter.inspect.time_in_turn import ROUNDS, milliseconds
from hawklet_converter.inspect.trial import Latency, MeasuredLayer, Trial

_DELEGATE = "DELEGATE"
_WHOLE = -1
_METHOD = (
    "each operation (a convolution with the PAD before it) cut out as a model of its own, with its weights, and run "
    f"by LiteRT on one thread in turn with the whole model; medians of CPU time over {ROUNDS} rounds (the Python "
    "interface of LiteRT has no profiler)"
)


def try_tflite(content: bytes, *, latency: bool) -> Trial:
    """Load, run once, and measure the layers if asked to."""
    library, runtime = load_library()
    try:
        interpreter = _open(library, content)
        interpreter.invoke()
    except (RuntimeError, ValueError, MemoryError) as error:
        return Trial(runtime, runs=False, error=" ".join(str(error).split())[:500])
    partitions = sum(op == _DELEGATE for op, _ in _nodes(interpreter))
    return Trial(
        runtime,
        runs=True,
        delegate="XNNPACK" if partitions else "",
        partitions=partitions,
        undelegated=_undelegated(library, content),
        latency=_measure(library, content, interpreter) if latency else None,
    )


def _open(library: Any, content: bytes, **options: Any) -> Any:
    interpreter = library.Interpreter(model_content=content, num_threads=1, **options)
    interpreter.allocate_tensors()
    random = np.random.default_rng(0)
    for entry in interpreter.get_input_details():
        interpreter.set_tensor(entry["index"], _values(random, entry["shape"], np.dtype(entry["dtype"])))
    return interpreter


def _values(random: np.random.Generator, shape: Any, dtype: np.dtype[Any]) -> Any:
    """Numbers that no kernel stumbles over: indices stay 0."""
    if dtype.kind == "f":
        return random.standard_normal(shape).astype(dtype)
    if dtype.itemsize == 1 and dtype.kind in "iu":
        return random.integers(0, 127, shape).astype(dtype)
    return np.zeros(shape, dtype=dtype)


def _undelegated(library: Any, content: bytes) -> tuple[int, ...] | None:
    """Operations that no delegate took, told by a graph in which every delegated one is a partition of its own."""
    try:
        interpreter = _open(library, content, experimental_disable_delegate_node_fusion=True)
    except TypeError:  # an older library, without this switch
        return None
    nodes = _nodes(interpreter)
    taken = {outputs for op, outputs in nodes if op == _DELEGATE}
    return tuple(n for n, (op, outputs) in enumerate(nodes) if op != _DELEGATE and outputs not in taken)


def _nodes(interpreter: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Operation and outputs of every node: first the file's own, then those of delegates.

    ``_get_ops_details`` says the same, but fails on names that are no UTF-8.
    """
    inner = interpreter._interpreter
    return [(inner.NodeName(n), tuple(map(int, inner.NodeOutputs(n)))) for n in range(inner.NumNodes())]


def _measure(library: Any, content: bytes, whole: Any) -> Latency:
    model = tflite_file.read_model(content)
    joined = paddings(model)
    calls: dict[int, Callable[[], object]] = {_WHOLE: whole.invoke}
    unmeasured = []
    for number, cut in _cuts(model, joined):
        try:
            alone = _open(library, cut)
            alone.invoke()
        except (RuntimeError, ValueError):
            unmeasured.append(number)
            continue
        calls[number] = alone.invoke
    times = milliseconds(calls)
    total = times.pop(_WHOLE)
    times |= {pad: 0.0 for pad, after in joined.items() if after in times}
    layers = tuple(
        MeasuredLayer(_op(model, number), _name(model, number), times[number], number, joined.get(number))
        for number in sorted(times)
    )
    return Latency(layers, total, _METHOD, tuple(unmeasured))


def _cuts(model: Any, joined: Mapping[int, int]) -> Iterator[tuple[int, bytes]]:
    """Every operation that an inference executes, as a model of its own; a convolution with its padding."""
    makers = constant_makers(model)
    before = {after: pad for pad, after in joined.items()}
    for number in range(len(model.subgraphs[0].operators)):
        if number not in joined:
            cut = cut_operators(model, [before[number], number] if number in before else [number], makers)
            if cut is not None:
                yield number, cut


def _op(model: Any, number: int) -> str:
    return tflite_file.operator_name(model, model.subgraphs[0].operators[number])


def _name(model: Any, number: int) -> str:
    graph = model.subgraphs[0]
    name: bytes = graph.tensors[int(graph.operators[number].outputs[0])].name or b""
    return name.decode("utf-8", errors="replace")  # other people's names may be anything
