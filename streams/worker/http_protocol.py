"""HTTP connections with bounds: on their number, on how long one may take, and no bodies."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS: Final = 64
"""More are closed as they come: a probe and a few scrapers need a handful."""
CONNECTION_S: Final = 10.0
"""A connection that has not sent its request and taken its answer by then is closed."""
_NO_BODIES: Final = b"requests with a body are not taken\n"


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, for one short request each."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        # From here on, not from the last byte: one byte a second would hold a connection for hours.
        self._deadline = self.loop.call_later(CONNECTION_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to watch."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)


def without_body(app: Any) -> Any:
    """The ASGI app behind a door that refuses requests with a body, before a byte of it is read."""

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        if b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
            await send({"type": "http.response.start", "status": 413, "headers": []})
            await send({"type": "http.response.body", "body": _NO_BODIES})
            return
        await app(scope, receive, send)

    return guarded
