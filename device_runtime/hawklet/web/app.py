"""The HTTP side of the live page, as a Starlette application."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import re
import threading
import time
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Any

from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hawklet import __version__
from hawklet.outputs.jsonl import to_dict
from hawklet.spec import Pixels
from hawklet.web.newest import Newest

_PICTURES_PER_SECOND = 15.0
_EVENTS_PER_SECOND = 10.0
_JPEG_QUALITY = 80


def make_app(newest: Newest, about: dict[str, Any], stopping: threading.Event, *, names: list[str] | None) -> Starlette:
    """The application.

    Args:
        newest: Where results are read from.
        about: What ``/api/status`` says of the run.
        stopping: Ends open streams when set.
        names: Answer only requests for these hosts; None = for any.
    """
    page = files("hawklet.web").joinpath("page.html").read_text(encoding="utf-8")
    opened = time.monotonic()
    pictures = _Pictures(newest)

    async def index(_: Request) -> Response:
        return HTMLResponse(page)

    async def status(_: Request) -> Response:
        count, result = newest.get()
        uptime = round(time.monotonic() - opened, 1)
        dropped = result.dropped if result else 0
        return JSONResponse(about | {"hawklet": __version__, "uptime_s": uptime, "results": count, "dropped": dropped})

    async def latest(_: Request) -> Response:
        result = newest.get()[1]
        return JSONResponse(to_dict(result)) if result else Response(status_code=204)

    async def events(_: Request) -> Response:
        return StreamingResponse(_events(newest, stopping), media_type="text/event-stream")

    async def frame(_: Request) -> Response:
        jpeg = await pictures.newest()
        return Response(jpeg, media_type="image/jpeg") if jpeg else Response(status_code=204)

    async def stream(_: Request) -> Response:
        kind = "multipart/x-mixed-replace; boundary=frame"
        return StreamingResponse(_parts(pictures, stopping), media_type=kind)

    middleware = [Middleware(_ExtraHeaders, headers=_security_headers(page))]
    if names is not None:
        middleware.insert(0, Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False))
    routes = [
        Route("/", index),
        Route("/api/status", status),
        Route("/api/latest", latest),
        Route("/api/events", events),
        Route("/frame.jpg", frame),
        Route("/stream.mjpg", stream),
    ]
    return Starlette(routes=routes, middleware=middleware)


def _security_headers(page: str) -> list[tuple[bytes, bytes]]:
    """The page may run its own script and style, known by their digests, and load from this server alone."""
    script, style = (_digest(page, tag) for tag in ("script", "style"))
    policy = (
        f"default-src 'self'; script-src '{script}'; style-src '{style}'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-store"),
    ]


def _digest(page: str, tag: str) -> str:
    found = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    assert found, f"page.html has no <{tag}>"  # noqa: S101 -- a slip in our own file, not user input
    return "sha256-" + base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()


class _ExtraHeaders:
    """Adds headers to every response, streams included."""

    def __init__(self, app: ASGIApp, headers: list[tuple[bytes, bytes]]) -> None:
        self._app, self._headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _Pictures:
    """JPEGs of the newest frame, each made once however many watch."""

    def __init__(self, newest: Newest) -> None:
        self._newest = newest
        self._made: tuple[int, bytes | None] = (0, None)
        self._making = asyncio.Lock()

    async def newest(self) -> bytes | None:
        """The newest frame as JPEG; None before the first."""
        async with self._making:
            count, result = self._newest.get()
            if result is not None and count != self._made[0]:
                self._made = (count, await asyncio.to_thread(_jpeg, result.frame.image))
            return self._made[1]


def _jpeg(image: Pixels) -> bytes:
    """Of the colours; a fourth plane is not shown."""
    stream = io.BytesIO()
    Image.fromarray(image[..., :3]).save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()


async def _parts(pictures: _Pictures, stopping: threading.Event) -> AsyncIterator[bytes]:
    previous: bytes | None = None
    while not stopping.is_set():
        jpeg = await pictures.newest()
        if jpeg is not None and jpeg is not previous:
            previous = jpeg
            yield b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg + b"\r\n"
        await asyncio.sleep(1 / _PICTURES_PER_SECOND)


async def _events(newest: Newest, stopping: threading.Event) -> AsyncIterator[bytes]:
    seen, since = 0, time.monotonic()
    while not stopping.is_set():
        count, result = newest.get()
        if result is not None and count != seen:
            now = time.monotonic()
            rate = round((count - seen) / max(now - since, 1e-3), 1) if seen else None
            seen, since = count, now
            data = json.dumps(to_dict(result) | {"frames_per_second": rate}, ensure_ascii=False)
            yield f"data: {data}\n\n".encode()
        await asyncio.sleep(1 / _EVENTS_PER_SECOND)
