"""Refuse files in which a writer rounded weights by a scale of its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from hawklet.errors import ModelError
from hawklet_converter.plan import QuantPlan

_TOLERANCE = 1e-5


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
