"""The training itself: what happens between a network with its first weights and one with its last.

* :mod:`~hawklet_trainer.training.terms`: the words the others share: configuration, history, who watches.
* :mod:`~hawklet_trainer.training.head`: the last layer alone, on cached features.
* :mod:`~hawklet_trainer.training.loop`: fine-tuning; the whole loop in one file.
* :mod:`~hawklet_trainer.training.distil`: what a teacher adds to the loss.
* :mod:`~hawklet_trainer.training.checkpoint`: the loop's whole state in one file, for going on to the same bits.
* :mod:`~hawklet_trainer.training.precision`: bfloat16 or float32, chosen by measuring on this machine.
* :mod:`~hawklet_trainer.training.freed_memory`: memory that a step has freed is kept for the next.
"""
