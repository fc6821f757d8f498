"""How long candidates of a model take where they will run: all in turns, over SSH.

``remote`` is the workstation's half; ``onboard`` is the board's half, which owns the folder and ends with the
connection; ``turns`` lets the candidates take turns in processes of ``worker``, one an engine, and goes on without a
candidate that kills its process; ``results`` is what comes out.
"""
