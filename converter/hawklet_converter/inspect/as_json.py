"""The machine-readable form; keys are stable within a schema version."""

from __future__ import annotations

import dataclasses
from typing import Any

from hawklet_converter.inspect.examine import Examination, ModelExamination
from hawklet_converter.inspect.facts import Finding, LayerFacts, ModelFacts, TensorFacts
from hawklet_converter.inspect.judge import activation_scheme, islands, layout, weight_scheme
from hawklet_converter.inspect.page import layer_times
from hawklet_converter.inspect.trial import Trial

SCHEMA = "hawklet-inspect/1"


def to_dict(examination: Examination) -> dict[str, Any]:
    """Plain JSON types."""
    return {
        "schema": SCHEMA,
        "file": examination.path.name,
        "is_a_lie": examination.is_a_lie,
        "findings": [_finding(one) for one in examination.findings],
        "manifest": examination.manifest.to_dict() if examination.manifest else None,
        "golden_frames": examination.golden_frames,
        "models": [_model(one) for one in examination.models],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.severity.value,
        "code": finding.code,
        "text": finding.text,
        "source": finding.source.value,
        "layers": list(finding.layers),
    }


def _model(model: ModelExamination) -> dict[str, Any]:
    return {
        "name": model.name,
        "findings": [_finding(one) for one in model.findings],
        "claim": model.claim.name if model.claim else None,
        "facts": _facts(model.facts, model.trial) if model.facts else None,
        "trial": dataclasses.asdict(model.trial) if model.trial else None,
    }


def _facts(facts: ModelFacts, trial: Trial | None) -> dict[str, Any]:
    times = layer_times(trial)
    return {
        "format": facts.format.value,
        "bytes": facts.bytes,
        "producer": facts.producer,
        "versions": dict(facts.versions),
        "metadata": {key: value for key, value in facts.metadata.items() if key != "labels"},
        "labels": list(facts.labels),
        "precision": facts.precision.value,
        "int8_macs_share": facts.int8_macs_share,
        "int8_ops_share": facts.int8_ops_share,
        "float_ops": list(facts.float_ops),
        "weight_scheme": weight_scheme(facts),
        "activation_scheme": activation_scheme(facts),
        "layout": layout(facts),
        "inputs": [_tensor(one) for one in facts.inputs],
        "outputs": [_tensor(one) for one in facts.outputs],
        "macs": facts.macs,
        "macs_known": facts.macs_known,
        "parameters": facts.parameters,
        "weight_bytes": facts.weight_bytes,
        "islands": [dataclasses.asdict(one) for one in islands(facts)],
        "layers": [_layer(one, times) for one in facts.layers],
    }


def _tensor(one: TensorFacts) -> dict[str, Any]:
    ends = one.real_range
    return {
        "name": one.name,
        "dtype": one.dtype,
        "shape": list(one.shape),
        "scale": one.grid.scale if one.grid else None,
        "zero_point": one.grid.zero_point if one.grid else None,
        "real_range": list(ends) if ends else None,
    }


def _layer(layer: LayerFacts, times: dict[int, float]) -> dict[str, Any]:
    return {
        "index": layer.index,
        "name": layer.name,
        "op": layer.op,
        "activation": layer.activation,
        "computes_in": layer.arithmetic.value,
        "input_dtype": layer.input_dtype,
        "output_dtype": layer.output_dtype,
        "output_shape": list(layer.output_shape),
        "macs": layer.macs,
        "parameters": layer.parameters,
        "weight_bytes": layer.weight_bytes,
        "weights": [dataclasses.asdict(weight) for weight in layer.weights],
        "ms": times.get(layer.index),
    }
