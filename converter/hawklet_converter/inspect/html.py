"""The HTML page: the graph as boxes in order of execution, by measured time, and the facts; one file, offline."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hawklet import safefiles
from hawklet_converter.inspect import describe
from hawklet_converter.inspect.examine import Examination, ModelExamination
from hawklet_converter.inspect.facts import Finding, LayerFacts, ModelFacts, Severity
from hawklet_converter.inspect.judge import shorten
from hawklet_converter.inspect.trial import MeasuredLayer

MOST_LANES = 5
"""Skip connections drawn side by side; a graph with more shows the first."""


@dataclass(frozen=True)
class Box:
    """One layer as the page shows it."""

    number: int
    """Position in the order of execution."""
    op: str
    name: str
    shape: str
    kind: str
    """Its colour: int8, float, other."""
    computes_in: str
    macs: int
    ms: float | None
    joined: bool
    """Whether its time is counted with the layer that takes it in."""
    share: float
    """Of the layers' time (of the MACs where nothing was measured), 0..1."""
    width: float
    """Of its bar, percent of the longest."""
    details: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    lanes: tuple[str, ...]
    """Per lane beside the box: ``pass``, ``from``, ``into`` or nothing."""


def write_page(examination: Examination, path: str | os.PathLike[str]) -> None:
    """Write the page, whole or not at all."""
    safefiles.write_text(path, render(examination))


