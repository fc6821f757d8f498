"""How good a classifier is, and the pages that explain it.

* :mod:`~hawklet_trainer.evaluation.answers`: what a model says to pictures; everything else is computed from it.
* :mod:`~hawklet_trainer.evaluation.metrics`: accuracy, precision, recall, F1, confusion matrix;
  :mod:`~hawklet_trainer.evaluation.intervals`: how far they may be off;
  :mod:`~hawklet_trainer.evaluation.ranking`: precision-recall and ROC curves.
* :mod:`~hawklet_trainer.evaluation.calibration`, :mod:`~hawklet_trainer.evaluation.temperature`: whether confidence
  means probability, and what makes it.
* :mod:`~hawklet_trainer.evaluation.confused_pairs`, :mod:`~hawklet_trainer.evaluation.gallery`: what goes wrong;
  :mod:`~hawklet_trainer.evaluation.grad_cam`: what the network saw.
* :mod:`~hawklet_trainer.evaluation.corruptions`, :mod:`~hawklet_trainer.evaluation.robustness`: pictures made worse.
* :mod:`~hawklet_trainer.evaluation.analysis`: all figures of one set of pictures together.
* :mod:`~hawklet_trainer.evaluation.rejecting`, :mod:`~hawklet_trainer.evaluation.unknown`,
  :mod:`~hawklet_trainer.evaluation.reject_option`, :mod:`~hawklet_trainer.evaluation.measure_rejecting`,
  :mod:`~hawklet_trainer.evaluation.reject_sentences`: when to say nothing.
* :mod:`~hawklet_trainer.evaluation.evaluate`: ``hawklet evaluate``; :mod:`~hawklet_trainer.evaluation.subject`,
  :mod:`~hawklet_trainer.evaluation.bundle_origin`, :mod:`~hawklet_trainer.evaluation.pictures`: of what, on what.
* :mod:`~hawklet_trainer.evaluation.evaluation_report`, :mod:`~hawklet_trainer.evaluation.training_report`: the pages;
  :mod:`~hawklet_trainer.evaluation.sections`, :mod:`~hawklet_trainer.evaluation.charts`,
  :mod:`~hawklet_trainer.evaluation.line_chart`, :mod:`~hawklet_trainer.evaluation.confusion_matrix`,
  :mod:`~hawklet_trainer.evaluation.explaining`: what they are made of;
  :mod:`~hawklet_trainer.evaluation.console`: what a terminal shows.
"""
