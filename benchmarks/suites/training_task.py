"""What a contestant of the training suite is to do, as it is handed to its process."""

from __future__ import annotations

from dataclasses import dataclass

OURS, REFERENCE = "ours", "reference"
"""``hawklet train``, and torchvision's recipe."""


@dataclass(frozen=True)
class Training:
    """A whole training, by ``OURS`` or ``REFERENCE``."""

    who: str
    model: str
    photos: str
    """Folder."""
    seed: int
    """Of the split, the weights, and all that is random."""
    pretrained: bool = True
    epochs: int | None = None
    """None: as ``hawklet train`` has it."""
    lr: float | None = None
    """None: as ``hawklet train`` has it."""
    pictures: int | None = None
    """Of each split, at most; None: all."""

    @property
    def name(self) -> str:
        """For files."""
        rate = f"-lr{self.lr:g}" if self.lr is not None else ""
        return f"{self.who}-{self.model}{'' if self.pretrained else '-random'}{rate}-{self.seed}"


@dataclass(frozen=True)
class Epochs:
    """Epochs of fine-tuning, one whenever it is asked for, of a network with random weights."""

    who: str
    model: str
    photos: str
    """Folder."""
    pictures: int
    """To learn from."""
    augment: str = "light"
    """Of ``OURS``: a name of :class:`hawklet_trainer.augment.Augment`."""


@dataclass(frozen=True)
class Heads:
    """Heads of a network with random weights, with features that are kept and without, in turns."""

    model: str
    photos: str
    """Folder."""
    epochs: int
    rounds: int
    pictures: int | None = None
    """Of each split, at most; None: all."""
