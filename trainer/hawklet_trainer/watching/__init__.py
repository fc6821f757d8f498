"""A training as it is seen from a terminal while it goes on; :mod:`hawklet_trainer.console` puts it there.

* :mod:`~hawklet_trainer.watching.standing`: where it stands, by what it tells.
* :mod:`~hawklet_trainer.watching.pace`: how fast it goes, and what is left by that.
* :mod:`~hawklet_trainer.watching.epoch_table`: its epochs as rows of a table.
* :mod:`~hawklet_trainer.watching.live_view`: the lines that are drawn anew.
"""
