"""The training itself: what happens between a network with its first weights and one with its last.

The words that the others share are in :mod:`~hawklet_trainer.training.terms`: configuration, history, who watches.

Two stages:

* :mod:`~hawklet_trainer.training.head`: the last layer alone, on cached features.
* :mod:`~hawklet_trainer.training.loop`: fine-tuning, epoch by epoch; :mod:`~hawklet_trainer.training.learner`: one
  step; :mod:`~hawklet_trainer.training.judging`: how good it is on val.

What they are made of:

* :mod:`~hawklet_trainer.training.inputs`, :mod:`~hawklet_trainer.training.modes`,
  :mod:`~hawklet_trainer.training.seeds`: what goes into a network, its modes, and random numbers.
* :mod:`~hawklet_trainer.training.loss`, :mod:`~hawklet_trainer.training.distil`,
  :mod:`~hawklet_trainer.training.teaching`: what is made smaller, and what a teacher adds to it.
* :mod:`~hawklet_trainer.training.parameter_groups`, :mod:`~hawklet_trainer.training.schedule`,
  :mod:`~hawklet_trainer.training.find_lr`: what learns how fast, and when.
* :mod:`~hawklet_trainer.training.epoch_plan`, :mod:`~hawklet_trainer.training.class_balance`: which pictures make which
  step; :mod:`~hawklet_trainer.training.processes`: those that train together.
* :mod:`~hawklet_trainer.training.running_average`, :mod:`~hawklet_trainer.training.head_dropout`.
* :mod:`~hawklet_trainer.training.speed`, :mod:`~hawklet_trainer.training.kept_speeds`,
  :mod:`~hawklet_trainer.training.freed_memory`: how it is computed, as measured on this machine.
* :mod:`~hawklet_trainer.training.checkpoint`: the whole state in one file, for going on to the same bits.
* :mod:`~hawklet_trainer.training.overfitting`: what the curves say.
"""
