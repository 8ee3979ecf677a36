"""/live, /ready and /metrics: a small HTTP part that can't harm the worker, whoever connects to it.

It has a thread and an event loop of its own. What a connection may take is bounded: how many there are, how long one lasts from
its first byte to its last, and the size of its head; none carries a body or a second request.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog

from streams.metrics import Metrics

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MAX_HEAD_BYTES: Final = 8192
BACKLOG: Final = 16
"""Connections accepted at once; the loop looks at its limits before it takes more."""
WORKER_S: Final = 5.0
"""How long /ready waits for the worker's own loop."""

log = structlog.get_logger(__name__)


def http_app(
    metrics: Metrics,
    not_ready: Callable[[], str | None],
    warnings: Callable[[], list[str]] = list,
) -> Starlette:
    """The ASGI app. `not_ready` gives the reason while the daemon can't make progress, else None; `warnings` what an operator
    should look at although it can: they stand in the body of /ready, whatever its status. Both are called on the loop that
    started the server."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def told() -> tuple[str | None, list[str]]:
        return not_ready(), warnings()

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(request: Request) -> Response:
        answer = asyncio.run_coroutine_threadsafe(told(), request.app.state.worker_loop)
        try:
            reason, texts = await asyncio.wait_for(asyncio.wrap_future(answer), WORKER_S)
        except TimeoutError:
            reason, texts = f"the worker has not answered for {WORKER_S:.0f} s", []
        body: dict[str, Any] = {"ready": reason is None} | ({"reason": reason} if reason else {})
        if texts:
            body["warnings"] = texts
        return JSONResponse(body, status_code=200 if reason is None else 503)

    async def expose(request: Request) -> Response:
        return Response(metrics.exposition(), headers={"content-type": metrics.content_type})

    return Starlette(routes=[Route("/live", live), Route("/ready", ready), Route("/metrics", expose)])


class HttpServer:
    """Serves an ASGI app in a thread of its own; signals stay the daemon's."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        self._app = app
        self.host = host
        self.port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Listen. With port 0, `port` tells the one taken.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
        """
        import uvicorn

        from streams.worker.http_protocol import BoundedProtocol, without_body

        class Server(uvicorn.Server):
            @contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield

        self._app.state.worker_loop = asyncio.get_running_loop()
        # Bound here: uvicorn would end the process where the port is taken.
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.create_server((self.host, self.port), family=family, backlog=BACKLOG)
        self.port = listener.getsockname()[1]
        self._server = Server(
            uvicorn.Config(
                without_body(self._app),
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                backlog=BACKLOG,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                headers=[("connection", "close")],
                timeout_graceful_shutdown=1,
                log_config=None,
                access_log=False,
            )
        )
        self._thread = threading.Thread(
            target=_serve, args=(self._server, listener), name="http", daemon=True
        )
        self._thread.start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            await asyncio.to_thread(self._thread.join, 2 * WORKER_S)


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    """The thread's work."""
    told = False

    def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told
        if not str(context.get("message", "")).startswith("socket.accept()"):
            loop.default_exception_handler(context)
        elif not told:
            # asyncio stops accepting for a second, and says so every time.
            told = True
            log.warning("http", error=f"no connection can be accepted: {context.get('exception')}")

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(note)
    try:
        loop.run_until_complete(server.serve(sockets=[listener]))
    finally:
        listener.close()
        loop.close()
