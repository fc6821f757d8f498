"""Putting a bundle on a board over SSH as one transaction: the board runs the new model, proved there, or the old one.

``flasher`` is the workstation's half; ``onboard`` is the board's half, run there by the environment that was shipped;
``releases`` is the layout both rely on; ``probe`` reads a board without changing it; ``lock`` keeps two flashes apart;
``wheel`` finds hawklet itself to ship.
"""
