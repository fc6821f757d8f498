"""What is decided about numbers, as data: the one quantization plan that both writers apply.

A plan goes with a network: the folded one with the weights and biases that the files are to hold, moved by the steps
that made the plan.

Keys of activations are the names of the folded network's ``torch.fx`` nodes (``input``-like placeholders included);
keys of weights and biases are module paths, as in its ``state_dict``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LEVELS = 256
LOWEST = -128

_SMALLEST_RANGE = 1e-5
"""An activation that is all but zero gets a grid this wide: TFLite counts a ReLU6's 6 in steps, in 31 bits."""


@dataclass(frozen=True)
class ActivationQuant:
    """How one activation becomes int8: ``real = (q - zero_point) * scale``, q in -128..127.

    As uint8 it is the same numbers with 128 added to q and to the zero point.
    """

    scale: float
    """A float32 value, since both file formats store float32."""
    zero_point: int
    """-128..127."""

    @classmethod
    def covering(cls, low: float, high: float) -> ActivationQuant:
        """The finest grid over ``low``..``high`` that holds zero exactly (padding needs zero)."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = float(np.float32(max(high - low, _SMALLEST_RANGE) / (LEVELS - 1)))
        zero_point = int(np.clip(round(LOWEST - low / scale), LOWEST, LOWEST + LEVELS - 1))
        return cls(scale, zero_point)

    @property
    def low(self) -> float:
        """Smallest value on the grid."""
        return (LOWEST - self.zero_point) * self.scale

    @property
    def high(self) -> float:
        """Largest value on the grid."""
        return (LOWEST + LEVELS - 1 - self.zero_point) * self.scale


@dataclass(frozen=True)
class QuantPlan:
    """Everything both writers need to know."""

    method: str
    """The steps that made it, in words."""
    activations: Mapping[str, ActivationQuant]
    """fx node -> grid."""
    weight_scales: Mapping[str, tuple[float, ...]]
    """Module path -> one symmetric scale per output channel, or a single one; integers are -127..127."""
    float_ops: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """File format -> operations that stay in float there, as the format names them."""
    float_nodes: tuple[str, ...] = ()
    """fx nodes that are computed in float, whatever their operation."""
    per_channel: bool = True
    """Whether weights have one scale per output channel, or one per layer, for accelerators that know no other."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "method": self.method,
            "activations": {k: {"scale": a.scale, "zero_point": a.zero_point} for k, a in self.activations.items()},
            "weight_scales": {key: list(scales) for key, scales in self.weight_scales.items()},
            "float_ops": {key: list(ops) for key, ops in self.float_ops.items()},
            "float_nodes": list(self.float_nodes),
            "per_channel": self.per_channel,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> QuantPlan:
        """Inverse of :meth:`to_dict`."""
        return cls(
            method=str(data["method"]),
            activations={
                str(key): ActivationQuant(float(entry["scale"]), int(entry["zero_point"]))
                for key, entry in data["activations"].items()
            },
            weight_scales={str(key): tuple(map(float, scales)) for key, scales in data["weight_scales"].items()},
            float_ops={str(key): tuple(map(str, ops)) for key, ops in data["float_ops"].items()},
            float_nodes=tuple(map(str, data["float_nodes"])),
            per_channel=bool(data["per_channel"]),
        )
