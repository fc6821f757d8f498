"""From a run folder to a verified bundle: pruning, one quantization plan, two writers, verification.

Each step is a module named by what it does; :mod:`hawklet_converter.convert` strings them together.
"""
