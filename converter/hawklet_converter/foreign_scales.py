"""Which scales weights must have in a file, and the refusal of files in which a writer chose others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hawklet.errors import ModelError
from hawklet_converter.plan import QuantPlan
from hawklet_converter.weight_grid import WEIGHT_LIMIT

_TOLERANCE = 1e-5
_SMALLEST_SCALE = 1e-9
"""Below it a writer chooses one of its own (:mod:`hawklet_converter.lift_tiny_channels`)."""


def with_scales_of_unknown(
    plan: QuantPlan, weights: Mapping[Any, npt.NDArray[np.float32]], known: Collection[Any]
) -> QuantPlan:
    """Plan the weights that are not told to be the network's own, as what exporters make of a layer and a product.

    Args:
        plan: Of the network's layers.
        weights: Every layer's in the float file, ``float32 [output channels, n]``, by the file's key.
        known: Which of them are recognised, and so the plan's.

    Returns:
        The plan, with scales of the largest values of the rest besides.

    Raises:
        ModelError: one of the rest has a channel of zeros, which has no scale.
    """
    scales = {}
    for key, weight in weights.items():
        if key not in known:
            largest = np.abs(weight).max(axis=1 if plan.per_channel else None, keepdims=True).reshape(-1)
            if largest.min() < WEIGHT_LIMIT * _SMALLEST_SCALE:
                raise ModelError(
                    f"every output channel of a layer needs a weight that is not 0 to become int8; channel "
                    f"{int(largest.argmin())} of the network's layer with {len(weight)} channels (weight {key} of the "
                    "exported file) has none, and that layer is not the network's own there, so it cannot be mended; "
                    "take the channel out of the network, or take --recipe float16"
                )
            scales[f"file:{key}"] = tuple((largest / WEIGHT_LIMIT).tolist())
    return replace(plan, weight_scales={**plan.weight_scales, **scales})


def refuse_foreign_weight_scales(plan: QuantPlan, written: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Compare the weight scales of a written file with the plan's.

    Args:
        plan: The scales that weights must have.
        written: Name of a weight in the file -> its scales, ``float32 [channels]`` or ``[1]``.

    Raises:
        ModelError: a weight has other scales.
    """
    known: dict[int, list[npt.NDArray[np.float32]]] = {}
    for scales in plan.weight_scales.values():
        known.setdefault(len(scales), []).append(np.asarray(scales, dtype=np.float32))
    for name, got in written.items():
        if not any(np.allclose(got, planned, rtol=_TOLERANCE, atol=0) for planned in known.get(len(got), ())):
            raise ModelError(
                f"every int8 weight must have the scales of the quantization plan, got others for {name}; this is a "
                "fault of the converter, please report it with the network"
            )
