"""What plans are made from: the folded network, its exports, and calibration pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import fx

from hawklet.spec import ModelFormat
from hawklet_converter.collect_ranges import Distribution
from hawklet_converter.float_exports import FloatExport
from hawklet_converter.make_plan import Evidence
from hawklet_converter.place_layers import movable_layers
from hawklet_converter.plan import LOWEST, ActivationQuant
from hawklet_converter.write_variants import Identity


def gather_evidence(
    folded: fx.GraphModule,
    exports: Mapping[ModelFormat, FloatExport],
    inputs: torch.Tensor,
    identity: Identity,
    seed: int,
) -> Evidence:
    """Put together what :class:`hawklet_converter.make_plan.PlanMaker` asks for.

    Args:
        folded: The network without batch norms.
        exports: Both float files of it.
        inputs: ``float32 [N, C, H, W]``: calibration pictures as the network takes them.
        identity: Says what pixels mean to the network, which is the grid of its input.
        seed: Of every random choice.
    """
    own: dict[str, Distribution] = {}
    for export in exports.values():
        own.update(export.own)
    entry = next(str(node.name) for node in folded.graph.nodes if node.op == "placeholder")
    return Evidence(
        net=folded,
        inputs=inputs,
        given={entry: ActivationQuant(float(np.float32(identity.scale)), identity.zero_point + LOWEST)},
        own=own,
        movable=movable_layers(folded, *(export.places for export in exports.values())),
        stored=frozenset(exports[ModelFormat.TFLITE].tensors.values()),
        seed=seed,
    )
