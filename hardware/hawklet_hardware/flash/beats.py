"""How a program on the board knows that we are still there; it needs nothing that a board may lack."""

BEAT = b"."
"""Sent now and then; no line of ours begins with it."""
BEAT_S = 20.0
"""Between two beats, seconds."""
BEATS_MISSED_S = 80
"""Silence after which the program ends: a board or a laptop vanished from the network, seconds."""
