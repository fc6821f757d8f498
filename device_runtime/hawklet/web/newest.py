"""Where the live loop leaves its newest result for the web server."""

from __future__ import annotations

from hawklet.results import LiveResult


class Newest:
    """The newest result and how many there were; written by the live loop, read by the server's threads."""

    def __init__(self) -> None:
        self._latest: tuple[int, LiveResult | None] = (0, None)

    def put(self, result: LiveResult) -> None:
        """Replace the result. One assignment, so readers need no lock and the writer waits for nobody."""
        self._latest = (self._latest[0] + 1, result)

    def get(self) -> tuple[int, LiveResult | None]:
        """How many results there were, and the newest."""
        return self._latest
