"""A store at several addresses: nodes of one cluster, of which any may go away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from pydantic import ValidationError

from sinks.addresses import addresses
from sinks.config import StoreConfig
from sinks.errors import StoreError, StoreUnavailable
from sinks.open import open_store
from sinks.protocols import Store
from sinks.store import EngineStore
from streams.settings import Settings
from support.data.store_points import DIM, StoreSite, assert_users_equal, put_users, some_users
from support.qdrant_server import QdrantServer
from support.servers.tcp_proxy import TcpProxy

pytestmark = pytest.mark.server

NAMES = [f"user-{n}" for n in range(20)]


@pytest.fixture
def server(folder: Path) -> Iterator[QdrantServer]:
    with QdrantServer(folder / "qdrant") as server:
        yield server


@pytest.fixture
def nodes(server: QdrantServer) -> Iterator[list[TcpProxy]]:
    """Three addresses of one server."""
    with ExitStack() as stack:
        yield [stack.enter_context(TcpProxy(server.port)) for _ in range(3)]


def site(nodes: list[TcpProxy], **settings: object) -> StoreSite:
    return StoreSite(", ".join(node.url for node in nodes), settings)


def asked_now(store: Store, nodes: list[TcpProxy]) -> TcpProxy:
    """The node that the store's requests go to."""
    assert isinstance(store, EngineStore)
    channel = store._engine._channel  # type: ignore[attr-defined]
    return nodes[channel.grpc.current]


# --- what a location says


def test_a_list_and_commas_say_the_same(tmp_path: Path) -> None:
    """Addresses may be written as a list, or in one text with commas, in a file as in code."""
    urls = ["https://a:6333", "https://b:1234"]
    assert StoreConfig(location=urls).location == StoreConfig(location=",".join(urls)).location  # type: ignore[arg-type]
    file = tmp_path / "driftline.toml"
    file.write_text('[store]\nlocation = ["http://a:6333", "http://b:6333"]\n')
    assert Settings.load(file).store.location == "http://a:6333,http://b:6333"


def test_a_list_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment takes addresses with commas between."""
    monkeypatch.setenv("DRIFTLINE_STORE__LOCATION", "http://a:6333,http://b:6333")
    assert Settings.load().store.location == "http://a:6333,http://b:6333"


@pytest.mark.parametrize("locations", [[], ["./one", "./other"], ["http://a:6333", "./other"]])
def test_lists_that_name_no_cluster_are_refused(locations: list[str]) -> None:
    """Folders have no nodes, and a list names at least one."""
    with pytest.raises(ValidationError, match=r"folder|addresses"):
        StoreConfig(location=locations)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("http://a:6333,hush", "does not begin with http"),
        ("hush,http://a:6333", "does not begin with http"),
        ("http://a:6333,", "does not begin with http"),
        ("http://a:6333,https://b:6333", "all http or all https"),
        ("http://a:6333,http://user:hush@b:6333", "password"),
        ("http://a:6333,http://b:6333/?api_key=hush", "no more"),
    ],
)
def test_odd_addresses_are_refused(location: str, problem: str) -> None:
    """Every address must be one of the same kind; no message shows what may be a secret."""
    with pytest.raises(StoreError, match=problem) as refusal:
        open_store(location, StoreConfig(), DIM, create=False)
    assert "hush" not in str(refusal.value)


def test_a_folder_may_have_a_comma(folder: Path) -> None:
    """Only URLs are taken apart."""
    with StoreSite(str(folder / "one,other")).open() as store:
        put_users(store.users, some_users(NAMES))
    assert (folder / "one,other").is_dir()


def test_ports_of_each_address() -> None:
    """Each address has its own ports; one that is named twice is one node."""
    found = addresses("http://a:6333,http://b, http://[::1]:7000,http://a:6333/", None)
    assert [str(one) for one in found] == ["http://a:6334", "http://b:6334", "http://[::1]:7001"]


# --- a node goes away


def test_reads_go_on_with_another_node(nodes: list[TcpProxy]) -> None:
    """When the node that is asked is killed, the same read is answered by another, and later ones too."""
    with site(nodes).open() as store:
        points = some_users(NAMES)
        put_users(store.users, points)
        for left in (2, 1):
            killed = asked_now(store, nodes)
            killed.kill()
            for _ in range(3):
                assert_users_equal(store.users.read(NAMES), points)
            assert asked_now(store, nodes) is not killed
            assert sum(node._running is not None for node in nodes) == left


def test_a_write_is_told_once_and_the_next_goes_elsewhere(
    server: QdrantServer, nodes: list[TcpProxy]
) -> None:
    """A write to a node that is gone is an error, never sent twice behind the sender's back; the next one succeeds."""
    with site(nodes).open() as store:
        points = some_users(NAMES)
        put_users(store.users, points)
        killed = asked_now(store, nodes)
        killed.kill()
        before = server.calls["Upsert"]
        with pytest.raises(StoreUnavailable, match=str(killed.port)):
            put_users(store.users, points)
        assert server.calls["Upsert"] == before
        put_users(store.users, points)
        assert server.calls["Upsert"] > before


