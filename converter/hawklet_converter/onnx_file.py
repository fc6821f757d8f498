"""Editing an ``.onnx`` graph: pixels in, other biases, labels and normalization inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet import __version__

_PIXELS, _INPUT = "pixels", "x"


def read_model(content: bytes) -> Any:
    """Unpack a file into a ``ModelProto``."""
    import onnx

    return onnx.load_from_string(content)


def write_model(model: Any) -> bytes:
    """Pack a ``ModelProto`` into a file."""
    return bytes(model.SerializeToString())


def has_external_data(model: Any) -> bool:
    """Whether weights lie in other files."""
    from onnx.external_data_helper import uses_external_data

    return any(uses_external_data(tensor) for tensor in model.graph.initializer)


def initializers(model: Any) -> dict[str, npt.NDArray[Any]]:
    """Constants of the graph, by name."""
    from onnx import numpy_helper

    return {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}


def set_initializers(model: Any, values: Mapping[str, npt.NDArray[Any]]) -> None:
    """Replace constants that are there, by name, in the shapes they have; changed in place."""
    from onnx import numpy_helper

    for entry in model.graph.initializer:
        if entry.name in values:
            shaped = values[entry.name].reshape(tuple(entry.dims))
            entry.CopyFrom(numpy_helper.from_array(shaped, entry.name))


_LAYERS = frozenset({"Conv", "Gemm", "MatMul"})


def layer_weights(model: Any) -> dict[str, tuple[npt.NDArray[Any], int]]:
    """Weights of a float graph's convolutions and dense layers, by name, each with the axis of its output channels."""
    constants = initializers(model)
    return {
        node.input[1]: (constants[node.input[1]], _channel_axis(node))
        for node in model.graph.node
        if node.op_type in _LAYERS and node.input[1] in constants
    }


def weights_by_channel(model: Any) -> dict[str, npt.NDArray[Any]]:
    """Weights of a float graph's convolutions and dense layers, ``[output channels, n]``, by name."""
    turned = {name: np.moveaxis(weight, axis, 0) for name, (weight, axis) in layer_weights(model).items()}
    return {name: weight.reshape(len(weight), -1) for name, weight in turned.items()}


def _channel_axis(node: Any) -> int:
    transposed = any(entry.name == "transB" and entry.i for entry in node.attribute)
    return 0 if node.op_type == "Conv" or transposed else 1


def weight_scales(model: Any) -> dict[str, npt.NDArray[np.float32]]:
    """Scales of an int8 graph's convolutions and dense layers, ``float32 [channels]`` or ``[1]``, by name."""
    constants = initializers(model)
    makers = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    weights = (makers.get(node.input[1]) for node in model.graph.node if node.op_type in _LAYERS)
    return {
        maker.input[0]: constants[maker.input[1]].reshape(-1)
        for maker in weights
        if maker is not None and maker.input[0] in constants
    }


def compute_constants(model: Any, nodes: Sequence[Any], constants: Mapping[str, npt.NDArray[Any]]) -> None:
    """Let nodes make what were constants, out of other constants; changed in place.

    Args:
        model: The graph.
        nodes: What makes them, in order.
        constants: What the nodes take, by name.
    """
    from onnx import numpy_helper

    made = {output for node in nodes for output in node.output}
    kept = [entry for entry in model.graph.initializer if entry.name not in made]
    kept += [numpy_helper.from_array(value, name) for name, value in constants.items()]
    _replace(model.graph.initializer, kept)
    _replace(model.graph.node, [*nodes, *model.graph.node])


def _replace(field: Any, entries: Sequence[Any]) -> None:
    kept = list(entries)
    del field[:]
    field.extend(kept)


