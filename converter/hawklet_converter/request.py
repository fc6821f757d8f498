"""What a conversion is asked to do, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hawklet.bundle import Manifest
from hawklet_converter.search import Prefer
from hawklet_converter.write_onnx import OnnxActivations
from hawklet_converter.write_variants import Layout
from hawklet_hardware.detect import has_matrix_tiles
from hawklet_hardware.target_option import HOST
from hawklet_hardware.targets import target_named

if TYPE_CHECKING:
    from hawklet_hardware.latency.remote import BoardAccess

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
    """Share of channels to remove, 0..0.9."""
    prune_epochs: int = 8
    """Epochs of fine-tuning after pruning, the unpruned network teaching."""
    max_drop: float = 1.0
    """Points of top-1 on the validation pictures that the files may lose."""
    photos: Path | None = None
    """Where the photos are now, if they have moved since training."""
    calibration: int | None = None
    """Training pictures that ranges are collected on; None: 128, or one of each class where that is more."""
    budget_s: float = 600.0
    """Seconds that the search for a plan may take."""
    prefer: Prefer = Prefer.FIRST
    resume: bool = False
    """Go on with the candidates that an interrupted search left."""
    target: str = HOST
    """``host`` or a name that :func:`hawklet_hardware.targets.target_named` knows."""
    measure_on: str | None = None
    """``user@host``: a board to time candidates on; None: this machine."""
    access: BoardAccess | None = None
    """How to log in there; None: as ssh does."""
    seed: int = 0

    @property
    def quantizes(self) -> bool:
        """Whether anything but float32 files is wanted."""
        return self.recipe != "float32"


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
