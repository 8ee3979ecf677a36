"""What `driftline doctor` says about a server's nodes: how the store is spread over them, and which promises hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sinks.config import StoreConfig
    from sinks.server.cluster import Cluster, Spread

ClusterFinding = tuple[bool | None, str, str]
"""Whether it is right (None: worth knowing), what was found, what to do."""


def tell_of_cluster(location: str, config: StoreConfig) -> list[ClusterFinding]:
    """The server's nodes and the store's collections on them; nothing for a folder."""
    from sinks.addresses import is_server
    from sinks.server.cluster import look_at_cluster

    return list(cluster_findings(look_at_cluster(location, config), config)) if is_server(location) else []


def cluster_findings(cluster: Cluster, config: StoreConfig) -> Iterator[ClusterFinding]:
    """In words. A pure function of what was looked up."""
    nodes = "nodes: the server does not tell" if cluster.nodes is None else counted(cluster.nodes, "node")
    alike: dict[str, list[Spread]] = {}
    for spread in cluster.spreads:
        alike.setdefault(_spread(spread), []).append(spread)
    for words, spreads in alike.items():
        names = ", ".join(spread.collection for spread in spreads)
        promise, advice = _promise(spreads[0], cluster.nodes, config)
        ok = None if advice else True
        yield ok, f"{nodes}; {names}: {words}. Exact; {promise}", advice
    for spread in cluster.spreads:
        yield from _worries(spread)
    if cluster.nodes == 2 and any(spread.replicas > 1 for spread in cluster.spreads):
        yield (
            None,
            "two nodes: while one is away they cannot agree that its replicas are out of date, so writing stops "
            "and may leave replicas that differ",
            "run three nodes",
        )
    if cluster.trouble:
        yield False, cluster.trouble, "fix the node, or its network, before anything else"
    if cluster.silent:
        away = ", ".join(cluster.silent)
        yield (
            None,
            f"no answer from {away}",
            "the others are asked instead; correct store.location if it is gone",
        )


def counted(number: int, what: str) -> str:
    """
    >>> counted(1, "shard"), counted(3, "shard")
    ('1 shard', '3 shards')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _spread(spread: Spread) -> str:
    return (
        f"{counted(spread.shards, 'shard')}, {counted(spread.replicas, 'replica')}, "
        f"write consistency {spread.write_consistency}"
    )


def _promise(spread: Spread, nodes: int | None, config: StoreConfig) -> tuple[str, str]:
    """What happens while a node is away, and what to do for more."""
    if spread.replicas == 1:
        if nodes == 1:
            return "while the node is away writing waits and nothing is served", ""
        more = "set store.replicas = 3 and make a new store, or add replicas (docs/cluster.md)"
        return "while a node is away writing waits, and what lies on it is not served", more if nodes else ""
    if config.write_ordering == "strong":
        return (
            "serving continues while a node is away, writing waits if it leads a shard (store.write_ordering is strong)",
            "with medium another node takes the lead",
        )
    if spread.away:
        away = "a node" if spread.away == 1 else f"{spread.away} nodes"
        return f"writing and serving continue while {away} may be away", ""
    advice = "with 3 replicas, acknowledged by 2, writing continues too" if spread.replicas == 2 else ""
    return "serving continues while a node is away, writing waits for it", advice


def _worries(spread: Spread) -> Iterator[ClusterFinding]:
    from sinks.server.replicas import least_acknowledged

    name, wanted = spread.collection, least_acknowledged(spread.replicas)
    if spread.write_consistency < wanted:
        yield (
            None,
            f"{name}: a write counts as done when {spread.write_consistency} of {spread.replicas} replicas have it; a "
            "node that was cut off may then answer with what is out of date",
            f'PATCH /collections/{name} {{"params": {{"write_consistency_factor": {wanted}}}}}',
        )
    if spread.fewest is not None and spread.fewest < spread.replicas:
        yield (
            None,
            f"{name}: a shard has {spread.fewest} of {spread.replicas} replicas",
            f"add the missing ones: POST /collections/{name}/cluster (replicate_shard)",
        )
    if spread.inactive:
        states = ", ".join(f"{count} {state}" for state, count in spread.inactive.items())
        yield (
            None,
            f"{name}: replicas that are not active: {states}",
            "the server makes them again by itself once their node is back",
        )
