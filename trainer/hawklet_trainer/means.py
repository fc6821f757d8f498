"""By what means a training is carried out; what is learned is the same but for rounding."""

from __future__ import annotations

from dataclasses import dataclass, field

from hawklet_trainer.data import Loading
from hawklet_trainer.trackers import Tracking
from hawklet_trainer.training.processes import ALONE, Processes
from hawklet_trainer.training.speed import Compile


@dataclass(frozen=True)
class Means:
    """What may be another each time that a training goes on."""

    loading: Loading = field(default_factory=Loading)
    """How pictures are read."""
    tracking: Tracking = field(default_factory=Tracking)
    """Who is told of it besides the run folder."""
    compiling: Compile = Compile.AUTO
    """Whether compiling the network is among what is tried for speed."""
    processes: Processes = ALONE
    """Those that train together."""
    of_fold: bool = False
    """Whether a cross-validation trains, one fold of it."""
