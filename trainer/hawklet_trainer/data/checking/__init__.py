"""Photos checked before they are trained on.

* :mod:`~hawklet_trainer.data.checking.check`: a check from start to end.
* :mod:`~hawklet_trainer.data.checking.catalogue`: the pictures, with their classes and splits.
* :mod:`~hawklet_trainer.data.checking.facts`, :mod:`~hawklet_trainer.data.checking.gather`: one look at each; by way of
  ``exif``, ``formats`` and ``photometry``.
* :mod:`~hawklet_trainer.data.checking.copies`: equal files, and near duplicates; by way of ``similar``, ``cells`` and
  ``registration``.
* :mod:`~hawklet_trainer.data.checking.label_errors`: labels that are probably wrong; by way of ``features``.
* :mod:`~hawklet_trainer.data.checking.finding`, :mod:`~hawklet_trainer.data.checking.registry`: what is looked for, in
  ``class_rules``, ``picture_rules``, ``copy_rules`` and ``label_rule``.
* :mod:`~hawklet_trainer.data.checking.console`, :mod:`~hawklet_trainer.data.checking.page`,
  :mod:`~hawklet_trainer.data.checking.result`: how it is told.
* :mod:`~hawklet_trainer.data.checking.fix`: an index without what was found.
* :mod:`~hawklet_trainer.data.checking.before_training`: the part that ``hawklet train`` does by itself.
"""

from hawklet_trainer.data.checking.check import Checked, CheckOptions, check_photos

__all__ = ["CheckOptions", "Checked", "check_photos"]
