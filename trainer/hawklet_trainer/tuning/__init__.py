"""``hawklet tune``: many trainings with other options each, chosen by what the earlier ones came to.

* :mod:`~hawklet_trainer.tuning.dimension`, :mod:`~hawklet_trainer.tuning.space`: what is searched.
* :mod:`~hawklet_trainer.tuning.storage`, :mod:`~hawklet_trainer.tuning.study`: where trials are written down, for one
  machine or several.
* :mod:`~hawklet_trainer.tuning.trial_watch`: a trial while it trains, and when it is given up.
* :mod:`~hawklet_trainer.tuning.trial_runs`: the trials' run folders, and which are kept.
* :mod:`~hawklet_trainer.tuning.search`: the search itself.
* :mod:`~hawklet_trainer.tuning.latency`: what a network costs, where that counts too.
* :mod:`~hawklet_trainer.tuning.outcome`: trials as plain records, which of them are best, ``tune.json``.
* :mod:`~hawklet_trainer.tuning.final_test`: the test pictures, looked at once.
* :mod:`~hawklet_trainer.tuning.plots`, :mod:`~hawklet_trainer.tuning.report`: ``report.html``.
* :mod:`~hawklet_trainer.tuning.tune`: the whole of it.
"""
