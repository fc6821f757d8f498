"""Trying an ``.onnx`` model in ONNX Runtime: does it run, what becomes of its graph, where does the time go?"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from hawklet.engines.onnx import load_library
from hawklet_converter import onnx_file
from hawklet_converter.inspect.trial import Latency, MeasuredLayer, Trial

_RUNS, _WARM_UP = 40, 5
_KEPT = 0.75
"""Share of the runs, the quickest, that a layer's mean is taken of: what other programs did to the rest is left out."""
_METHOD = (
    "ONNX Runtime's own profiler on one thread: mean wall time of the quickest three quarters of "
    f"{_RUNS} runs; the total is the median CPU time of a session without the profiler, run in turn with it"
)
_DTYPES = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64, "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8, "tensor(uint16)": np.uint16, "tensor(int16)": np.int16, "tensor(uint32)": np.uint32,
    "tensor(int32)": np.int32, "tensor(uint64)": np.uint64, "tensor(int64)": np.int64, "tensor(bool)": np.bool_,
}  # fmt: skip
_MARK = re.compile(r"@(\d+)@")
_INTEGER = re.compile(r"QLinear|QGemm|QAttention|.*Integer")
_PARTS = (
    (re.compile(r".*Conv"), frozenset({"Conv", "QLinearConv", "ConvInteger", "ConvTranspose"})),
    (re.compile(r".*(Gemm|MatMul)"), frozenset({"Gemm", "MatMul", "QGemm", "QLinearMatMul", "MatMulInteger"})),
    (re.compile(r"QLinearAdd"), frozenset({"Add"})),
    (re.compile(r"QLinearMul"), frozenset({"Mul"})),
    (re.compile(r".*GlobalAveragePool"), frozenset({"GlobalAveragePool"})),
)
"""Operations of the optimized graph, and which of the file's they compute."""
_FUSED_AT_MOST = 6
"""Operations in a row that the runtime fuses into one."""


class _CannotFeed(Exception):
    """What the model takes is left open, or is nothing that values can be made for; it may run all the same."""


def try_onnx(content: bytes, *, latency: bool, beside: Path | None = None) -> Trial:
    """Load, run once, and measure the layers if asked to.

    Args:
        content: The whole file.
        latency: Whether to measure.
        beside: Folder that holds weights which the file keeps elsewhere; None = they are not looked for.
    """
    library, runtime = load_library()
    with tempfile.TemporaryDirectory(prefix="hawklet-inspect-") as folder:
        try:
            return _try(_Runtime(library, beside or Path(folder)), runtime, content, Path(folder), latency)
        except _CannotFeed as reason:
            return Trial(runtime, runs=False, not_tried=str(reason))
        except Exception as error:  # noqa: BLE001 -- ONNX Runtime's errors are private classes that share no base
            return Trial(runtime, runs=False, error=" ".join(str(error).split())[:500])


def _try(library: _Runtime, runtime: str, content: bytes, folder: Path, latency: bool) -> Trial:
    model = onnx_file.read_model(content)
    marked = _mark(model)
    optimized = folder / "optimized.onnx"
    session = library.open(marked or content, optimized, folder)
    feed = _feed(session, model)
    session.run(None, feed)
    measured = _measure(library, content, session, feed, model) if latency else None
    graph = onnx_file.read_model(optimized.read_bytes()).graph
    nodes, origins = graph.node, _Origins(model)

    def layers_of(found: Iterable[Any]) -> tuple[int, ...] | None:
        numbers = {origins.find(node.name, node.op_type) for node in found}
        return tuple(sorted(number for number in numbers if number is not None)) if marked else None

    return Trial(
        runtime,
        runs=True,
        executed=dict(Counter(node.op_type for node in nodes).most_common()),
        integer_layers=layers_of(node for node in nodes if _INTEGER.match(node.op_type)),
        float32_layers=layers_of(_reading_float32(graph)),
        latency=measured,
    )


def _reading_float32(graph: Any) -> Iterator[Any]:
    """Operations whose first input is float32, told by the types that casts and constants state."""
    from onnx import TensorProto

    types = {value.name: value.type.tensor_type.elem_type for value in graph.input}
    types |= {entry.name: entry.data_type for entry in graph.initializer}
    for node in graph.node:
        read = types.get(node.input[0], TensorProto.UNDEFINED) if node.input else TensorProto.UNDEFINED
        cast = next((attribute.i for attribute in node.attribute if attribute.name == "to"), read)
        types.update(dict.fromkeys(node.output, cast))
        if read == TensorProto.FLOAT and node.op_type != "Cast":
            yield node


