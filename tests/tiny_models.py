"""Models small enough to be written by hand, which really classify: they name a picture's strongest colour.

Both compute logits = mean colour (0..1) times 20, for the labels red, green and blue.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hawklet import __version__
from hawklet.bundle import Golden, Manifest, Variant, write_bundle
from hawklet.classifier import Classifier
from hawklet.engines import open_engine
from hawklet.golden import record
from hawklet.spec import ModelFormat, Precision, PreprocessSpec

LABELS = ("red", "green", "blue")
SIDE = 16
SPEC = PreprocessSpec(SIDE, SIDE)
_GAIN = 20.0 / 255.0


def colour_tflite() -> bytes:
    """uint8 [1, 16, 16, 3] -> CAST -> AVERAGE_POOL_2D -> FULLY_CONNECTED -> float32 [1, 3]."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str, shape: list[int], kind: int, buffer: int = 0) -> object:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name.encode(), shape, kind, buffer
        return made

    def operator(opcode: int, inputs: list[int], outputs: list[int], options_type: int, options: object) -> object:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = opcode, inputs, outputs
        made.builtinOptionsType, made.builtinOptions = options_type, options
        return made

    def code(builtin: int) -> object:
        made = schema.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = builtin
        made.version = 1
        return made

    float32, uint8 = schema.TensorType.FLOAT32, schema.TensorType.UINT8
    cast = schema.CastOptionsT()
    cast.inDataType, cast.outDataType = uint8, float32
    pool = schema.Pool2DOptionsT()
    pool.padding, pool.filterHeight, pool.filterWidth, pool.strideH, pool.strideW = (
        schema.Padding.VALID,
        SIDE,
        SIDE,
        1,
        1,
    )
    dense = schema.FullyConnectedOptionsT()
    graph = schema.SubGraphT()
    graph.name = b"main"
    graph.tensors = [
        tensor("pixels", [1, SIDE, SIDE, 3], uint8),
        tensor("real", [1, SIDE, SIDE, 3], float32),
        tensor("mean", [1, 1, 1, 3], float32),
        tensor("weights", [3, 3], float32, buffer=1),
        tensor("logits", [1, 3], float32),
    ]
    graph.operators = [
        operator(0, [0], [1], schema.BuiltinOptions.CastOptions, cast),
        operator(1, [1], [2], schema.BuiltinOptions.Pool2DOptions, pool),
        operator(2, [2, 3, -1], [4], schema.BuiltinOptions.FullyConnectedOptions, dense),
    ]
    graph.inputs, graph.outputs = [0], [4]
    weights = schema.BufferT()
    weights.data = np.frombuffer((np.eye(3, dtype=np.float32) * _GAIN).tobytes(), dtype=np.uint8)
    model = schema.ModelT()
    model.version = 3
    model.description = b"names the strongest colour"
    model.operatorCodes = [
        code(schema.BuiltinOperator.CAST),
        code(schema.BuiltinOperator.AVERAGE_POOL_2D),
        code(schema.BuiltinOperator.FULLY_CONNECTED),
    ]
    model.subgraphs, model.buffers = [graph], [schema.BufferT(), weights]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def colour_onnx() -> bytes:
    """uint8 [1, 3, 16, 16] -> Cast -> GlobalAveragePool -> Flatten -> Mul -> float32 [1, 3]."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["real"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Mul", ["flat", "gain"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colour",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor("gain", TensorProto.FLOAT, [1], [_GAIN])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


def write_colour_bundle(
    path: Path, *, golden_shift: float = 0.0, wrong_variant: str | None = None, name: str = "colours"
) -> Path:
    """Write a bundle of both models; ``golden_shift``, of ``wrong_variant`` 1, is added to the golden outputs."""
    models = {"models/float32-tflite.tflite": colour_tflite(), "models/float32-onnx.onnx": colour_onnx()}
    inputs = np.stack([solid(colour, SIDE) for colour in LABELS])
    variants, outputs = [], {}
    for file, data in models.items():
        stem = Path(file).stem
        model_format = ModelFormat(Path(file).suffix[1:])
        engine = open_engine(data, model_format, threads=1)
        outputs[stem] = record(Classifier(engine, LABELS, SPEC), inputs) + np.float32(golden_shift)
        outputs[stem] += stem == wrong_variant
        variants.append(Variant(stem, file, model_format, Precision.FLOAT32, len(data), _sha256(data), 100.0, 1e-3))
    manifest = Manifest(name, LABELS, SPEC, tuple(variants), "2026-01-01T00:00:00Z", __version__)
    write_bundle(path, manifest, models, Golden(inputs, outputs), f"# {name}\n")
    return path


def solid(colour: str, side: int = 64) -> np.ndarray:
    """A picture of one colour with a little of the others: uint8 [side, side, 3]."""
    picture = np.full((side, side, 3), 30, dtype=np.uint8)
    picture[..., LABELS.index(colour)] = 220
    return picture


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
