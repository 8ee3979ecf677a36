"""The connection to a Qdrant server: a deadline on each call, another node after a failure, errors in our own words."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from sinks.addresses import addresses
from sinks.config import StoreConfig
from sinks.errors import StoreError, StoreNotFound, StoreUnavailable
from sinks.server.nodes import Nodes, RpcMethod
from sinks.server.tls import exposed_key, grpc_credentials, require_tls

Response = TypeVar("Response")
log = logging.getLogger(__name__)

_ROUNDS = 2
"""How often a read goes round the nodes before it gives up."""
_PAUSE_S = 0.2
"""Between two rounds, at most: what ails a cluster while a node goes away passes in moments."""

_RETRYABLE = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    # A server's "internal error" covers a full disk, a shard that is moving and a broken connection. Whether
    # it will pass can't be known from outside; giving up would, and would lose what waiting keeps.
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Work:
    """What a call is about, for messages."""

    what: str
    collection: str
    points: int = 0
    n_bytes: int = 0

    def __str__(self) -> str:
        text = f"{self.what} {self.collection}"
        if self.points:
            text += f", {self.points} points"
        if self.n_bytes:
            text += f", {self.n_bytes} bytes"
        return text


class ServerChannel:
    """The way to one server, of one or several nodes. Thread-safe."""

    def __init__(self, location: str, config: StoreConfig) -> None:
        """Prepare it; the first call connects.

        location: the URL of the server, or those of its nodes with commas between.

        Raises:
            StoreError: a URL or a certificate's file cannot be used.
        """
        nodes = addresses(location, config.grpc_port)
        require_tls(nodes, config)
        if (host := exposed_key(nodes, config)) is not None:
            log.warning(
                "the API key of the store goes to %s unencrypted; write https:// if that is not your own network",
                host,
            )
        self.location = f"{', '.join(map(str, nodes))} (gRPC)"
        self.timeout_s = config.timeout_s
        self._closed = False
        self._metadata: tuple[tuple[str, str], ...] = ()
        if config.api_key is not None:
            self._metadata = (("api-key", config.api_key.get_secret_value()),)
        self.writes = True
        """Whether anything is written through it. Where nothing is, no read is one on which a write depends, so that
        serving continues while most of the replicas are away."""
        self.grpc = Nodes(nodes, grpc_credentials(config) if nodes[0].tls else None)

    def call(
        self,
        method: RpcMethod[Response],
        request: Any,
        work: Work,
        allowed: grpc.StatusCode | None = None,
    ) -> Response | None:
        """Call a method of a generated stub with deadline and key; None if it fails with the `allowed` code.

        Of several nodes the current one is asked. One that fails is left, for later calls too. A call that only reads
        is then sent to the next node, within its deadline; one that writes is not, since it may have happened.

        Raises:
            StoreUnavailable: no answer, or one that says to try again.
            StoreNotFound: the collection does not exist.
            StoreError: refused.
        """
        nodes = self.grpc
        attempts = _ROUNDS * len(nodes) if method.reads and len(nodes) > 1 else 1
        deadline = time.monotonic() + self.timeout_s
        node = nodes.current
        for attempt in range(1, attempts + 1):
            left_s = deadline - time.monotonic()
            # One that keeps silent must not use up the time of those that would answer.
            timeout_s = left_s / 2 if attempt < min(attempts, len(nodes)) else left_s
            try:
                return method.on_node[node](request, timeout=timeout_s, metadata=self._metadata)
            except grpc.RpcError as error:
                if error.code() is allowed:
                    return None
                explained = self._explained(error, work, node)
                if not isinstance(explained, StoreUnavailable):
                    raise explained from error
                node = nodes.leave(node)
                pause_s = random.uniform(0, _PAUSE_S) if attempt % len(nodes) == 0 else 0.0
                if attempt == attempts or time.monotonic() + pause_s >= deadline:
                    raise explained from error
            except ValueError as error:
                if "closed channel" not in str(error):
                    raise
                raise StoreError("the store is closed") from error
            time.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def turn_away(self) -> None:
        """Ask another node from now on, if there is one."""
        self.grpc.leave(self.grpc.current)

    def close(self) -> None:
        """Close the connections; calls in progress fail."""
        self._closed = True
        self.grpc.close()

    def _explained(self, error: Any, work: Work, node: int) -> StoreError:
        code, detail = error.code(), error.details() or "no details"
        context = f"{work} at {self.grpc.addresses[node]} (gRPC)"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return StoreUnavailable(f"no answer within {self.timeout_s:g} s: {context}")
        if "CERTIFICATE_VERIFY_FAILED" in detail:
            return StoreError(f"the server's certificate is not trusted: {context}; set store.ca_file")
        if "CERTIFICATE_REQUIRED" in detail.upper().replace(" ", "_") or "BAD_CERTIFICATE" in detail.upper():
            return StoreError(
                f"the server wants another client certificate ({detail}): {context}; set store.client_cert_file"
            )
        if code in _RETRYABLE:
            hint = ""
            if self.grpc.addresses[node].tls and "Socket closed" in detail:
                # So it also looks where the server ends the handshake; it may as well be going away.
                hint = "; if this lasts, it may want another client certificate: store.client_cert_file"
            return StoreUnavailable(f"{code.name} ({detail}): {context}{hint}", _retry_after_s(error))
        if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            given = "the server refuses the given" if self._metadata else "the server wants an"
            return StoreError(f"{given} API key ({detail}): {context}; set store.api_key")
        if code is grpc.StatusCode.NOT_FOUND:
            return StoreNotFound(f"{detail}: {context}")
        if code is grpc.StatusCode.CANCELLED:
            if self._closed:
                return StoreError("the store was closed during a call")
            # A server (or what stands before it) that shuts down cancels the calls it has not answered.
            return StoreUnavailable(f"CANCELLED by the server ({detail}): {context}")
        return StoreError(f"{code.name} ({detail}): {context}")


def _retry_after_s(error: Any) -> float | None:
    for key, value in error.trailing_metadata() or ():
        if key == "retry-after":
            try:
                return float(value)
            except ValueError:
                return None
    return None
