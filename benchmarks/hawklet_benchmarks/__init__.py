"""Measuring a classifier, keeping the numbers with their conditions, and comparing them honestly.

``measure`` starts fresh processes that each execute ``worker`` and returns a ``result``; ``compare`` sets results
side by side; ``report`` draws them. Importing the package costs nothing: the worker times its own imports.
"""
