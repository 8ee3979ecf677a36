"""What doctor says of the nodes of a server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest

from sinks.config import StoreConfig
from sinks.errors import StoreNotFound, StoreUnavailable
from sinks.server.cluster import Cluster, Spread, look_at_cluster
from sinks.versions import Version
from streams.cli.doctor_cluster import cluster_findings, tell_of_cluster
from support.data.store_points import StoreSite
from support.qdrant_server import QdrantServer
from support.servers.quick_folder import quick_folder
from support.servers.tcp_proxy import TcpProxy


@pytest.fixture
def server() -> Iterator[QdrantServer]:
    with quick_folder() as folder, QdrantServer(folder / "qdrant") as server:
        yield server


@contextmanager
def http(answer: Any, status: int = 200) -> Iterator[tuple[int, list[str | None]]]:
    """The HTTP side of a server: its port, and the keys that it was given."""
    keys: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers.get("api-key"))
            self.send_response(status if self.path == "/cluster" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, keys
        server.shutdown()


def enabled(peers: int, working: str = "working", failing: dict[str, Any] | None = None) -> Any:
    """As a Qdrant of 1.19 answers."""
    return {
        "result": {
            "status": "enabled",
            "peer_id": 1,
            "peers": {str(peer): {"uri": f"http://q{peer}:6335/"} for peer in range(peers)},
            "raft_info": {"term": 1, "commit": 9, "pending_operations": 0, "leader": 1, "role": "Leader"},
            "consensus_thread_status": {"consensus_thread_status": working, "last_update": "2026-11-29"},
            "message_send_failures": failing or {},
        },
        "status": "ok",
    }


# --- what is looked up


@pytest.mark.server
def test_the_live_collections_are_looked_at(server: QdrantServer) -> None:
    """Of a store's collections the live ones are reported, with shards, replicas and nodes; another store's are not."""
    settings = {"prefix": "mine-", "shards": 4, "replicas": 3, "api_key": "a-key"}
    StoreSite(server.url, {"prefix": "other-"}).open().close()
    with StoreSite(server.url, settings).open() as store:
        store.versions.begin(Version("m2"))
        with store.versions.switching() as switch:
            switch.activate("m2")
    with http(enabled(5)) as (port, keys):
        location = f"http://127.0.0.1:{port}"
        found = look_at_cluster(location, StoreConfig(**settings, grpc_port=server.port))
        assert keys == ["a-key"]
    assert [spread.collection for spread in found.spreads] == ["mine-users@m2", "mine-items@m2", "mine-meta"]
    assert all(
        (one.shards, one.replicas, one.fewest, one.write_consistency, one.away) == (4, 3, 3, 2, 1)
        for one in found.spreads
    )
    assert found.nodes == 5 and not found.trouble and not found.silent
    assert found.spreads[0].peers == {1, 2, 3} and found.spreads[0].inactive == {}


@pytest.mark.server
@pytest.mark.parametrize(
    ("answer", "status", "nodes", "trouble"),
    [
        ({"result": {"status": "disabled"}}, 200, 1, ""),
        (enabled(3, "stopped"), 200, 3, "stopped agreeing"),
        (enabled(3, failing={"http://q2:6335/": {"count": 9}}), 200, 3, "does not reach http://q2"),
        ({"status": {"error": "forbidden"}}, 403, 2, ""),
        ({"result": None}, 200, 2, ""),
        ([], 200, 2, ""),
    ],
)
def test_what_the_nodes_say_of_themselves(
    server: QdrantServer, answer: Any, status: int, nodes: int, trouble: str
) -> None:
    """The number of nodes is the server's word where it gives it, else that of those that hold a replica."""
    StoreSite(server.url, {"replicas": 2}).open().close()
    with http(answer, status) as (port, _):
        found = look_at_cluster(f"http://127.0.0.1:{port}", StoreConfig(grpc_port=server.port))
    assert found.nodes == nodes and trouble in found.trouble and bool(trouble) == bool(found.trouble)


@pytest.mark.server
def test_a_managed_server_may_tell_little(server: QdrantServer) -> None:
    """Where the server forbids every such question, what the collections say is reported, and nothing fails."""
    StoreSite(server.url, {"replicas": 2}).open().close()
    server.fail_next(3, grpc.StatusCode.PERMISSION_DENIED, method="CollectionClusterInfo")
    lines = tell_of_cluster(server.url, StoreConfig(replicas=2))
    assert [ok for ok, _, _ in lines] == [None]
    assert "does not tell" in lines[0][1] and "2 replicas" in lines[0][1]