def _mark(model: Any) -> bytes | None:
    """The file with its operations and inner tensors named ``@NUMBER@``, which shows through the runtime's fusions.

    None for a file with If, Loop or Scan: its operations cannot be told from one another.
    """
    if any(attribute.type in (5, 10) for node in model.graph.node for attribute in node.attribute):
        return None  # graphs within nodes read the outer names
    marked = type(model)()
    marked.CopyFrom(model)
    kept = {value.name for value in marked.graph.output}
    names = {}
    for number, node in enumerate(marked.graph.node):
        node.name = f"@{number}@"
        names.update(
            {name: f"@{number}@{place}" for place, name in enumerate(node.output) if name and name not in kept}
        )
    for node in marked.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    del marked.graph.value_info[:]
    return onnx_file.write_model(marked)


@dataclass(frozen=True)
class _Runtime:
    library: Any
    beside: Path
    """Folder of the weights that a file keeps outside itself."""

    def open(self, content: bytes, optimized: Path | None = None, profile: Path | None = None) -> Any:
        options = self.library.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(self.beside))
        if optimized is not None and profile is not None:
            options.optimized_model_filepath = str(optimized)
            options.enable_profiling = True
            options.profile_file_prefix = str(profile / "profile")
        return self.library.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _feed(session: Any, model: Any) -> dict[str, Any]:
    random = np.random.default_rng(0)
    ranked = {value.name for value in model.graph.input if value.type.tensor_type.HasField("shape")}
    feed = {}
    for entry in session.get_inputs():
        if entry.name not in ranked:
            raise _CannotFeed(f"the file does not say which shape its input {entry.name} has")
        free = [str(side) for side in entry.shape[1:] if not isinstance(side, int)]
        if free:
            raise _CannotFeed(f"the file leaves open how large its input {entry.name} is ({', '.join(free)})")
        if entry.type not in _DTYPES:
            raise _CannotFeed(f"there are no values to try for the input {entry.name} of type {entry.type}")
        shape, dtype = [side if isinstance(side, int) else 1 for side in entry.shape], np.dtype(_DTYPES[entry.type])
        values = random.standard_normal(shape) if dtype.kind == "f" else random.integers(0, 2, shape)
        feed[entry.name] = values.astype(dtype)
    return feed


class _Origins:
    """Which of the file's operations a node of the optimized graph came from, told by the marks in its name."""

    def __init__(self, model: Any) -> None:
        self._nodes = list(model.graph.node)
        self._makers = {name: number for number, node in enumerate(self._nodes) for name in node.output}

    def find(self, name: str, op: str) -> int | None:
        """Number of the operation; None for what the runtime added.

        A fused node is named after any of its parts, so the part that computes is searched upwards from there.
        """
        found = _MARK.search(name)
        if not found:
            return None
        number = int(found.group(1))
        wanted = next((parts for kinds, parts in _PARTS if kinds.match(op)), None)
        if wanted is None or self._nodes[number].op_type in wanted:
            return number
        return next((one for one in self._upwards(number) if self._nodes[one].op_type in wanted), number)

    def _upwards(self, number: int) -> Iterator[int]:
        """Operations before this one, nearest first."""
        level = [number]
        for _ in range(_FUSED_AT_MOST):
            level = [self._makers[name] for one in level for name in self._nodes[one].input if name in self._makers]
            yield from level

    def name(self, number: int) -> str:
        """As the file calls it."""
        return str(self._nodes[number].name or self._nodes[number].output[0])


def _measure(library: _Runtime, content: bytes, profiled: Any, feed: Mapping[str, Any], model: Any) -> Latency:
    plain = library.open(content)
    totals = []
    for turn in range(_WARM_UP + _RUNS):
        profiled.run(None, feed)
        start = time.process_time()
        plain.run(None, feed)
        if turn >= _WARM_UP:
            totals.append(time.process_time() - start)
    events = json.loads(Path(profiled.end_profiling()).read_text(encoding="utf-8"))
    layers = tuple(_layers(events, model))
    return Latency(layers, median(totals) * 1e3, _METHOD)


def _layers(events: Sequence[Mapping[str, Any]], model: Any) -> Iterator[MeasuredLayer]:
    times: dict[str, list[float]] = defaultdict(list)
    ops: dict[str, str] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            times[name].append(event["dur"] / 1e3)
            ops[name] = event["args"]["op_name"]
    origins = _Origins(model)
    for name, values in times.items():
        origin = origins.find(name, ops[name])
        shown = "(added by the runtime)" if origin is None else origins.name(origin)
        yield MeasuredLayer(ops[name], shown, _quick_mean(values[1 + _WARM_UP :]), origin)


def _quick_mean(values: Sequence[float]) -> float:
    if not values:
        return 0.0
    quickest = sorted(values)[: max(1, int(len(values) * _KEPT))]
    return sum(quickest) / len(quickest)
