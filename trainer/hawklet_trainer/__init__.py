"""hawklet_trainer: from a folder of photos to a run folder, with every step in view.

========================  ==============================================================================
``train_command``         ``hawklet train``
``evaluate_command``      ``hawklet evaluate``
``crossval_command``      ``hawklet crossval``
``tune_command``          ``hawklet tune``
``train_options``         the options of a training, which three commands take
``model_commands``        ``hawklet models`` and ``hawklet weights``
``model_table``           how ``hawklet models`` looks
``data_commands``         ``hawklet data``
``train``                 one training from start to end: data, weights, head, fine-tuning, run folder
``resume``                going on with a training that was broken off, or from a finished run
``finish``                the end of every training: judging, and the run's files
``recording``             a training is written down while it goes on
``trackers``              who else is told of it: TensorBoard, MLflow (a package)
``watching``              what is drawn anew while it goes on (a package)
``run``                   the run folder: written by the trainer, read by the converter
``data``                  photos: listed, checked, split, digested, and turned into pixels (a package)
``augment``               random pictures out of few (a package)
``models``                networks and their pretrained weights (a package)
``input_side``            ``--imgsz auto``: which input side suits pictures and board
``imgsz_option``          the types of ``--imgsz`` and ``--target``
``machine``               this machine: its processor, and where what was measured on it is kept
``training``              the head, the loop, and what they are made of (a package)
``evaluation``            how good a classifier is, and the report (a package)
``crossval``              every picture tested once, by a network trained without it (a package)
``tuning``                the search for options that train best (a package)
``conditions``            what a work of many trainings began with, and goes on with
``source_photos``         the photos that a command names, brought in, checked and split
``console``               what a terminal shows of a training
``available_memory``      how much memory may be taken
``signals``               what SIGINT and SIGTERM do to what takes long
``threads``               how torch's threads wait beside a busy neighbour
``thumbnail``             small pictures within a report's page
========================  ==============================================================================
"""
