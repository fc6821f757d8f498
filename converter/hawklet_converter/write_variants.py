"""Make the files that a bundle holds out of float exports and a plan: pixels in, float logits out, self-describing."""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx

from hawklet.spec import ModelFormat, PreprocessSpec
from hawklet_converter import onnx_file, tflite_file
from hawklet_converter.float_exports import FloatExport
from hawklet_converter.foreign_scales import with_scales_of_unknown
from hawklet_converter.inspect.read_onnx import read_onnx
from hawklet_converter.pack_stem import pack_stem
from hawklet_converter.place_layers import constants_of
from hawklet_converter.plan import QuantPlan
from hawklet_converter.write_dynamic import write_dynamic_onnx, write_dynamic_tflite
from hawklet_converter.write_float16 import write_float16_onnx, write_float16_tflite
from hawklet_converter.write_onnx import OnnxActivations, write_onnx
from hawklet_converter.write_tflite import write_tflite


@dataclass(frozen=True)
class Identity:
    """What every file of a conversion says of itself."""

    name: str
    labels: tuple[str, ...]
    spec: PreprocessSpec
    zero_point: int
    """Pixel value that is 0 to the network."""
    scale: float
    """Real units per pixel step."""


@dataclass(frozen=True)
class Layout:
    """How int8 files are laid out for a target; the numbers are the same in all."""

    activations: OnnxActivations
    """ONNX only: which bytes carry activations."""
    stem_pixels: int = 1
    """TFLite only: how many neighbouring pixels the first layer sees as the channels of one."""


def write_float(model_format: ModelFormat, export: FloatExport, identity: Identity) -> bytes:
    """The float32 variant: ``uint8 [1, H, W, C]`` pixels in, ``float32 [1, classes]`` logits out."""
    if model_format is ModelFormat.TFLITE:
        return _finish_tflite(export.content, identity)
    return _finish_onnx(export.content, identity, None)


def write_float16(model_format: ModelFormat, export: FloatExport, identity: Identity) -> bytes:
    """The float16 variant: as the float32 one, its weights stored in half the bytes."""
    if model_format is ModelFormat.TFLITE:
        return _finish_tflite(write_float16_tflite(export.content), identity)
    return _finish_onnx(write_float16_onnx(export.content), identity, None)


def write_dynamic(model_format: ModelFormat, export: FloatExport, identity: Identity) -> bytes:
    """The weight-only variant, int8-dynamic: as the float32 one, its weights stored in 8 bits per channel."""
    if model_format is ModelFormat.TFLITE:
        return _finish_tflite(write_dynamic_tflite(export.content), identity)
    return _finish_onnx(write_dynamic_onnx(export.content), identity, None)


def write_int8(
    model_format: ModelFormat,
    export: FloatExport,
    net: fx.GraphModule,
    plan: QuantPlan,
    identity: Identity,
    layout: Layout,
) -> bytes:
    """The int8 variant of a plan: ``uint8 [1, H, W, C]`` pixels in, ``float32 [1, classes]`` logits out.

    Args:
        model_format: Which of the two writers.
        export: The float file.
        net: The network that goes with the plan: its weights and biases are what the file gets.
        plan: Grids.
        identity: What the file says of itself.
        layout: What the target runs fastest; it moves no number.
    """
    held = {place.weight for place in export.places.values()}
    if model_format is ModelFormat.TFLITE:
        tflite = tflite_file.read_model(export.content)
        tflite_file.set_constants(tflite, constants_of(net, export.places))
        plan = with_scales_of_unknown(plan, tflite_file.weights_by_channel(tflite), held)
        quantized = write_tflite(tflite_file.write_model(tflite), plan, export.tensors)
        return _finish_tflite(quantized, identity, layout.stem_pixels)
    onnx = onnx_file.read_model(export.content)
    onnx_file.set_initializers(onnx, constants_of(net, export.places))
    plan = with_scales_of_unknown(plan, onnx_file.weights_by_channel(onnx), held)
    quantized = write_onnx(onnx_file.write_model(onnx), plan, export.tensors, layout.activations)
    return _finish_onnx(quantized, identity, layout.activations)


def _finish_tflite(content: bytes, identity: Identity, stem_pixels: int = 1) -> bytes:
    model = tflite_file.read_model(content)
    if stem_pixels > 1:
        pack_stem(model, stem_pixels)
    tflite_file.take_pixels(model, identity.zero_point, identity.scale)
    tflite_file.give_float_logits(model)
    mean, std = float(identity.zero_point), 1.0 / identity.scale
    return tflite_file.add_metadata(model, identity.name, identity.labels, mean, std, identity.spec.channels)


def _finish_onnx(content: bytes, identity: Identity, activations: OnnxActivations | None) -> bytes:
    model = onnx_file.read_model(content)
    kind = activations.value if activations else None
    onnx_file.take_pixels(model, identity.zero_point, identity.scale, activations=kind)
    onnx_file.slim(model)
    return onnx_file.add_metadata(
        model, identity.name, identity.labels, float(identity.zero_point), 1.0 / identity.scale
    )


def float_ops(model_format: ModelFormat, content: bytes) -> tuple[str, ...]:
    """Operations that compute in float although the variant is int8."""
    if model_format is ModelFormat.TFLITE:
        return tflite_file.float_ops(tflite_file.read_model(content))
    return read_onnx(content).float_ops
