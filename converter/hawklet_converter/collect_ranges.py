"""Run calibration pictures through the folded network and keep what every activation's values look like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

Doubles = npt.NDArray[np.float64]

_BATCH = 8
_SAMPLES_PER_PICTURE = 2048
_ROUNDING = 2.0**-20
"""Of the largest value: eight of float32's own, since each runtime sums in an order of its own."""
_SMALLEST_SPREAD = 1e-6


@dataclass(frozen=True)
class Distribution:
    """The values of one activation over the calibration pictures."""

    low: float
    """True minimum."""
    high: float
    """True maximum."""
    samples: npt.NDArray[np.float32]
    """``float32 [n]``: values drawn at random positions, the same number from each picture."""


class RecordingInterpreter(fx.Interpreter):
    """Runs a traced network and hands every floating-point value to ``seen(node name, tensor)``."""

    def __init__(self, net: fx.GraphModule, seen: Any) -> None:
        super().__init__(net)
        self._seen = seen

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.op not in ("output", "get_attr") and isinstance(value, torch.Tensor) and value.is_floating_point():
            self._seen(n.name, value)
        return value


@torch.inference_mode()
def collect_ranges(net: fx.GraphModule, inputs: torch.Tensor, seed: int = 0) -> dict[str, Distribution]:
    """Watch every activation.

    Args:
        net: The folded network.
        inputs: ``float32 [N, C, H, W]``, the network's own x.
        seed: Draws the positions that are sampled.

    Returns:
        fx node name -> what its values look like.
    """
    draw = torch.Generator().manual_seed(seed)
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    samples: dict[str, list[torch.Tensor]] = {}

    def seen(name: str, value: torch.Tensor) -> None:
        low, high = torch.aminmax(value)
        lows[name] = min(lows.get(name, float("inf")), float(low))
        highs[name] = max(highs.get(name, float("-inf")), float(high))
        flat = value.permute(0, 2, 3, 1).reshape(-1) if value.dim() == 4 else value.reshape(-1)
        wanted = _SAMPLES_PER_PICTURE * value.shape[0]
        if flat.numel() > wanted:
            flat = flat[torch.randint(flat.numel(), (wanted,), generator=draw)]
        samples.setdefault(name, []).append(flat.clone())

    interpreter = RecordingInterpreter(net, seen)
    for batch in batches(inputs):
        interpreter.run(batch)
    return {name: Distribution(lows[name], highs[name], torch.cat(parts).numpy()) for name, parts in samples.items()}


def distribution_of(values: list[npt.NDArray[np.float32]]) -> Distribution:
    """What one activation of a file looks like, given its values on each picture."""
    samples = np.concatenate([value.reshape(-1)[:: max(1, value.size // _SAMPLES_PER_PICTURE)] for value in values])
    return Distribution(float(min(v.min() for v in values)), float(max(v.max() for v in values)), samples)


def spread(count: int, wanted: int) -> npt.NDArray[np.int64]:
    """So many positions at even steps: pictures are sorted by class, and every class is to be among them."""
    return np.asarray(np.linspace(0, count - 1, min(count, wanted)).round(), dtype=np.int64)


def batches(inputs: torch.Tensor) -> Iterator[torch.Tensor]:
    """Cut ``[N, ...]`` into pieces small enough to stay in the cache of a small machine."""
    for start in range(0, len(inputs), _BATCH):
        yield inputs[start : start + _BATCH]


@dataclass(frozen=True)
class Fingerprint:
    """What tells one activation from another whatever its memory layout: moments of its values on a few pictures."""

    size: int
    """Numbers per picture."""
    moments: Doubles
    """``float64 [pictures, 5]``: mean, deviation, mean of cubes (as a third root), minimum, maximum."""

    def distance(self, other: Fingerprint) -> float:
        """Largest difference of a moment beyond what two float32 runtimes may differ by; infinite when sizes differ.

        Counted in the spread over all pictures: two logits that are nearly equal on one of them hardly spread there.
        """
        if self.size != other.size:
            return float("inf")
        rounding = _ROUNDING * np.abs(self.moments).max()
        span = max(float(self.moments[:, 4].max() - self.moments[:, 3].min()), _SMALLEST_SPREAD)
        return max(float(np.abs(self.moments - other.moments).max() - rounding), 0.0) / span


def fingerprint(values: npt.NDArray[Any]) -> tuple[int, Doubles]:
    """Size and moments (``float64 [5]``) of one activation on one picture, in any layout."""
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    return flat.size, np.array(
        [flat.mean(), flat.std(), np.cbrt((flat**3).mean()), flat.min(), flat.max()], dtype=np.float64
    )


def join_fingerprints(per_picture: list[dict[str, tuple[int, Doubles]]]) -> dict[str, Fingerprint]:
    """One :class:`Fingerprint` per name out of :func:`fingerprint` of each picture."""
    return {
        name: Fingerprint(size, np.stack([picture[name][1] for picture in per_picture]))
        for name, (size, _) in per_picture[0].items()
    }


@torch.inference_mode()
def fingerprint_net(net: fx.GraphModule, inputs: torch.Tensor) -> dict[str, Fingerprint]:
    """Fingerprints of every activation of the folded network, pictures run one by one as the exported files do."""
    per_picture = []
    for picture in inputs:
        found: dict[str, tuple[int, Doubles]] = {}
        RecordingInterpreter(net, lambda name, value: found.__setitem__(name, fingerprint(value.numpy()))).run(  # noqa: B023 -- runs at once
            picture[None]
        )
        per_picture.append(found)
    return join_fingerprints(per_picture)
