"""A small Qdrant server for tests: the gRPC calls that Driftline makes, over qdrant-edge.

It does what a real Qdrant was seen to do, for exactly the requests that the product sends, and refuses
everything else: other calls, and other fields in the calls it knows, are UNIMPLEMENTED rather than ignored.

    python tests/support/qdrant_server.py --folder DIR [--port N] [--api-key KEY]

prints one JSON line {"url", "port"} when it is ready and stops on SIGTERM. Each JSON line on its standard input
sets faults, and is answered by one; see `support.qdrant_faults`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc
from qdrant_client import grpc as messages

if not __package__:  # run as a program, not imported by a test
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.qdrant_faults import follow
from support.qdrant_replicas import ReplicatedShard
from support.qdrant_requests import Refused, check_understood
from support.qdrant_service import CollectionsOnly, Service

UPDATES = ("Upsert", "SetPayload", "Delete")
"""Methods whose requests change points."""


REPLICAS = int(os.environ.get("DRIFTLINE_TEST_REPLICAS", "1"))
"""Replicas that a server keeps where a test does not say."""


class QdrantServer:
    """A server on a loopback port, in threads of this process; `url`, `port`, `calls` (count by method), `faulted`
    (count of requests that failed, whose answer was lost, and that were carried out late).

    Faults: `delay_s` before each answer, `fail_share` of requests failing, `fail_next(n)`, `late_share` of updates
    and `late_next(n)` answered as failed at once and carried out later, `update_status` (from the next start) other
    than Completed.
    """

    def __init__(
        self,
        folder: Path | str,
        api_key: str | None = None,
        port: int = 0,
        certificate: tuple[bytes, bytes] | None = None,
        clients: bytes | None = None,
        seed: int = 0,
        replicas: int = REPLICAS,
        by_default: bool = False,
    ) -> None:
        """`certificate` is (private key, certificate chain) in PEM; with it the server speaks TLS only, and with `clients`,
        an authority's certificate, only with clients that it has signed. `replicas` that
        new collections have by default, see `support.qdrant_replicas`; `by_default`: every request is served as if it
        asked neither for an ordering nor for a majority."""
        self.folder = Path(folder)
        self._replicas, self._by_default = replicas, by_default
        self._api_key = api_key
        self._certificate = certificate
        self._clients = clients
        self._random = random.Random(seed)
        self._failures: list[tuple[grpc.StatusCode | None, bool, str | None]] = []
        self._lock = threading.Lock()
        self._server: grpc.Server | None = None
        self.port = port
        self.delay_s = 0.0
        self.fail_share = 0.0
        self.late_share = 0.0
        self.late_s = 0.6
        self._to_be_late: list[str] = []
        self._held: list[Callable[[], Any]] = []
        self.update_status = messages.UpdateStatus.Completed
        self.calls: Counter[str] = Counter()
        self.faulted: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """As a user would name it: the HTTP port, which by custom is one below the gRPC port."""
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port - 1}"

    def fail_next(
        self,
        requests: int,
        code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE,
        applied: bool = False,
        method: str | None = None,
        after: int = 0,
    ) -> None:
        """Let the next requests fail, or the next of that method ("Upsert"), after this many that don't; with `applied` each
        is carried out and only its answer is lost."""
        with self._lock:
            self._failures += [(None, False, method)] * after + [(code, applied, method)] * requests

    def replicated(self, collection: str) -> ReplicatedShard:
        """The replicas of a collection that has several."""
        shard = self._service.collection(collection).shard
        assert isinstance(shard, ReplicatedShard)
        return shard

    def unordered_updates(self) -> dict[str, int]:
        """By collection with several replicas: how many updates asked for no ordering, where any did."""
        return self._service.unordered_updates()

    def clear_failures(self) -> None:
        """Let no further request fail."""
        with self._lock:
            self._failures.clear()

    def late_next(self, requests: int, method: str) -> None:
        """Answer the next requests of that method ("Upsert") with UNAVAILABLE, and carry them out in `release_late`."""
        with self._lock:
            self._to_be_late += [method] * requests

    def release_late(self, backwards: bool = False) -> int:
        """Carry out the requests that `late_next` held back, the first or the last one first; how many they were."""
        with self._lock:
            held, self._held = self._held, []
        for carry_out in reversed(held) if backwards else held:
            self._late(carry_out)
        return len(held)

    def start(self) -> Self:
        """Listen, on the same port as before after a `stop`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._service = Service(self.folder)
        self._service.update_status = self.update_status
        self._service.replicas, self._service.by_default = self._replicas, self._by_default
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="qdrant-test")
        self._latecomers = ThreadPoolExecutor(16, thread_name_prefix="qdrant-late")
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
        server = grpc.server(self._pool, interceptors=[Gate(self)], options=options)
        messages.add_CollectionsServicer_to_server(CollectionsOnly(self._service), server)
        messages.add_PointsServicer_to_server(self._service, server)
        address = f"127.0.0.1:{self.port}"
        if self._certificate:
            credentials = grpc.ssl_server_credentials(
                [self._certificate], self._clients, require_client_auth=self._clients is not None
            )
            self.port = server.add_secure_port(address, credentials)
        else:
            self.port = server.add_insecure_port(address)
        server.start()
        self._server = server
        return self

    def stop(self) -> None:
        """Cut all connections and free the port."""
        if self._server is None:
            return
        self._stopping.set()
        self._server.stop(grace=None).wait()
        self._pool.shutdown()
        self._latecomers.shutdown()
        self._service.close()
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answer(self, method: str, call: Callable[[Any, Any], Any], request: Any, context: Any) -> Any:
        """One request, through the key check and the faults asked for."""
        with self._lock:
            self.calls[method.rpartition("/")[2]] += 1
        if self._api_key is not None:
            given = dict(context.invocation_metadata()).get("api-key")
            if given != self._api_key:
                reason = "Invalid API key or JWT" if given else "Must provide an API key"
                context.abort(grpc.StatusCode.UNAUTHENTICATED, reason)
        if self.delay_s:
            self._stopping.wait(self.delay_s)
        with self._lock:
            code, applied = self._failure(method.rpartition("/")[2])
            if code is not None:
                self.faulted["lost" if applied else "failed"] += 1
        if code is not None and not applied:
            context.abort(code, "asked to fail")
        if self._is_late(method.rpartition("/")[2], lambda: call(request, None)):
            context.abort(grpc.StatusCode.UNAVAILABLE, "asked to be late")
        try:
            check_understood(request)
            answer = call(request, context)
        except Refused as refusal:
            context.abort(refusal.code, str(refusal))
        except NotImplementedError:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the test server does not know {method}")
        except Exception as error:
            context.abort(grpc.StatusCode.INTERNAL, f"Service internal error: {error}")
        if code is not None:
            context.abort(code, "applied, then asked to fail")
        return answer

    def _is_late(self, method: str, carry_out: Callable[[], Any]) -> bool:
        """Whether the request is to be answered as failed now; it is kept, or on its way, if so."""
        with self._lock:
            if method in self._to_be_late:
                self._to_be_late.remove(method)
                self._held.append(carry_out)
                return True
            if method not in UPDATES or self._random.random() >= self.late_share:
                return False
            wait_s = self._random.uniform(0, self.late_s)

        def later() -> None:
            if not self._stopping.wait(wait_s):
                self._late(carry_out)

        self._latecomers.submit(later)
        return True

    def _late(self, carry_out: Callable[[], Any]) -> None:
        with self._lock:
            self.faulted["late"] += 1
        carry_out()

    def _failure(self, method: str) -> tuple[grpc.StatusCode | None, bool]:
        """How a request of that method is to fail, None if it is not, and whether it is carried out all the same."""
        for failure in self._failures:
            code, applied, only = failure
            if only in (None, method):
                self._failures.remove(failure)
                return code, applied
        return grpc.StatusCode.UNAVAILABLE if self._random.random() < self.fail_share else None, False


class Gate(grpc.ServerInterceptor):
    """Leads every request through `QdrantServer.answer`."""

    def __init__(self, server: QdrantServer) -> None:
        self._server = server

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = continuation(details)
        if handler is None:
            return None

        def answer(request: Any, context: Any) -> Any:
            return self._server.answer(details.method, handler.unary_unary, request, context)

        return grpc.unary_unary_rpc_method_handler(
            answer, handler.request_deserializer, handler.response_serializer
        )


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--api-key")
    options = parser.parse_args(None if arguments is None else list(arguments))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with QdrantServer(options.folder, options.api_key, options.port) as server:
        print(json.dumps({"url": server.url, "port": server.port}), flush=True)
        threading.Thread(target=follow, args=(server, sys.stdin), daemon=True).start()
        stop.wait()


if __name__ == "__main__":
    main()
