"""The float network as an ``.onnx`` file, by torch's TorchScript exporter, which takes 3 s where the newer one takes 10."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from hawklet.errors import ModelError
from hawklet.spec import PreprocessSpec
from hawklet_converter.collect_ranges import Doubles, Fingerprint, fingerprint, join_fingerprints
from hawklet_converter.quiet import quiet

OPSET = 17
"""Old enough for onnxruntime 1.19 and TensorRT 8.6, new enough for per-channel integers."""
IR_VERSION = 8


def export_onnx(net: fx.GraphModule, spec: PreprocessSpec) -> bytes:
    """Export the folded network.

    Returns:
        A file with ``x``: ``float32 [1, C, H, W]`` in (the network's own x, not pixels), and ``logits``:
        ``float32 [1, classes]`` out. Initializers carry the names of the state dict.

    Raises:
        ModelError: the network uses what the exporter cannot write.
    """
    stream = io.BytesIO()
    sample = (torch.zeros(1, spec.channels, spec.height, spec.width),)
    with quiet():
        try:
            torch.onnx.export(
                net, sample, stream, dynamo=False, opset_version=OPSET, input_names=["x"], output_names=["logits"]
            )
        except (RuntimeError, TypeError, torch.onnx.errors.OnnxExporterError) as error:
            raise ModelError(f"torch.onnx cannot export this network: {' '.join(str(error).split())[:300]}") from error
    return stream.getvalue()


def fingerprint_onnx(content: bytes, inputs: npt.NDArray[np.float32]) -> dict[str, Fingerprint]:
    """Fingerprints of every activation of a float file.

    Args:
        content: The file.
        inputs: ``float32 [N, C, H, W]``, the network's own x.

    Returns:
        Tensor name -> fingerprint.
    """
    import onnx
    import onnxruntime

    model = onnx.load_from_string(content)
    source = model.graph.input[0].name
    constants = {output for node in model.graph.node if node.op_type == "Constant" for output in node.output}
    names = [output for node in model.graph.node for output in node.output if output not in constants]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    per_picture = []
    for picture in inputs:
        values = zip([source, *names], [picture, *session.run(names, {source: picture[None]})], strict=True)
        found: dict[str, tuple[int, Doubles]] = {
            name: fingerprint(value) for name, value in values if value.dtype == np.float32
        }
        per_picture.append(found)
    return join_fingerprints(per_picture)
