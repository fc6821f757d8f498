"""hawklet_trainer: from a folder of photos to a run folder, with every step in view.

========================  ==============================================================================
``commands``              ``hawklet train``, ``hawklet evaluate`` and ``hawklet weights``
``terms``                 the words the others share: configuration, history, who watches
``train``                 one training from start to end: data, weights, head, fine-tuning, run folder
``resume``                going on with a training that was broken off, or from a finished run
``finish``                the end of every training: judging, and the run's files
``data``                  photos: listed, checked, split, digested, and turned into pixels (a package)
``data_commands``         ``hawklet data``
``models``                the registry of networks: one entry each; and a user's own
``architecture``          a network's shape as plain data: model, width, pruned channels
``efficientnet_lite``     EfficientNet-Lite0 with fixed padding, so that it exports well
``weights``               pretrained weights: sources in order, each checked by SHA-256
``folding``               mean and deviation per channel folded into the first convolution
``augment``               random pictures out of few
``head``                  the last layer alone, on cached features
``loop``                  fine-tuning; the whole loop in one file
``distil``                what a teacher adds to the loss
``checkpoint``            the loop's whole state in one file, for going on to the same bits
``precision``             bfloat16 or float32, chosen by measuring on this machine
``available_memory``      how much memory may be taken
``freed_memory``          memory that a step has freed is kept for the next
``threads``               how torch's threads wait beside a busy neighbour
``evaluate``              accuracy, precision, recall, F1, confusion matrix (no torch needed)
``evaluate_run``          a finished run measured anew
``run``                   the run folder: written by the trainer, read by the converter
``report``                report.html and confusion_matrix.png
``thumbnail``             small pictures within a report's page
========================  ==============================================================================
"""
