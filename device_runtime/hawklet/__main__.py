"""``python -m hawklet`` is the ``hawklet`` command."""

from hawklet.cli import main

main()
