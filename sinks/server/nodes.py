"""gRPC channels to the nodes of one server, behind what looks to a generated stub like a single channel."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc

from sinks.addresses import Address

Response = TypeVar("Response")

READS = frozenset(
    {
        *(f"/qdrant.Points/{method}" for method in ("Get", "Scroll", "Query", "Count")),
        *(f"/qdrant.Collections/{method}" for method in ("Get", "ListAliases", "CollectionClusterInfo")),
    }
)
"""Calls that change nothing, so that it does no harm to send one again."""

# A write under a fence asks several times, and after a failure still more often. Were each lost read to cost all of it,
# a store that fails a third of its requests would hardly let one through; so reads, which change nothing, are sent
# again by the channel within their deadline. Writes are not: the sender must know that one may have happened.
# Where there are several nodes, another one is asked instead.
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
    # Only "identity": with gzip a server spends its time compressing states that are packed already.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that is back is noticed within a second; the default waits up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A peer that vanished silently (power, network) is noticed too, not only timed out call by call.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A store that is opened again connects at once instead of waiting out the backoff of an earlier one.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class RpcMethod(Generic[Response]):
    """One method of a service, to be called on any node."""

    path: str
    on_node: tuple[Callable[..., Response], ...]
    """by the node's number"""

    @property
    def name(self) -> str:
        """Within its service."""
        return self.path.rpartition("/")[2]

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.path in READS


class Nodes:
    """The channels, and which node is asked now. Thread-safe.

    A node is asked until it fails; then it is the next one's turn, in a ring. Processes begin at nodes drawn at random,
    so that many of them don't burden one.
    """

    def __init__(self, nodes: Sequence[Address], credentials: grpc.ChannelCredentials | None) -> None:
        """credentials: None where the nodes speak plain http."""
        self.addresses = tuple(nodes)
        options = _OPTIONS
        if len(nodes) == 1:
            options += (("grpc.service_config", json.dumps(_READ_AGAIN)),)
        self._channels = [
            grpc.insecure_channel(node.target, options)
            if credentials is None
            else grpc.secure_channel(node.target, credentials, options)
            for node in nodes
        ]
        self._lock = threading.Lock()
        self._current = random.randrange(len(nodes))

    def __len__(self) -> int:
        return len(self.addresses)

    @property
    def current(self) -> int:
        """The number of the node that is asked now."""
        return self._current

    def leave(self, failed: int) -> int:
        """Ask another node than the one that failed from now on; gives its number."""
        with self._lock:
            if self._current == failed:
                self._current = (failed + 1) % len(self.addresses)
            return self._current

    def unary_unary(self, path: str, *serializers: Any, **more: Any) -> RpcMethod[Any]:
        """As a grpc.Channel has it, for generated stubs; the result is called by `sinks.server.channel.ServerChannel.call`."""
        return RpcMethod(
            path, tuple(channel.unary_unary(path, *serializers, **more) for channel in self._channels)
        )

    def close(self) -> None:
        """Close all channels; calls in progress fail."""
        for channel in self._channels:
            channel.close()
