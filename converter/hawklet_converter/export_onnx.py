"""The float network as an ``.onnx`` file, by torch's TorchScript exporter (a third of the newer one's time)."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from hawklet.errors import ModelError
from hawklet.spec import PreprocessSpec
from hawklet_converter.collect_ranges import (
    Distribution,
    Doubles,
    Fingerprint,
    distribution_of,
    fingerprint,
    join_fingerprints,
)
from hawklet_converter.quiet import quiet

OPSET = 17
"""Old enough for onnxruntime 1.19 and TensorRT 8.6, new enough for per-channel integers."""
IR_VERSION = 8
INPUT = "x"
"""The float file's input, which is not pixels yet."""


def export_onnx(net: fx.GraphModule, spec: PreprocessSpec) -> bytes:
    """Export the folded network.

    Returns:
        A file with ``x``: ``float32 [1, C, H, W]`` in (the network's own x, not pixels), and ``logits``:
        ``float32 [1, classes]`` out; constants folded, paddings part of their convolutions.

    Raises:
        ModelError: the network uses what the exporter cannot write.
    """
    sample = (torch.zeros(1, spec.channels, spec.height, spec.width),)
    with quiet(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "float.onnx")
        try:
            torch.onnx.export(
                net, sample, path, dynamo=False, opset_version=OPSET, input_names=[INPUT], output_names=["logits"]
            )
        except (RuntimeError, TypeError, torch.onnx.errors.OnnxExporterError) as error:
            raise ModelError(f"torch.onnx cannot export this network: {' '.join(str(error).split())[:300]}") from error
        return _tidy(path.read_bytes())


def _tidy(content: bytes) -> bytes:
    """Fold constants, identities and paddings by ONNX Runtime's basic passes; the graph stays standard ONNX."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tidy.onnx")
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        model = onnx.load(path)
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    model.ir_version = IR_VERSION
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"  # the passes leave names empty, and a node is excluded by name
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def fingerprint_onnx(content: bytes, inputs: npt.NDArray[np.float32]) -> dict[str, Fingerprint]:
    """Fingerprints of every activation of a float file.

    Args:
        content: The file.
        inputs: ``float32 [N, C, H, W]``, the network's own x.

    Returns:
        Tensor name -> fingerprint.
    """
    session, names = _open_whole(content)
    per_picture = []
    for picture in inputs:
        found: dict[str, tuple[int, Doubles]] = {
            name: fingerprint(value) for name, value in _run(session, names, picture).items()
        }
        per_picture.append(found)
    return join_fingerprints(per_picture)


def collect_ranges_onnx(
    content: bytes, names: Collection[str], inputs: npt.NDArray[np.float32]
) -> dict[str, Distribution]:
    """What the values of some tensors of a float file look like: those that the network has no counterpart of.

    Args:
        content: The file.
        names: Tensors to watch.
        inputs: ``float32 [N, C, H, W]``, the network's own x.
    """
    if not names:
        return {}
    session, _ = _open_whole(content)
    values = [_run(session, list(names), picture) for picture in inputs]
    return {name: distribution_of([picture[name] for picture in values]) for name in names}


def _open_whole(content: bytes) -> tuple[Any, list[str]]:
    import onnx
    import onnxruntime

    model = onnx.load_from_string(content)
    constants = {output for node in model.graph.node if node.op_type == "Constant" for output in node.output}
    names = [output for node in model.graph.node for output in node.output if output not in constants]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session, names


def _run(session: Any, names: list[str], picture: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
    values = dict(zip(names, session.run(names, {INPUT: picture[None]}), strict=True))
    if INPUT not in values:
        values[INPUT] = picture[None]
    return {name: value for name, value in values.items() if value.dtype == np.float32}
