"""``hawklet crossval``: every picture is tested once, by a network that was trained without it.

* :mod:`~hawklet_trainer.crossval.folds`: which pictures each fold trains on, stops by and is tested on.
* :mod:`~hawklet_trainer.crossval.unseen`: whether a teacher or weights have seen what is tested.
* :mod:`~hawklet_trainer.crossval.fold_run`: one fold trained, or gone on with, and its test pictures answered.
* :mod:`~hawklet_trainer.crossval.spread`: what a few folds' figures say together.
* :mod:`~hawklet_trainer.crossval.record`: ``crossval.json`` and ``out_of_fold.csv``.
* :mod:`~hawklet_trainer.crossval.report`: ``report.html``.
* :mod:`~hawklet_trainer.crossval.cross_validate`: the whole of it.
"""
