"""Both float files of one network, and which of their tensors and constants are which of its activations and biases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import fx

from hawklet.errors import ModelError
from hawklet.spec import ModelFormat, PreprocessSpec
from hawklet_converter import onnx_file, tflite_file
from hawklet_converter.collect_ranges import Distribution, Fingerprint, fingerprint_net, spread
from hawklet_converter.export_onnx import collect_ranges_onnx, export_onnx, fingerprint_onnx
from hawklet_converter.export_tflite import collect_ranges_tflite, export_tflite, fingerprint_tflite
from hawklet_converter.match_tensors import TOLERANCE, match_tensors
from hawklet_converter.place_layers import Place, place_layers
from hawklet_converter.plain_pools import with_plain_pools

_PICTURES_TO_MATCH = 2
_PICTURES_TO_WATCH = 32


@dataclass(frozen=True)
class FloatExport:
    """One float file, understood."""

    content: bytes
    """Takes the network's own x, not pixels."""
    tensors: Mapping[str, str]
    """Tensor name -> key of its range in the plan."""
    places: Mapping[str, Place[int]] | Mapping[str, Place[str]]
    """Module path -> where the file keeps that layer's weight and bias: by buffer (TFLite) or by name (ONNX)."""
    own: Mapping[str, Distribution]
    """Values of activations that the exporter made up, by the key that they have in the plan."""


def export_float(
    net: fx.GraphModule, spec: PreprocessSpec, inputs: torch.Tensor, formats: tuple[ModelFormat, ...]
) -> dict[ModelFormat, FloatExport]:
    """Export the folded network and recognise its activations in the files.

    Args:
        net: The folded network.
        spec: The input's shape.
        inputs: ``float32 [N, C, H, W]``: pictures as the network takes them, sorted by class.
        formats: Which files.

    Raises:
        ModelError: an exporter refuses the network, or its file computes something else.
    """
    watched = inputs[spread(len(inputs), _PICTURES_TO_WATCH)]
    matched = inputs[spread(len(inputs), _PICTURES_TO_MATCH)]
    prints = fingerprint_net(net, matched)
    plain = with_plain_pools(net, inputs[:1])
    made = {}
    for model_format in formats:
        export = _EXPORTS[model_format]
        made[model_format] = export(plain, spec, (watched, matched), prints)
    return made


def _export_tflite(
    net: fx.GraphModule,
    spec: PreprocessSpec,
    inputs: tuple[torch.Tensor, torch.Tensor],
    prints: Mapping[str, Fingerprint],
) -> FloatExport:
    content = export_tflite(net, spec)
    watched, matched = (np.ascontiguousarray(pictures.permute(0, 2, 3, 1).numpy()) for pictures in inputs)
    found = fingerprint_tflite(content, matched)
    tensors = match_tensors(prints, found)
    model = tflite_file.read_model(content)
    graph = model.subgraphs[0]
    output = tflite_file.name_of(graph.tensors[int(graph.outputs[0])])
    _require_same_answer(ModelFormat.TFLITE, prints[_output_node(net)], found[output])
    unknown = set(found) - set(tensors) - set(tflite_file.value_keepers(model))
    own = collect_ranges_tflite(content, unknown, watched)
    places = place_layers(net, tflite_file.float_constants(model))
    return _understood(ModelFormat.TFLITE, content, tensors, places, own)


def _export_onnx(
    net: fx.GraphModule,
    spec: PreprocessSpec,
    inputs: tuple[torch.Tensor, torch.Tensor],
    prints: Mapping[str, Fingerprint],
) -> FloatExport:
    content = export_onnx(net, spec)
    watched, matched = (np.ascontiguousarray(pictures.numpy()) for pictures in inputs)
    found = fingerprint_onnx(content, matched)
    tensors = match_tensors(prints, found)
    model = onnx_file.read_model(content)
    _require_same_answer(ModelFormat.ONNX, prints[_output_node(net)], found[model.graph.output[0].name])
    own = collect_ranges_onnx(content, sorted(set(found) - set(tensors)), watched)
    places = place_layers(net, onnx_file.initializers(model))
    return _understood(ModelFormat.ONNX, content, tensors, places, own)


_EXPORTS = {ModelFormat.TFLITE: _export_tflite, ModelFormat.ONNX: _export_onnx}


def _understood(
    model_format: ModelFormat,
    content: bytes,
    tensors: Mapping[str, str],
    places: Mapping[str, Place[int]] | Mapping[str, Place[str]],
    own: Mapping[str, Distribution],
) -> FloatExport:
    keys = {name: f"{model_format.value}:{name}" for name in own}
    return FloatExport(content, {**tensors, **keys}, places, {keys[name]: values for name, values in own.items()})


def _output_node(net: fx.GraphModule) -> str:
    output = next(node for node in net.graph.nodes if node.op == "output")
    return str(output.all_input_nodes[0].name)


def _require_same_answer(model_format: ModelFormat, wanted: Fingerprint, got: Fingerprint) -> None:
    if wanted.distance(got) > TOLERANCE:
        raise ModelError(
            f"an exported file must answer as the network does, and the .{model_format.value} file's logits differ; "
            "this is a fault of the exporter, please report it with the network"
        )
