"""Networks: which there are, what each is built and normalized like, and where its pretrained weights come from.

* :mod:`~hawklet_trainer.models.registry`: one entry for each network; and a user's own.
* :mod:`~hawklet_trainer.models.architecture`: a network's shape as plain data: model, width, pruned channels.
* :mod:`~hawklet_trainer.models.efficientnet_lite`: EfficientNet-Lite with fixed padding, so that it exports well.
* :mod:`~hawklet_trainer.models.weights`: pretrained weights: sources in order, each checked by SHA-256.
* :mod:`~hawklet_trainer.models.folding`: mean and deviation per channel folded into the first convolution.
"""