def render(examination: Examination) -> str:
    """The page as one HTML document without references to anything outside it."""
    environment = Environment(
        loader=PackageLoader("hawklet_converter"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    manifest = examination.manifest
    return environment.get_template("inspect.html.j2").render(
        file=examination.path.name,
        is_a_lie=examination.is_a_lie,
        bundle=describe.bundle_rows(manifest, examination.golden_frames) if manifest else [],
        findings=_sorted(examination.findings),
        models=[_model(model) for model in examination.models],
    )


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    order = list(Severity)
    return sorted(findings, key=lambda one: order.index(one.severity))


def _model(model: ModelExamination) -> dict[str, Any]:
    boxes = list(_boxes(model)) if model.facts else []
    latency = model.trial.latency if model.trial else None
    return {
        "name": model.name,
        "rows": describe.rows(model),
        "findings": _sorted(model.findings),
        "boxes": boxes,
        "lanes": max((len(box.lanes) for box in boxes), default=0),
        "latency": latency,
        "strip": list(_strip(boxes)),
        "by_op": _by_op(boxes),
        "unmeasured": _unmeasured(model),
    }


def _unmeasured(model: ModelExamination) -> list[str]:
    latency = model.trial.latency if model.trial else None
    if latency is None or model.facts is None:
        return []
    return [f"#{one.index} {one.op}" for one in model.facts.layers if one.index in latency.unmeasured]


def _boxes(model: ModelExamination) -> Iterator[Box]:
    facts = model.facts
    assert facts is not None  # noqa: S101 -- asked for only where there are facts
    runs = _runs(model, facts)
    by_index = {layer.index: layer for layer in facts.layers}
    measured = model.trial is not None and model.trial.latency is not None
    weight = [run.ms if measured else _macs(run, by_index) for run in runs]
    total, longest = sum(weight) or 1.0, max(weight, default=0.0) or 1.0
    lanes = _lanes(runs, facts)
    for number, (run, value) in enumerate(zip(runs, weight, strict=True)):
        layer = by_index.get(run.layer) if run.layer is not None else None
        computes_in = describe.computes_in(layer, model.trial) if layer else "added by the runtime"
        yield Box(
            number=number,
            op=run.op + (f" + {layer.activation}" if layer and layer.activation else ""),
            name=shorten(run.name, 26),
            shape=describe.shape(layer.output_shape) if layer else "",
            kind=_kind(computes_in),
            computes_in=computes_in,
            macs=layer.macs if layer else 0,
            ms=run.ms if measured else None,
            joined=run.measured_with is not None,
            share=value / total,
            width=100 * value / longest,
            details=tuple(_details(layer, run)) if layer else (),
            findings=tuple(one for one in model.findings if run.layer is not None and run.layer in one.layers),
            lanes=lanes[number],
        )


def _runs(model: ModelExamination, facts: ModelFacts) -> list[MeasuredLayer]:
    """What was executed, in order; where nothing was measured, the file's own layers."""
    if model.trial is not None and model.trial.latency is not None:
        return list(model.trial.latency.layers)
    return [MeasuredLayer(layer.op, layer.name, 0.0, layer.index) for layer in facts.layers]


def _macs(run: MeasuredLayer, layers: Mapping[int, LayerFacts]) -> float:
    return 0.0 if run.layer is None else float(layers[run.layer].macs)


def _kind(computes_in: str) -> str:
    return next((kind for kind in ("int8", "int16", "float") if computes_in.startswith(kind)), "other")


def _details(layer: LayerFacts, run: MeasuredLayer) -> Iterator[tuple[str, str]]:
    yield "name", layer.name
    yield "in the file", f"#{layer.index} {layer.op}"
    if run.op != layer.op:
        yield "as executed", run.op
    if run.measured_with is not None:
        yield "measured", f"together with #{run.measured_with}, which takes it in"
    yield "reads", f"{layer.input_dtype} {', '.join(layer.inputs)}"
    yield "makes", f"{layer.output_dtype} {describe.shape(layer.output_shape)}"
    for weight in layer.weights:
        grid = "" if not weight.scales else (", one scale" if weight.scales == 1 else f", {weight.scales} scales")
        yield "constant", f"{weight.dtype} {describe.shape(weight.shape)}{grid}, {weight.bytes:,} bytes"


def _strip(boxes: Sequence[Box]) -> Iterator[tuple[float, float, Box]]:
    """Left end and width, percent, of every box in the one-line picture."""
    start = 0.0
    for box in boxes:
        yield start, 100 * box.share, box
        start += 100 * box.share


def _by_op(boxes: Sequence[Box]) -> list[tuple[str, int, float, float, int]]:
    """Operation, how often, milliseconds, share, MACs; the longest first."""
    groups: dict[str, list[Box]] = defaultdict(list)
    for box in boxes:
        groups[f"{box.op.split(' + ')[0]}, {box.computes_in}"].append(box)
    found = [
        (
            op,
            len(group),
            sum(box.ms or 0.0 for box in group),
            sum(box.share for box in group),
            sum(b.macs for b in group),
        )
        for op, group in groups.items()
    ]
    return sorted(found, key=lambda row: row[3], reverse=True)


def _lanes(runs: Sequence[MeasuredLayer], facts: ModelFacts) -> list[tuple[str, ...]]:
    """What to draw beside every box, lane by lane, for results that are read later than by the next box."""
    spans = sorted(_skips(runs, facts))
    free: list[int] = []
    table = [[""] * MOST_LANES for _ in runs]
    for start, end in spans:
        lane = next((n for n, until in enumerate(free) if until <= start), len(free))
        if lane >= MOST_LANES:
            continue
        free[lane : lane + 1] = [end]
        table[start][lane] = "both" if table[start][lane] == "into" else "from"
        table[end][lane] = "into"
        for between in range(start + 1, end):
            table[between][lane] = "pass"
    return [tuple(row[: len(free)]) for row in table]


def _skips(runs: Sequence[MeasuredLayer], facts: ModelFacts) -> set[tuple[int, int]]:
    place = {run.layer: number for number, run in enumerate(runs) if run.layer is not None}
    maker: dict[str, int] = {}
    found: set[tuple[int, int]] = set()
    for layer in facts.layers:
        sources = [maker[name] for name in layer.inputs if name in maker]
        here = place.get(layer.index)
        if here is not None:
            found.update((one, here) for one in sources if any(run.layer is not None for run in runs[one + 1 : here]))
        passed_on = sources[0] if sources else None
        made_by = passed_on if here is None else here
        if made_by is not None:
            maker.update(dict.fromkeys(layer.outputs, made_by))
    return found