def take_pixels(model: Any, zero_point: int, scale: float, *, activations: str | None) -> None:
    """Make the input ``uint8 [1, H, W, C]`` pixels.

    Args:
        model: A graph whose input is ``x``, ``float32 [1, C, H, W]``; changed in place.
        zero_point: Pixel value that is 0 to the network.
        scale: Real units per pixel step.
        activations: ``uint8`` or ``int8`` for a quantized graph; None for a float graph. Pixels replace what the first
            QuantizeLinear of a ``uint8`` graph made, unless something takes x as it is (a layer left in float, a
            Flatten): then, as in all other graphs, they are dequantized.

    The pixels are ``[1, H, W, C]``, as pictures lie in memory: the transposition costs nothing, since ONNX Runtime
    turns integer convolutions to channels-last anyway.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    _, channels, height, width = (d.dim_value for d in graph.input[0].type.tensor_type.shape.dim)
    planes = "pixel_planes"
    front = [helper.make_node("Transpose", [_PIXELS], [planes], perm=[0, 3, 1, 2])]
    readers = [node for node in graph.node if _INPUT in node.input]
    if activations == "uint8" and {node.op_type for node in readers} == {"QuantizeLinear"}:
        _put_instead(graph, readers, planes)
    else:
        _add_scalars(graph, {"pixel_scale": np.float32(scale), "pixel_zero_point": np.uint8(zero_point)})
        front.append(helper.make_node("DequantizeLinear", [planes, "pixel_scale", "pixel_zero_point"], [_INPUT]))
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(_PIXELS, TensorProto.UINT8, [1, height, width, channels]))
    _replace(graph.node, [*front, *graph.node])


def _put_instead(graph: Any, nodes: Sequence[Any], name: str) -> None:
    made = {node.output[0] for node in nodes}
    for node in nodes:
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [name if entry in made else entry for entry in node.input]


def _add_scalars(graph: Any, values: Mapping[str, np.generic]) -> None:
    from onnx import numpy_helper

    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in values.items())


_SHORTER = {"_DequantizeLinear_Output": ":d", "_QuantizeLinear_Output": ":q", "_quantized": ":i"}


def slim(model: Any) -> None:
    """Write equal constants once, leave out the zero points of biases, which are 0 by default, call what the quantizer
    added by shorter names, and put nodes into the order of their computation; changed in place."""
    _drop_bias_zero_points(model.graph)
    _sort_nodes(model.graph)
    first = _first_equals(model.graph.initializer)
    _replace(model.graph.initializer, [entry for entry in model.graph.initializer if first[entry.name] == entry.name])
    _rename(model, first)
    names = {name for node in model.graph.node for name in (*node.input, *node.output)}
    _rename(model, {name: short for name in names if (short := _shorter(name)) not in names})


def _drop_bias_zero_points(graph: Any) -> None:
    from onnx import TensorProto, numpy_helper

    integers = [entry for entry in graph.initializer if entry.data_type == TensorProto.INT32]
    zeros = {entry.name for entry in integers if not numpy_helper.to_array(entry).any()}
    of_integers = {entry.name for entry in integers}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in of_integers and set(node.input[2:]) <= zeros:
            del node.input[2:]
    used = {name for node in graph.node for name in node.input}
    _replace(graph.initializer, [entry for entry in graph.initializer if entry.name in used or entry.name not in zeros])


def _sort_nodes(graph: Any) -> None:
    """The order that the specification asks for; ONNX Runtime does without, and its quantizer leaves another."""
    made_by = {name: number for number, node in enumerate(graph.node) for name in node.output}
    needs = {
        number: [made_by[name] for name in node.input if name in made_by] for number, node in enumerate(graph.node)
    }
    _replace(graph.node, [graph.node[number] for number in TopologicalSorter(needs).static_order()])


def _rename(model: Any, names: Mapping[str, str]) -> None:
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for entry in (*model.graph.initializer, *model.graph.value_info):
        entry.name = names.get(entry.name, entry.name)


def _first_equals(constants: Sequence[Any]) -> dict[str, str]:
    """Name of each constant -> name of the first that holds the same."""
    from onnx import numpy_helper

    seen: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    return {
        entry.name: seen.setdefault(
            (entry.data_type, tuple(entry.dims), numpy_helper.to_array(entry).tobytes()), entry.name
        )
        for entry in constants
    }


def _shorter(name: str) -> str:
    for ending, short in _SHORTER.items():
        name = name.removesuffix(ending) + short if name.endswith(ending) else name
    return name


def add_metadata(model: Any, name: str, labels: Sequence[str], mean: float, std: float) -> bytes:
    """Write the file with ``labels`` (newline-separated), ``mean`` and ``std`` as metadata properties."""
    from onnx import helper

    model.producer_name, model.producer_version, model.graph.name = "hawklet", __version__, name
    helper.set_model_props(model, {"labels": "\n".join(labels), "mean": repr(mean), "std": repr(std)})
    return write_model(model)


def activation_scales(model: Any) -> dict[str, float]:
    """Scale of every activation that a QuantizeLinear makes, by the name of what it quantizes."""
    constants = initializers(model)
    return {
        node.input[0]: float(constants[node.input[1]])
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] not in constants
    }


INTEGER_OPS = frozenset(
    {"Conv", "Gemm", "MatMul", "Add", "Mul", "GlobalAveragePool", "AveragePool", "MaxPool", "Concat"}
)
"""Operations that are quantized."""
FOLLOWING_OPS = frozenset({"Relu", "Clip", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Pad"})
"""Operations that take the type of their input, or vanish into what is before them."""
