"""Hands each result to the live page without making the live loop wait."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

from hawklet.errors import MissingDependencyError, OutputError, UsageError
from hawklet.outputs import Output
from hawklet.results import LiveResult
from hawklet.web.newest import Newest


class WebOutput(Output):
    """Serves the live page from a thread of its own.

    Args:
        address: ``PORT`` or ``HOST:PORT``; port 0 takes a free one.
        about: What the page says of the run: source, model, variant.
        say: Told the page's address.

    Raises:
        UsageError: the address is malformed.
        OutputError: the port cannot be had.
    """

    def __init__(self, address: str, about: dict[str, Any], say: Callable[[str], None]) -> None:
        host, port = parse_address(address)
        try:
            import uvicorn

            from hawklet.web.app import make_app
        except ImportError as error:
            raise MissingDependencyError.for_extra(str(error.name), "web", "--web") from error
        self._newest = Newest()
        listener = _listen(host, port)
        self.port: int = listener.getsockname()[1]
        self._stopping = threading.Event()
        app = make_app(self._newest, about, self._stopping, names=_names(host))
        config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=2, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="hawklet-web", daemon=True)
        self._thread.start()
        shown = f"[{host}]" if ":" in host else host
        say(f"live page at http://{shown}:{self.port}/")

    def write(self, result: LiveResult) -> None:
        """See :meth:`Output.write`."""
        self._newest.put(result)

    def close(self) -> None:
        """Stop serving; open streams end."""
        self._stopping.set()
        self._server.should_exit = True
        self._thread.join(timeout=5.0)


def parse_address(address: str) -> tuple[str, int]:
    """``8000`` -> ("127.0.0.1", 8000); ``0.0.0.0:8000`` and ``[::1]:8000`` as they say.

    Raises:
        UsageError: it is neither.
    """
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise UsageError(f"--web takes PORT or HOST:PORT, as 8000 or 0.0.0.0:8000; got {address}")
    return host.strip("[]") or "127.0.0.1", int(port)


def _names(host: str) -> list[str] | None:
    """The names that a page on this machine alone answers to; None = any, as it is for others too."""
    if host in ("localhost", "::1") or host.startswith("127."):
        return ["localhost", "127.0.0.1", "[::1]", host]
    return None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        raise OutputError(f"--web cannot serve at {host}:{port}: {error.strerror or error}") from error
    return listener
