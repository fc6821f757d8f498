"""``hawklet verify``: a bundle's files measured anew, on labelled pictures, against the float model they come from.

=====================  =========================================================================
``commands``           ``hawklet verify``
``request``            what is asked
``choose_pictures``    which pictures, and whether the network was trained on them
``answer_pictures``    every file's and the network's outputs on them
``statistics``         intervals, exact tests, calibration, divergence, errors of logits
``moved_pictures``     the pictures whose probabilities moved most
``verification``       what came out, as data
``checks``             what must hold for exit code 0
``verify_bundle``      one verification from start to end
``tables``             the terminal
``plots``, ``report``  the page
=====================  =========================================================================
"""
