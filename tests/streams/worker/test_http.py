"""/live, /ready and /metrics over real HTTP."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from streams.metrics import Metrics
from streams.worker.http import HttpServer, http_app


def get(url: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["content-type"], error.read().decode()


def served(metrics: Metrics, not_ready: Callable[[], str | None], *paths: str) -> list[tuple[int, str, str]]:
    async def main() -> list[tuple[int, str, str]]:
        server = HttpServer(http_app(metrics, not_ready), "127.0.0.1", 0)
        await server.start()
        try:
            return [await asyncio.to_thread(get, f"http://127.0.0.1:{server.port}{path}") for path in paths]
        finally:
            await server.stop()

    return asyncio.run(main())


def test_readiness_gives_its_reason() -> None:
    """200 when ready; else 503 with why. Liveness does not depend on it."""
    (ready,) = served(Metrics(), lambda: None, "/ready")
    assert ready[0] == 200 and ready[2] == '{"ready":true}'
    not_ready, live, other = served(Metrics(), lambda: "store unavailable: away", "/ready", "/live", "/other")
    assert not_ready[0] == 503 and "store unavailable: away" in not_ready[2]
    assert live[0] == 200
    assert other[0] == 404


def test_metrics_are_in_prometheus_text_format() -> None:
    """What /metrics answers is the exposition of the registry."""
    metrics = Metrics()
    metrics.events.labels("clicks", "applied").inc(3)
    ((status, content_type, body),) = served(metrics, lambda: None, "/metrics")
    assert status == 200 and content_type.startswith("text/plain")
    assert 'driftline_events_total{outcome="applied",topic="clicks"} 3.0' in body


def test_a_taken_port_is_an_error_of_ours() -> None:
    """A port in use raises, it does not end the process."""

    async def main() -> None:
        first = HttpServer(http_app(Metrics(), lambda: None), "127.0.0.1", 0)
        await first.start()
        with pytest.raises(OSError, match="in use"):
            await HttpServer(http_app(Metrics(), lambda: None), "127.0.0.1", first.port).start()
        await first.stop()

    asyncio.run(main())
