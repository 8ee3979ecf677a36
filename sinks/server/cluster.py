"""How a store is spread over the nodes of a server, for reports; no write depends on it."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from dataclasses import dataclass
from typing import Any

from qdrant_client import grpc as messages

from sinks.addresses import Address, addresses
from sinks.config import StoreConfig
from sinks.errors import StoreError, StoreUnavailable
from sinks.layout import live_alias
from sinks.server.channel import ServerChannel, Work
from sinks.server.replicas import cluster_info
from sinks.server.tls import rest_context

_REST_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Spread:
    """How one collection is spread."""

    collection: str
    shards: int
    replicas: int
    """of the shard with the most; what the collection is meant to have where that is more"""
    fewest: int | None
    """replicas of the shard with the fewest; None where the server does not tell"""
    inactive: dict[str, int]
    """replicas by their state, those that are not active"""
    write_consistency: int
    peers: frozenset[int]
    """nodes that hold any of it, as far as the server tells"""

    @property
    def away(self) -> int:
        """How many nodes may be away at a time while everything is written."""
        if self.replicas == 1:
            return 0
        majority = self.replicas // 2 + 1
        return self.replicas - max(majority, self.write_consistency)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server's nodes and how the collections of one store lie on them."""

    nodes: int | None
    """None where the server does not tell"""
    trouble: str
    """what the nodes' agreement suffers from; "" if nothing is known"""
    silent: tuple[str, ...]
    """addresses of the location that don't answer"""
    spreads: tuple[Spread, ...]


def look_at_cluster(location: str, config: StoreConfig) -> Cluster:
    """What the server tells of its nodes and of the live version of the store on it.

    Raises:
        StoreNotFound: there is no store.
        StoreUnavailable: none of the addresses answers.
        StoreError: refused.
    """
    channel = ServerChannel(location, config)
    try:
        spreads = tuple(_spread(channel, name) for name in _live_collections(channel, config.prefix))
        there = addresses(location, config.grpc_port)
        silent = tuple(str(address) for address in there if not _answers(address, config))
        nodes, trouble = _nodes(there, config)
        if nodes is None and (peers := frozenset[int]().union(*(spread.peers for spread in spreads))):
            nodes = len(peers)
        return Cluster(nodes, trouble, silent, spreads)
    finally:
        channel.close()


def _live_collections(channel: ServerChannel, prefix: str) -> list[str]:
    collections = messages.CollectionsStub(channel.grpc)  # type: ignore[no-untyped-call]
    listed: Any = channel.call(
        collections.ListAliases, messages.ListAliasesRequest(), Work("listing aliases of", prefix)
    )
    there = {alias.alias_name: alias.collection_name for alias in listed.aliases}
    # A store that an earlier release made may have no aliases yet; it has one version then.
    live = [there.get(prefix + live_alias(role), prefix + role) for role in ("users", "items")]
    return [*live, f"{prefix}meta"]


def _spread(channel: ServerChannel, name: str) -> Spread:
    collections = messages.CollectionsStub(channel.grpc)  # type: ignore[no-untyped-call]
    request = messages.GetCollectionInfoRequest(collection_name=name)
    info: Any = channel.call(collections.Get, request, Work("looking at", name))
    params = info.result.config.params
    meant = params.replication_factor or 1
    placed = cluster_info(channel, name)
    held: Counter[int] = Counter()
    states: Counter[str] = Counter()
    peers: set[int] = set()
    if placed is not None:
        for shard in (*placed.local_shards, *placed.remote_shards):
            held[shard.shard_id] += 1
            states[messages.ReplicaState.Name(shard.state)] += 1
        peers = {shard.peer_id for shard in placed.remote_shards}
        if placed.local_shards:
            peers.add(placed.peer_id)
    return Spread(
        collection=name,
        shards=params.shard_number or 1,
        replicas=max(meant, *held.values()) if held else meant,
        fewest=min(held.values()) if held else None,
        inactive={state: count for state, count in sorted(states.items()) if state != "Active"},
        write_consistency=params.write_consistency_factor or 1,
        peers=frozenset(peers),
    )


def _answers(address: Address, config: StoreConfig) -> bool:
    alone = f"{'https' if address.tls else 'http'}://{address.host}:{address.rest_port}"
    channel = ServerChannel(alone, config)
    collections = messages.CollectionsStub(channel.grpc)  # type: ignore[no-untyped-call]
    try:
        channel.call(collections.ListAliases, messages.ListAliasesRequest(), Work("asking", alone))
    except StoreUnavailable:
        return False
    except StoreError:
        pass  # it refuses, so it is there
    finally:
        channel.close()
    return True


def _nodes(there: list[Address], config: StoreConfig) -> tuple[int | None, str]:
    """How many nodes there are, and what their agreement suffers from: gRPC tells neither, HTTP does, where it is
    reachable and not forbidden."""
    for address in there:
        try:
            answer = _rest(address, config)
            if answer["status"] == "disabled":
                return 1, ""
            peers: dict[str, Any] = answer["peers"]
            working = answer["consensus_thread_status"]["consensus_thread_status"] == "working"
            failing = sorted(answer.get("message_send_failures", {}))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if not working:
            return len(peers), f"{address} has stopped agreeing with the other nodes; see its log"
        return len(peers), f"{address} does not reach {', '.join(failing)}" if failing else ""
    return None, ""


def _rest(address: Address, config: StoreConfig) -> Any:
    scheme = "https" if address.tls else "http"
    request = urllib.request.Request(f"{scheme}://{address.host}:{address.rest_port}/cluster")
    if config.api_key is not None:
        request.add_header("api-key", config.api_key.get_secret_value())
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if address.tls:
        handlers.append(urllib.request.HTTPSHandler(context=rest_context(config)))
    opener = urllib.request.build_opener(*handlers)
    with opener.open(request, timeout=min(config.timeout_s, _REST_TIMEOUT_S)) as answer:
        return json.loads(answer.read())["result"]
