"""/live, /ready and /metrics: the small HTTP part inside the worker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from streams.metrics import Metrics

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response


def http_app(
    metrics: Metrics,
    not_ready: Callable[[], str | None],
    warnings: Callable[[], list[str]] = list,
) -> Starlette:
    """The ASGI app. `not_ready` gives the reason while the daemon can't make progress, else None; `warnings` what an operator
    should look at although it can: they stand in the body of /ready, whatever its status."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(request: Request) -> Response:
        reason = not_ready()
        body: dict[str, Any] = {"ready": reason is None} | ({"reason": reason} if reason else {})
        if texts := warnings():
            body["warnings"] = texts
        return JSONResponse(body, status_code=200 if reason is None else 503)

    async def expose(request: Request) -> Response:
        return Response(metrics.exposition(), headers={"content-type": metrics.content_type})

    return Starlette(routes=[Route("/live", live), Route("/ready", ready), Route("/metrics", expose)])


class HttpServer:
    """Serves an ASGI app on the running event loop; signals stay the daemon's."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        self._app = app
        self.host = host
        self.port = port
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. With port 0, `port` tells the one taken.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
        """
        import uvicorn

        class Server(uvicorn.Server):
            @contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield

        # Bound here: uvicorn would end the process where the port is taken.
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.create_server((self.host, self.port), family=family)
        self.port = listener.getsockname()[1]
        self._server = Server(
            uvicorn.Config(self._app, loop="none", lifespan="off", log_config=None, access_log=False)
        )
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