@pytest.mark.server
def test_addresses_that_are_silent_are_named(server: QdrantServer) -> None:
    """One of several addresses that nobody answers at is a note, not a failure; none that answers is one."""
    StoreSite(server.url).open().close()
    with TcpProxy(server.port) as gone:
        both = f"{gone.url},{server.url}"
        gone.kill()
        lines = tell_of_cluster(both, StoreConfig())
        assert any(
            ok is None and f"no answer from http://127.0.0.1:{gone.port}" in what for ok, what, _ in lines
        )
        with pytest.raises(StoreUnavailable):
            tell_of_cluster(gone.url, StoreConfig())


@pytest.mark.server
def test_no_store_and_no_server(server: QdrantServer, tmp_path: Path) -> None:
    """Of a folder there is nothing to tell; a server without the store says so."""
    assert tell_of_cluster(str(tmp_path), StoreConfig()) == []
    with pytest.raises(StoreNotFound):
        tell_of_cluster(server.url, StoreConfig())


# --- how it is put in words


def spread(replicas: int, write_consistency: int = 1, **more: Any) -> Spread:
    fields: dict[str, Any] = {
        "collection": "users",
        "shards": 6,
        "replicas": replicas,
        "fewest": replicas,
        "inactive": {},
        "write_consistency": write_consistency,
        "peers": frozenset(range(replicas)),
    }
    return Spread(**fields | more)


def lines(nodes: int | None, *spreads: Spread, config: StoreConfig | None = None, **more: Any) -> list[Any]:
    fields: dict[str, Any] = {"nodes": nodes, "trouble": "", "silent": (), "spreads": spreads}
    return list(cluster_findings(Cluster(**fields | more), config or StoreConfig()))


@pytest.mark.parametrize(
    ("nodes", "replicas", "acknowledged", "ok", "promise"),
    [
        (1, 1, 1, True, "while the node is away writing waits and nothing is served"),
        (3, 1, 1, None, "while a node is away writing waits, and what lies on it is not served"),
        (None, 1, 1, True, "while a node is away writing waits"),
        (3, 2, 1, None, "serving continues while a node is away, writing waits for it"),
        (3, 2, 2, None, "writing waits for it"),
        (3, 3, 2, True, "writing and serving continue while a node may be away"),
        (3, 3, 3, True, "writing waits for it"),
        (6, 5, 3, True, "continue while 2 nodes may be away"),
        (6, 5, 4, True, "continue while a node may be away"),
    ],
)
def test_what_replicas_promise(
    nodes: int | None, replicas: int, acknowledged: int, ok: bool | None, promise: str
) -> None:
    """For each number of replicas and acknowledgements: what continues while nodes are away."""
    (line,) = lines(nodes, spread(replicas, acknowledged))
    assert line[0] is ok and promise in line[1]


def test_what_takes_from_the_promise() -> None:
    """Too few acknowledgements, missing and inactive replicas, two nodes, a broken agreement and a strong ordering are
    said, each with what to do."""

    def found(*arguments: Any, **more: Any) -> str:
        return "\n".join(f"{ok} {what} -> {fix}" for ok, what, fix in lines(*arguments, **more))

    assert '"write_consistency_factor": 2' in found(3, spread(3, 1))
    assert "write_consistency_factor" not in found(3, spread(3, 2)) + found(3, spread(2, 1))
    assert "a shard has 1 of 2 replicas" in found(3, spread(2, fewest=1))
    assert "not active: 2 Dead" in found(3, spread(3, 2, inactive={"Dead": 2}))
    assert "run three nodes" in found(2, spread(2)) and "run three nodes" not in found(2, spread(1))
    assert "False it does not agree" in found(3, spread(3, 2), trouble="it does not agree")
    assert "store.write_ordering is strong" in found(
        3, spread(3, 2), config=StoreConfig(write_ordering="strong")
    )


def test_collections_alike_share_a_line() -> None:
    """Collections that are spread alike are told of together, others apart."""
    alike = [spread(3, 2, collection=name) for name in ("users", "items")]
    first, second = lines(3, *alike, spread(2, collection="meta"))
    assert "users, items: 6 shards, 3 replicas" in first[1] and "meta: 6 shards, 2 replicas" in second[1]
