"""Networks: which there are, what each is built and normalized like, and where its pretrained weights come from.

* :mod:`~hawklet_trainer.models.registry`: one line for each network.
* :mod:`~hawklet_trainer.models.families`: what networks of one design share.
* :mod:`~hawklet_trainer.models.entry`: what there is to know of a network, as plain records.
* :mod:`~hawklet_trainer.models.own`: a network of the user's own, by ``module:function``.
* :mod:`~hawklet_trainer.models.architecture`: a network's shape as plain data: model, width, pruned channels.
* :mod:`~hawklet_trainer.models.efficientnet_lite`: EfficientNet-Lite with fixed padding, so that it exports well.
* :mod:`~hawklet_trainer.models.squeezenet`: SqueezeNet with a linear head.
* :mod:`~hawklet_trainer.models.mnasnet`: MNASNet whose batch norms follow a few epochs.
* :mod:`~hawklet_trainer.models.head`: a network's last linear layer.
* :mod:`~hawklet_trainer.models.blocks`: its layers in blocks, from the input to the head.
* :mod:`~hawklet_trainer.models.stem`: its first convolution, for pictures of one channel or four.
* :mod:`~hawklet_trainer.models.folding`: mean and deviation per channel folded into the first convolution.
* :mod:`~hawklet_trainer.models.weights`: pretrained weights: sources in order, each checked by SHA-256.
* :mod:`~hawklet_trainer.models.size`: parameters and multiplications.
* :mod:`~hawklet_trainer.models.latency`: how long one picture takes here, measured once and kept.
* :mod:`~hawklet_trainer.models.catalogue`: what ``hawklet models`` says of each.
"""
