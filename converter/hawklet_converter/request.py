"""What a conversion is asked to do, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawklet.bundle import Manifest
from hawklet.errors import UsageError
from hawklet_converter.search import Prefer
from hawklet_converter.write_onnx import OnnxActivations
from hawklet_converter.write_variants import Layout
from hawklet_hardware.detect import has_matrix_tiles
from hawklet_hardware.target_option import HOST
from hawklet_hardware.targets import target_named
from hawklet_trainer.evaluation.reject_option import RejectRequest

if TYPE_CHECKING:
    from hawklet_hardware.latency.remote import BoardAccess

HIGHEST_CUT = 0.9
"""More than this of the latency is not pruned away."""
_ACTIVATIONS = {"S8": OnnxActivations.INT8, "U8": OnnxActivations.UINT8}


def layout_for(target: str) -> Layout:
    """The layout of int8 files for ``--target``; ``host`` is the machine this runs on.

    How many pixels the first layer sees at once is as measured (docs/decisions/0023-packed-stem.md).

    Raises:
        UsageError: there is no such target; the message names the closest.
    """
    profile = target_named(target)
    activations = _ACTIVATIONS[profile.onnx_activation]
    if "x86_64" not in profile.arch:
        return Layout(activations)
    return Layout(activations, stem_pixels=4 if target == HOST and has_matrix_tiles() else 2)


@dataclass(frozen=True)
class ConvertRequest:
    """Options of ``hawklet convert``."""

    run: Path
    """A run folder."""
    output: Path | None = None
    """The bundle; None = ``NAME.hawklet`` in the current folder."""
    recipe: str | None = None
    """A name of :data:`hawklet_converter.recipes.RECIPES`; None tries int8 recipes, cheapest first."""
    prune: float = 0.0
    """Share of the int8 file's measured latency to cut by removing channels, 0..0.9."""
    prune_macs: float = 0.0
    """Share of the multiplications to cut instead, 0..0.9."""
    sweep: tuple[float, ...] = ()
    """Shares of latency to cut one after the other, ascending; the fastest that keeps ``max_drop`` is taken."""
    prune_epochs: int = 12
    """Most epochs of fine-tuning after pruning, the unpruned network teaching."""
    teacher: Path | None = None
    """A run that teaches what was pruned; None: the unpruned network."""
    baselines: bool = True
    """Train networks of the same latency as long, and compare."""
    max_drop: float = 1.0
    """Points of top-1 on the validation pictures that the files may lose."""
    photos: Path | None = None
    """Where the photos are now, if they have moved since training."""
    calibration: int | None = None
    """Training pictures that ranges are collected on; None: 128, or one of each class where that is more."""
    budget_s: float = 600.0
    """Seconds that the search for a plan may take; with pruning, that all of it may."""
    model: str | None = None
    """The user's own ``module:function`` that the run was trained with, said again: a run alone may not name code."""
    prefer: Prefer = Prefer.FIRST
    resume: bool = False
    """Go on with the candidates that an interrupted search left."""
    target: str = HOST
    """``host`` or a name that :func:`hawklet_hardware.targets.target_named` knows."""
    measure_on: str | None = None
    """``user@host``: a board to time candidates on; None: this machine."""
    access: BoardAccess | None = None
    """How to log in there; None: as ssh does."""
    rejecting: RejectRequest = field(default_factory=RejectRequest)
    """When the files are to say nothing; the default: never."""
    seed: int = 0

    def __post_init__(self) -> None:
        asked = [name for name in ("prune", "prune_macs", "sweep") if getattr(self, name)]
        if len(asked) > 1:
            raise UsageError(
                f"pruning is asked for in one way, got {' and '.join(f'--{_dashed(name)}' for name in asked)}"
            )
        for share in (self.prune, self.prune_macs, *self.sweep):
            if not 0 <= share <= HIGHEST_CUT:
                flag = _dashed(asked[0])
                raise UsageError(f"--{flag} must be 0 to {HIGHEST_CUT:g}, shares of what is to be cut, got {share:g}")
        if self.teacher is not None and not self.prunes:
            raise UsageError("--teacher teaches a pruned network; ask for one with --prune 0.4")

    @property
    def prunes(self) -> bool:
        """Whether channels are to be removed."""
        return bool(self.prune or self.prune_macs or self.sweep)

    @property
    def quantizes(self) -> bool:
        """Whether anything but float32 files is wanted."""
        return self.recipe != "float32"


def _dashed(name: str) -> str:
    return name.replace("_", "-")


@dataclass(frozen=True)
class Row:
    """One line of the conversion table."""

    variant: str
    bytes: int
    val: float
    """Top-1 on the validation pictures, percent."""
    test: float | None
    """Top-1 on the test pictures, percent; None: the run has none."""
    agreement: float
    """Share of validation and test pictures with the float32 file's answer, percent."""
    ms: float | None
    """Median milliseconds of one inference, where the conversion measured; None: the file does not run there."""


@dataclass(frozen=True)
class Conversion:
    """What came out."""

    path: Path
    manifest: Manifest
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    """What a reader of the table must know."""
    tried: tuple[Mapping[str, Any], ...] = ()
    """Every candidate of the search, as :meth:`hawklet_converter.candidate.Candidate.to_row` has it."""
    sheet: tuple[Mapping[str, Any], ...] = ()
    """Every network that pruning was compared with, as :meth:`hawklet_converter.pruning.sheet.Point.to_json` has it."""
    replaced: bool = False
    """Whether a bundle was there before."""
