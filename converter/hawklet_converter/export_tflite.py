"""The float network as a ``.tflite`` file, by litert_torch."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from hawklet.errors import ModelError
from hawklet.spec import PreprocessSpec
from hawklet_converter import tflite_file
from hawklet_converter.collect_ranges import (
    Distribution,
    Doubles,
    Fingerprint,
    distribution_of,
    fingerprint,
    join_fingerprints,
)
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

        # litert_torch misreads weights that lie channels-last in memory, and says nothing.
        plain = copy.deepcopy(net).to(memory_format=torch.contiguous_format)
        wrapped = litert_torch.to_channel_last_io(plain, args=[0]).eval()
        try:
            return bytes(litert_torch.convert(wrapped, sample).model_content())
        except Exception as error:  # its passes raise whatever they meet; one line is what a user can use
            raise ModelError(
                f"litert_torch cannot export this network: {' '.join(str(error).split())[:300]}"
            ) from error


def fingerprint_tflite(content: bytes, inputs: npt.NDArray[np.float32]) -> dict[str, Fingerprint]:
    """Fingerprints of every activation of a float file.

    Args:
        content: The file.
        inputs: ``float32 [N, H, W, C]``, the network's own x.

    Returns:
        Tensor name -> fingerprint.
    """
    with quiet():
        interpreter, details = _open_whole(content)
        per_picture = []
        for picture in inputs:
            values = _run(interpreter, details, picture)
            found: dict[str, tuple[int, Doubles]] = {name: fingerprint(value) for name, value in values.items()}
            per_picture.append(found)
    return join_fingerprints(per_picture)


def collect_ranges_tflite(
    content: bytes, names: Collection[str], inputs: npt.NDArray[np.float32]
) -> dict[str, Distribution]:
    """What the values of some tensors of a float file look like: those that the network has no counterpart of.

    Args:
        content: The file.
        names: Tensors to watch.
        inputs: ``float32 [N, H, W, C]``, the network's own x.
    """
    with quiet():
        interpreter, details = _open_whole(content)
        watched = {name: index for name, index in details.items() if name in names}
        values = [_run(interpreter, watched, picture) for picture in inputs] if watched else []
    return {name: distribution_of([picture[name] for picture in values]) for name in watched}


def _open_whole(content: bytes) -> tuple[Any, dict[str, int]]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    computed = {tflite_file.name_of(tensor) for tensor in tflite_file.activations(tflite_file.read_model(content))}
    interpreter = Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    details = interpreter.get_tensor_details()
    return interpreter, {d["name"]: d["index"] for d in details if d["name"] in computed and d["dtype"] == np.float32}


def _run(
    interpreter: Any, details: dict[str, int], picture: npt.NDArray[np.float32]
) -> dict[str, npt.NDArray[np.float32]]:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
    interpreter.invoke()
    return {name: interpreter.get_tensor(index) for name, index in details.items()}
