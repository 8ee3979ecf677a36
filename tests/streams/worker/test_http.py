"""/live, /ready and /metrics over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.metrics import Metrics
from streams.worker.http import BACKLOG, HttpServer, http_app
from streams.worker.http_protocol import CONNECTION_S, MAX_CONNECTIONS


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


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_half_open_connections_do_no_harm() -> None:
    """Hundreds that send nothing, or a byte now and then: the worker keeps its files, and answers come as soon as the
    limit allows; those that dawdle are closed."""

    async def main() -> None:
        server = HttpServer(http_app(Metrics(), lambda: None), "127.0.0.1", 0)
        await server.start()
        before = open_files()
        mine: list[socket.socket] = []
        most = 0
        for _ in range(400):
            one = socket.socket()
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", server.port))
            mine.append(one)
            most = max(most, open_files() - before - len(mine))
        settled = time.monotonic() + 5
        while (held := open_files() - before - len(mine)) > MAX_CONNECTIONS and time.monotonic() < settled:
            await asyncio.sleep(0.1)  # on a busy machine some are still being turned away
        assert held <= MAX_CONNECTIONS and most <= MAX_CONNECTIONS + 2 * BACKLOG
        deadline = time.monotonic() + 3 * CONNECTION_S
        answered = False
        while not answered and time.monotonic() < deadline:
            for one in mine[:200]:
                with contextlib.suppress(OSError):
                    one.send(b"G")
            with contextlib.suppress(OSError):
                answered = (await asyncio.to_thread(get, f"http://127.0.0.1:{server.port}/ready"))[0] == 200
            await asyncio.sleep(0.5)
        assert answered
        for one in mine:
            one.close()
        await server.stop()

    asyncio.run(main())


def test_a_request_with_a_body_or_a_large_head_is_refused() -> None:
    """Nothing of it is kept: 413, or 400 for a head without end; the connection is closed after each answer."""

    async def main() -> None:
        server = HttpServer(http_app(Metrics(), lambda: None), "127.0.0.1", 0)
        await server.start()

        def answer(request: bytes) -> bytes:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as one:
                one.sendall(request)
                parts = []
                with contextlib.suppress(ConnectionResetError):
                    while part := one.recv(65536):
                        parts.append(part)
                return b"".join(parts)

        body = b"POST /ready HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n" + b"x" * 1000
        chunked = b"GET /ready HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n"
        twice = b"GET /live HTTP/1.1\r\nhost: a\r\n\r\n" * 2
        head = b"GET /ready HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100_000
        assert b" 413 " in await asyncio.to_thread(answer, body)
        assert b" 413 " in await asyncio.to_thread(answer, chunked)
        assert (await asyncio.to_thread(answer, twice)).count(b"HTTP/1.1 200") == 1
        assert b" 200 " not in await asyncio.to_thread(answer, head)
        await server.stop()

    asyncio.run(main())


def test_a_worker_that_hangs_is_not_ready_and_still_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """/ready says so, while /live and /metrics answer from their own thread."""
    monkeypatch.setattr("streams.worker.http.WORKER_S", 0.3)

    async def main() -> list[tuple[int, str, str]]:
        server = HttpServer(http_app(Metrics(), lambda: None), "127.0.0.1", 0)
        await server.start()
        answers: list[tuple[int, str, str]] = []

        def ask() -> None:
            answers.extend(
                get(f"http://127.0.0.1:{server.port}{path}") for path in ("/live", "/metrics", "/ready")
            )

        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(10)  # the loop stands still meanwhile
        await server.stop()
        return answers

    live, metrics, ready = asyncio.run(main())
    assert live[0] == metrics[0] == 200
    assert ready[0] == 503 and "the worker has not answered" in ready[2]


def test_the_want_of_files_is_said_once() -> None:
    """Where no connection can be accepted any more, one line tells; the server answers again when files are free."""
    program = textwrap.dedent(
        """
        import asyncio, os, resource, socket, sys, time
        from streams.metrics import Metrics
        from streams.worker.http import HttpServer, http_app

        async def main():
            server = HttpServer(http_app(Metrics(), lambda: None), "127.0.0.1", 0)
            await server.start()
            await asyncio.sleep(0.3)
            print(server.port, flush=True)
            # The parent connects meanwhile; this process has no file left to accept with.
            held = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            try:
                while True:
                    held.append(open("/dev/null"))
            except OSError:
                pass
            print("full", flush=True)
            await asyncio.sleep(4)
            for one in held:
                one.close()
            print("free", flush=True)
            await asyncio.sleep(5)
            await server.stop()

        asyncio.run(main())
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    assert process.stdout.readline() == "full\n"
    waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    said = ""
    while (line := process.stdout.readline()) != "free\n":
        said += line
    for one in waiting:
        one.close()
    deadline, status = time.monotonic() + 4, 0
    while status != 200 and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            status = get(f"http://127.0.0.1:{port}/ready")[0]
    rest, _ = process.communicate(timeout=30)
    assert status == 200 and process.returncode == 0
    assert (said + rest).count("no connection can be accepted") == 1
    assert (said + rest).count("accept") == 1
