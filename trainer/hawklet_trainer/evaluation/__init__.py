"""How good a classifier is, and the report that explains it.

* :mod:`~hawklet_trainer.evaluation.metrics`: accuracy, precision, recall, F1, confusion matrix (no torch needed).
* :mod:`~hawklet_trainer.evaluation.evaluate_run`: a finished run measured anew.
* :mod:`~hawklet_trainer.evaluation.report`: report.html and confusion_matrix.png.
"""
