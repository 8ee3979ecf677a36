"""The connection to a Qdrant server: one gRPC channel, a deadline on each call, errors in our own words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc

from sinks.config import StoreConfig
from sinks.errors import StoreError, StoreNotFound, StoreUnavailable

Response = TypeVar("Response")

# A write under a fence asks several times, and after a failure still more often. Were each lost read to cost all of it,
# a store that fails a third of its requests would hardly let one through; so reads, which change nothing, are sent
# again by the channel within their deadline. Writes are not: whoever sends one must know that it may have happened.
_READ_AGAIN = {
    "methodConfig": [
        {
            "name": [
                {"service": "qdrant.Points", "method": method}
                for method in ("Get", "Scroll", "Query", "Count")
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.service_config", json.dumps(_READ_AGAIN)),
    # Only "identity": with gzip a server spends its time compressing states that are packed already.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that is back is noticed within a second; the default waits up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A peer that vanished without a word (power, network) is noticed too, not only timed out call by call.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A store that is opened anew connects at once instead of waiting out the backoff of an earlier one.
    ("grpc.use_local_subchannel_pool", 1),
)

_RETRYABLE = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    # A server's "internal error" covers a full disk, a shard that is moving and a broken connection. Whether
    # it will pass can't be told from outside; giving up would, and would lose what waiting keeps.
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
    """A channel to one server. Thread-safe."""

    def __init__(self, url: str, config: StoreConfig) -> None:
        """Prepare the channel; the first call connects.

        Raises:
            StoreError: the URL or the CA file cannot be used.
        """
        host, port, tls = _address(url, config.grpc_port)
        self.location = f"{'https' if tls else 'http'}://{host}:{port} (gRPC)"
        self._timeout_s = config.timeout_s
        self._closed = False
        self._metadata: tuple[tuple[str, str], ...] = ()
        if config.api_key is not None:
            self._metadata = (("api-key", config.api_key.get_secret_value()),)
        target = f"{host}:{port}"
        if tls:
            self.grpc = grpc.secure_channel(target, _credentials(config), _OPTIONS)
        else:
            self.grpc = grpc.insecure_channel(target, _OPTIONS)

    def call(
        self,
        method: Callable[..., Response],
        request: Any,
        work: Work,
        allowed: grpc.StatusCode | None = None,
    ) -> Response | None:
        """Call a method of a generated stub with deadline and key; None if it fails with the `allowed` code.

        Raises:
            StoreUnavailable: no answer, or one that says to try again.
            StoreNotFound: the collection is not there.
            StoreError: refused.
        """
        try:
            return method(request, timeout=self._timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            if error.code() is allowed:
                return None
            raise self._explained(error, work) from error
        except ValueError as error:
            if "closed channel" not in str(error):
                raise
            raise StoreError("the store is closed") from error

    def close(self) -> None:
        """Close the channel; calls in progress fail."""
        self._closed = True
        self.grpc.close()

    def _explained(self, error: Any, work: Work) -> StoreError:
        code, detail = error.code(), error.details() or "no details"
        context = f"{work} at {self.location}"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return StoreUnavailable(f"no answer within {self._timeout_s:g} s: {context}")
        if "CERTIFICATE_VERIFY_FAILED" in detail:
            return StoreError(f"the server's certificate is not trusted: {context}; set store.ca_file")
        if code in _RETRYABLE:
            return StoreUnavailable(f"{code.name} ({detail}): {context}", _retry_after_s(error))
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


def _address(url: str, grpc_port: int | None) -> tuple[str, int, bool]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise StoreError("the store's URL cannot be read; write http(s)://host:port") from error
    if parts.username is not None or parts.password is not None:
        raise StoreError("the store's URL holds a user or a password; give a key by store.api_key instead")
    if not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise StoreError(f"the store's URL {url} must be http(s)://host:port and no more")
    if ":" in host:
        host = f"[{host}]"
    if grpc_port is None:
        grpc_port = (port or 6333) + 1
    return host, grpc_port, parts.scheme == "https"


def _credentials(config: StoreConfig) -> grpc.ChannelCredentials:
    if config.ca_file is None:
        return grpc.ssl_channel_credentials()
    try:
        return grpc.ssl_channel_credentials(config.ca_file.read_bytes())
    except OSError as error:
        raise StoreError(
            f"cannot read store.ca_file {config.ca_file}: {error.strerror}; it must be a PEM file"
        ) from error


def _retry_after_s(error: Any) -> float | None:
    for key, value in error.trailing_metadata() or ():
        if key == "retry-after":
            try:
                return float(value)
            except ValueError:
                return None
    return None