def test_a_lost_answer_of_a_write_is_told(server: QdrantServer, nodes: list[TcpProxy]) -> None:
    """A write that was carried out and not answered is not sent to another node by itself."""
    with site(nodes).open() as store:
        server.fail_next(1, grpc.StatusCode.INTERNAL, applied=True, method="Upsert")
        before, asked = server.calls["Upsert"], asked_now(store, nodes)
        with pytest.raises(StoreUnavailable, match="INTERNAL"):
            put_users(store.users, some_users(NAMES))
        assert server.calls["Upsert"] == before + 1
        assert asked_now(store, nodes) is not asked


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL])
def test_reads_pass_over_nodes_that_fail(
    server: QdrantServer, nodes: list[TcpProxy], code: grpc.StatusCode
) -> None:
    """What a node says while another goes away, UNAVAILABLE as INTERNAL, sends a read to the next one."""
    with site(nodes).open() as store:
        put_users(store.users, some_users(NAMES))
        server.fail_next(4, code, method="Get")
        assert all(store.users.read(NAMES))


def test_a_silent_node_leaves_time_for_the_others(nodes: list[TcpProxy]) -> None:
    """A node that keeps silent uses up half of a read's deadline; another one answers in the rest."""
    with site(nodes, timeout_s=2.0).open() as store:
        put_users(store.users, some_users(NAMES))
        frozen = asked_now(store, nodes)
        frozen.freeze()
        begun = time.monotonic()
        assert all(store.users.read(NAMES))
        assert time.monotonic() - begun < 2.0
        taken = []
        for _ in range(3):
            begun = time.monotonic()
            assert all(store.users.read(NAMES))
            taken.append(time.monotonic() - begun)
        assert min(taken) < 0.9, "the silent node is asked each time"
        frozen.thaw()


def test_all_nodes_away_is_unavailable(nodes: list[TcpProxy]) -> None:
    """With no node left it is said so within the deadline; one that is back is used again."""
    with site(nodes, timeout_s=3.0).open() as store:
        points = some_users(NAMES)
        put_users(store.users, points)
        for node in nodes:
            node.kill()
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.users.read(NAMES)
        assert time.monotonic() - begun < 4.0
        nodes[1].start()
        for _ in range(50):
            try:
                put_users(store.users, points)
                break
            except StoreUnavailable:
                time.sleep(0.1)
        assert_users_equal(store.users.read(NAMES), points)


def test_a_store_opens_while_a_node_is_away(nodes: list[TcpProxy]) -> None:
    """Whichever nodes are away when it is opened, one that answers is enough."""
    site(nodes).open().close()
    nodes[0].kill()
    nodes[2].kill()
    for _ in range(5):
        with site(nodes).open(create=False) as store:
            assert store.users.count() >= 0


def test_final_errors_are_not_asked_about_elsewhere(server: QdrantServer, nodes: list[TcpProxy]) -> None:
    """What another node would say too is reported at once."""
    with site(nodes).open() as store:
        before, asked = server.calls["Get"], asked_now(store, nodes)
        server.fail_next(1, grpc.StatusCode.INVALID_ARGUMENT, method="Get")
        with pytest.raises(StoreError, match="INVALID_ARGUMENT"):
            store.users.read(NAMES)
        assert server.calls["Get"] == before + 1 and asked_now(store, nodes) is asked
