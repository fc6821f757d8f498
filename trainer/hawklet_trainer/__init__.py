"""hawklet_trainer: from a folder of photos to a run folder, with every step in view.

========================  ==============================================================================
``train_command``         ``hawklet train``
``evaluate_command``      ``hawklet evaluate``
``model_commands``        ``hawklet models`` and ``hawklet weights``
``data_commands``         ``hawklet data``
``train``                 one training from start to end: data, weights, head, fine-tuning, run folder
``resume``                going on with a training that was broken off, or from a finished run
``finish``                the end of every training: judging, and the run's files
``run``                   the run folder: written by the trainer, read by the converter
``data``                  photos: listed, checked, split, digested, and turned into pixels (a package)
``augment``               random pictures out of few (a package)
``models``                networks and their pretrained weights (a package)
``training``              the head, the loop, and what they are made of (a package)
``evaluation``            how good a classifier is, and the report (a package)
``console``               what a terminal shows of a training
``available_memory``      how much memory may be taken
``threads``               how torch's threads wait beside a busy neighbour
``thumbnail``             small pictures within a report's page
========================  ==============================================================================
"""
