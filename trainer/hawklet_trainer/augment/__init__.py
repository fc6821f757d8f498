"""Random pictures out of few: what a camera may change about a thing without changing its class.

* :mod:`~hawklet_trainer.augment.presets`: how much is varied, by name.
* :mod:`~hawklet_trainer.augment.mixing`: two pictures in one, with the labels of both.
* :mod:`~hawklet_trainer.augment.camera`: the preset that does what a small camera does, from its mount to its JPEG. Its
  parts: :mod:`~hawklet_trainer.augment.mounting`, :mod:`~hawklet_trainer.augment.blur`,
  :mod:`~hawklet_trainer.augment.lighting`, :mod:`~hawklet_trainer.augment.noise`,
  :mod:`~hawklet_trainer.augment.white_balance`, :mod:`~hawklet_trainer.augment.linear_light`,
  :mod:`~hawklet_trainer.augment.compression`.
* :mod:`~hawklet_trainer.augment.colours`: what of all that is for colours alone, and not for a fourth plane.
* :mod:`~hawklet_trainer.augment.sheet`: what all that makes of a few pictures, to look at.

Every random number is drawn from torch's global generator, so that a training that broke off goes on to the same bits.
"""

from hawklet_trainer.augment.mixing import Mix, Mixing, make_mixing
from hawklet_trainer.augment.presets import Augment, describe, make_augmentation, source_spec

__all__ = ["Augment", "Mix", "Mixing", "describe", "make_augmentation", "make_mixing", "source_spec"]
