"""The terminal page: plain columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from hawklet.printable import printable
from hawklet_converter.inspect import describe
from hawklet_converter.inspect.examine import Examination, ModelExamination
from hawklet_converter.inspect.facts import Finding, LayerFacts, Severity
from hawklet_converter.inspect.judge import shorten
from hawklet_converter.inspect.trial import Trial
from hawklet_converter.table import aligned

LARGEST = 8
"""Layers listed unless all are asked for."""
_WIDTH = 118
_LABEL_WIDTH = 12


def page(examination: Examination, *, all_layers: bool) -> str:
    """The whole page as text."""
    blocks = []
    if examination.manifest is not None:
        facts = describe.bundle_rows(examination.manifest, examination.golden_frames)
        blocks.append("\n".join([*_rows(facts), *_findings(examination.findings)]))
    blocks += [_model(model, all_layers) for model in examination.models]
    if examination.is_a_lie:
        blocks.append("THIS BUNDLE IS NOT WHAT IT CLAIMS: see the lines marked WRONG")
    return printable("\n\n".join(blocks), lines=True)


def _model(model: ModelExamination, all_layers: bool) -> str:
    lines = [model.name, *_rows(describe.rows(model)), *_findings(model.findings)]
    if model.facts is not None and model.facts.layers:
        lines += ["", *_layers(model.facts.layers, model.trial, all_layers)]
    return "\n".join(lines)


def _rows(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, text in rows:
        yield from _wrapped(_label(name), text)


def _label(word: str) -> str:
    return f"  {word:<{_LABEL_WIDTH - 1}} "


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    order = [Severity.WRONG, Severity.SLOW, Severity.NOTE]
    for finding in sorted(findings, key=lambda one: order.index(one.severity)):
        word = finding.severity.value.upper() if finding.severity is Severity.WRONG else finding.severity.value
        yield from _wrapped(_label(word), f"{finding.text} [{finding.source.value}]")


def _layers(layers: Sequence[LayerFacts], trial: Trial | None, all_layers: bool) -> Iterator[str]:
    times = layer_times(trial)
    shown, title = list(layers), f"all {len(layers)} layers" if len(layers) > 1 else "one layer"
    if not all_layers and len(layers) > LARGEST:
        by = "time" if times else "MACs"
        shown.sort(key=lambda one: (times.get(one.index, 0.0), one.macs, one.weight_bytes), reverse=True)
        shown, title = shown[:LARGEST], f"the {LARGEST} largest of {len(layers)} layers by {by} (--layers shows all)"
    yield f"  {title}"
    total = sum(one.macs for one in layers)
    head = ("#", "op", "layer", "output", "computes in", "MACs M", "%", "params", "kB", *(["ms"] if times else []))
    cells = [head, *(_cells(one, total, trial, times) for one in shown)]
    yield textwrap.indent(aligned(cells, left=5), "  ")


def layer_times(trial: Trial | None) -> dict[int, float]:
    """Milliseconds by layer; empty where nothing was measured."""
    times: dict[int, float] = {}
    for measured in trial.latency.layers if trial and trial.latency else ():
        if measured.layer is not None:
            times[measured.layer] = times.get(measured.layer, 0.0) + measured.ms
    return times


def _cells(layer: LayerFacts, total: int, trial: Trial | None, times: dict[int, float]) -> tuple[str, ...]:
    macs = (describe.millions(layer.macs), f"{100 * layer.macs / total:.1f}") if layer.macs else ("", "")
    weights = (f"{layer.parameters:,}", f"{layer.weight_bytes / 1e3:.1f}") if layer.weights else ("", "")
    time = (f"{times[layer.index]:.3f}" if layer.index in times else "",) if times else ()
    op = layer.op + (f"+{layer.activation}" if layer.activation else "")
    name, sides = shorten(layer.name, 28), describe.shape(layer.output_shape)
    return (str(layer.index), op, name, sides, describe.computes_in(layer, trial), *macs, *weights, *time)
