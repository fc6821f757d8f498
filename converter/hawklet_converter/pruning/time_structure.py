"""The int8 file of a network, made quickly to time it: its numbers are rough, its time is the finished file's."""

from __future__ import annotations

import torch
from torch import nn

from hawklet.spec import ModelFormat
from hawklet_converter.choose_ranges import choose_ranges
from hawklet_converter.collect_ranges import collect_ranges
from hawklet_converter.float_exports import export_float
from hawklet_converter.fold_batch_norm import fold_batch_norm
from hawklet_converter.gather_evidence import gather_evidence
from hawklet_converter.make_plan import FLOAT_OPS
from hawklet_converter.plan import QuantPlan
from hawklet_converter.weight_grid import weight_scales
from hawklet_converter.write_variants import Identity, Layout, write_int8
from hawklet_trainer.threads import one_thread


def rough_int8_tflite(net: nn.Module, inputs: torch.Tensor, identity: Identity, layout: Layout) -> bytes:
    """The int8 ``.tflite`` of a network with ranges from a few pictures: ``uint8 [1, H, W, C]`` in, logits out.

    Args:
        net: The network with its batch norms.
        inputs: ``float32 [N, C, H, W]``: a few pictures as it takes them.
        identity: Its labels and input.
        layout: As the finished file will be laid out.

    Raises:
        ModelError: the network cannot be exported.
    """
    with one_thread():
        folded = fold_batch_norm(net).to(memory_format=torch.channels_last)
        exports = export_float(folded, identity.spec, inputs, (ModelFormat.TFLITE,))
        evidence = gather_evidence(folded, exports, inputs, identity, seed=0)
        seen = {**collect_ranges(folded, inputs, 0), **evidence.own}
        grids = choose_ranges(seen, "min-max", evidence.given)
        plan = QuantPlan("rough", grids, weight_scales(folded, per_channel=True), FLOAT_OPS, (), True)
        export = exports[ModelFormat.TFLITE]
        return write_int8(ModelFormat.TFLITE, export, folded, plan, identity, layout)
