"""The float network as a ``.tflite`` file, by litert_torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from hawklet.errors import ModelError
from hawklet.spec import PreprocessSpec
from hawklet_converter import tflite_file
from hawklet_converter.collect_ranges import Doubles, Fingerprint, fingerprint, join_fingerprints
from hawklet_converter.quiet import quiet


def export_tflite(net: fx.GraphModule, spec: PreprocessSpec) -> bytes:
    """Export the folded network.

    Returns:
        A file with ``float32 [1, H, W, C]`` in (the network's own x, not pixels) and ``float32 [1, classes]`` out.

    Raises:
        ModelError: litert_torch cannot lower it.
    """
    sample = (torch.zeros(1, spec.height, spec.width, spec.channels),)
    with quiet():
        import litert_torch

        wrapped = litert_torch.to_channel_last_io(net, args=[0]).eval()
        try:
            return bytes(litert_torch.convert(wrapped, sample).model_content())
        except Exception as error:  # its passes raise whatever they meet; one line is what a user can use
            raise ModelError(f"litert_torch cannot export this network: {' '.join(str(error).split())[:300]}") from error


def fingerprint_tflite(content: bytes, inputs: npt.NDArray[np.float32]) -> dict[str, Fingerprint]:
    """Fingerprints of every activation of a float file.

    Args:
        content: The file.
        inputs: ``float32 [N, H, W, C]``, the network's own x.

    Returns:
        Tensor name -> fingerprint.
    """
    with quiet():
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        computed = {tflite_file.name_of(tensor) for tensor in tflite_file.activations(tflite_file.read_model(content))}
        interpreter = Interpreter(
            model_content=content,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        details = [d for d in interpreter.get_tensor_details() if d["name"] in computed and d["dtype"] == np.float32]
        source = interpreter.get_input_details()[0]["index"]
        per_picture = []
        for picture in inputs:
            interpreter.set_tensor(source, picture[None])
            interpreter.invoke()
            found: dict[str, tuple[int, Doubles]] = {
                d["name"]: fingerprint(interpreter.get_tensor(d["index"])) for d in details
            }
            per_picture.append(found)
    return join_fingerprints(per_picture)
