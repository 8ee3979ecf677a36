"""What only the server store does: keys, certificates, faults and other people's collections."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from qdrant_client import grpc as messages

from sinks.config import StoreConfig
from sinks.errors import PointRefused, StoreError, StoreMismatch, StoreNotFound, StoreUnavailable
from sinks.layout import store_layout
from sinks.server.channel import ServerChannel
from sinks.server.engine import ServerEngine
from sinks.tombstones import TOMBSTONE
from sinks.versions import FIRST, Version, VersionRecord
from sinks.writer import FENCE, WRITER
from support.certificates import Authority
from support.data.store_points import DIM, StoreSite, assert_users_equal, put_users, some_items, some_users
from support.qdrant_server import QdrantServer

pytestmark = pytest.mark.server

NAMES = [f"user-{n}" for n in range(20)]


@pytest.fixture
def server(folder: Path) -> Iterator[QdrantServer]:
    with QdrantServer(folder / "qdrant") as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1 that signs itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, chain = folder / "key.pem", folder / "chain.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-keyout", key, "-out", chain, "-days", "2", "-subj", "/CN=driftline-test"]
        + ["-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    return key, chain


def create(server: QdrantServer, name: str, **vectors: int) -> messages.CreateCollection:
    """Make a collection as somebody else would."""
    request = messages.CreateCollection(collection_name=name)
    for vector, size in vectors.items():
        params = request.vectors_config.params_map.map[vector]
        params.size, params.distance = size, messages.Distance.Cosine
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        messages.CollectionsStub(channel).Create(request)
    return request


# --- who may


def test_key_is_asked_for(folder: Path) -> None:
    """The right key opens; a wrong or missing one is an error that names the setting and never the key."""
    with QdrantServer(folder, api_key="right-key") as server:
        with StoreSite(server.url, {"api_key": "right-key"}).open() as store:
            put_users(store.users, some_users(NAMES))
            store.check()
        for settings in ({}, {"api_key": "wrong-key"}):
            with pytest.raises(StoreError, match=r"store\.api_key") as refusal:
                StoreSite(server.url, settings).open(create=False)
            assert not isinstance(refusal.value, StoreUnavailable)
            assert "wrong-key" not in str(refusal.value)


def test_tls(folder: Path, certificate: tuple[Path, Path]) -> None:
    """An https URL is encrypted and checked against the named authority; an unknown one is refused."""
    key, chain = certificate
    with QdrantServer(folder, "a-key", certificate=(key.read_bytes(), chain.read_bytes())) as server:
        assert server.url.startswith("https://")
        with StoreSite(server.url, {"ca_file": chain, "api_key": "a-key"}).open() as store:
            points = some_users(NAMES)
            put_users(store.users, points)
            assert_users_equal(store.users.read(NAMES), points)
        with pytest.raises(StoreError, match=r"not trusted.*store\.ca_file"):
            StoreSite(server.url, {"api_key": "a-key"}).open()
        with pytest.raises(StoreError, match=r"cannot read store\.ca_file"):
            StoreSite(server.url, {"ca_file": folder / "absent"}).open()


def test_a_client_certificate_is_shown_to_a_server_that_asks_for_it(folder: Path) -> None:
    """With it the store opens; without it, or with another authority's, the failure names the setting."""
    authority, other = Authority(folder / "one"), Authority(folder / "two")
    server_key, server_certificate = authority.issue("server")
    key, certificate = authority.issue("client")
    pair = (server_key.read_bytes(), server_certificate.read_bytes())
    both = folder / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    with QdrantServer(folder / "q", certificate=pair, clients=authority.certificate.read_bytes()) as server:
        ca = {"ca_file": authority.certificate, "timeout_s": 3}
        for given in (
            {"client_cert_file": certificate, "client_key_file": key},
            {"client_cert_file": both},
        ):
            with StoreSite(server.url, {**ca, **given}).open() as store:
                put_users(store.users, some_users(NAMES))
        foreign_key, foreign = other.issue("client")
        for wrong in ({}, {"client_cert_file": foreign, "client_key_file": foreign_key}):
            with pytest.raises(StoreError, match=r"store\.client_cert_file"):
                StoreSite(server.url, {**ca, **wrong}).open()
        locked, its = authority.issue("locked", "key-s3cret")
        for unusable in (
            {"client_cert_file": folder / "absent"},
            {"client_cert_file": certificate},
            {"client_cert_file": its, "client_key_file": locked},
            {"client_cert_file": certificate, "client_key_file": foreign_key},
        ):
            with pytest.raises(StoreError, match=r"cannot use store\.client_cert_file"):
                StoreSite(server.url, {**ca, **unusable}).open()
    with pytest.raises(StoreError, match="write https"):
        StoreSite("http://127.0.0.1:1", {"client_cert_file": both}).open()


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://qdrant:1", True),
        ("http://127.0.0.1:1", False),
        ("http://[::1]:1", False),
        ("https://qdrant:1", False),
    ],
)
def test_a_key_that_goes_unencrypted_over_a_network_is_warned_of(
    url: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Not on this machine, not with TLS; the warning names the host and never the key."""
    ServerChannel(url, StoreConfig(api_key="hunter2")).close()  # type: ignore[arg-type]
    assert ("unencrypted" in caplog.text) == warned and "hunter2" not in caplog.text
    caplog.clear()
    ServerChannel(url, StoreConfig()).close()
    assert not caplog.text


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://user:hush@localhost:6333", "password"),
        ("http://localhost:6333/path", "no more"),
        ("http://localhost:hush", "cannot be read"),
        ("http://", "no more"),
    ],
)
def test_odd_urls_are_refused(url: str, problem: str) -> None:
    """A URL that would not mean what it says is refused, without showing a password."""
    with pytest.raises(StoreError, match=problem) as refusal:
        StoreSite(url).open()
    assert "hush" not in str(refusal.value)


def test_grpc_port_may_be_set(server: QdrantServer) -> None:
    """The gRPC port is one above the URL's unless it is set."""
    StoreSite("http://127.0.0.1:1", {"grpc_port": server.port}).open().close()


# --- away for a while


def test_nobody_there_is_unavailable() -> None:
    """A server that is not running is a reason to wait, said with the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{port}"):
        StoreSite("http://127.0.0.1:1", {"grpc_port": port}).open()


def test_server_that_is_back_is_used_within_a_second(server: QdrantServer) -> None:
    """While the server is away calls fail as retryable; once it is back the same store continues, soon."""
    points = some_users(NAMES)
    with StoreSite(server.url).open() as store:
        server.stop()
        away = time.monotonic()
        while time.monotonic() < away + 2.5:
            with pytest.raises(StoreUnavailable):
                put_users(store.users, points)
            time.sleep(0.05)
        server.start()
        back = time.monotonic()
        while True:
            try:
                put_users(store.users, points)
                break
            except StoreUnavailable:
                assert time.monotonic() < back + 10
                time.sleep(0.02)
        assert time.monotonic() - back < 3
        assert_users_equal(store.users.read(NAMES), points)


def test_server_that_shuts_down_during_a_call_is_unavailable(server: QdrantServer) -> None:
    """A call that the server gave up on its way out is retryable, as any other."""
    with StoreSite(server.url).open() as store:
        server.delay_s = 30.0
        failures: list[Exception] = []

        def write() -> None:
            try:
                put_users(store.users, some_users(NAMES))
            except StoreError as error:
                failures.append(error)

        before = server.calls["SetPayload"]
        writer = threading.Thread(target=write)
        writer.start()
        while server.calls["SetPayload"] == before:
            time.sleep(0.01)
        server.stop()
        writer.join(10)
        assert [type(failure) for failure in failures] == [StoreUnavailable]


def test_slow_answer_is_unavailable(server: QdrantServer) -> None:
    """An answer later than the deadline is retryable, and the message tells what was on its way."""
    with StoreSite(server.url, {"timeout_s": 0.3}).open() as store:
        server.delay_s = 5.0
        begun = time.monotonic()
        with pytest.raises(
            StoreUnavailable, match=r"no answer within 0.3 s: changing points of users, 20 points, \d+ b"
        ):
            put_users(store.users, some_users(NAMES))
        assert time.monotonic() - begun < 3
        with pytest.raises(StoreUnavailable):
            store.check()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, StoreUnavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, StoreUnavailable),
        (grpc.StatusCode.INTERNAL, StoreUnavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, StoreUnavailable),
        (grpc.StatusCode.CANCELLED, StoreUnavailable),
        (grpc.StatusCode.NOT_FOUND, StoreNotFound),
        (grpc.StatusCode.PERMISSION_DENIED, StoreError),
        (grpc.StatusCode.INVALID_ARGUMENT, StoreError),
        (grpc.StatusCode.UNIMPLEMENTED, StoreError),
    ],
)
def test_errors_tell_whether_to_retry(
    server: QdrantServer, code: grpc.StatusCode, kind: type[StoreError]
) -> None:
    """Each error of the server is ours, with the collection and the amount; only what may pass is retryable."""
    with StoreSite(server.url).open() as store:
        server.fail_next(1, code)
        with pytest.raises(StoreError, match="users, 20 points") as refusal:
            put_users(store.users, some_users(NAMES))
        assert type(refusal.value) is kind
        put_users(store.users, some_users(NAMES))


def test_lost_answer_is_repaired_by_writing_again(server: QdrantServer) -> None:
    """A write whose answer was lost may have happened; writing it again leaves the same points."""
    points = some_users(NAMES)
    with StoreSite(server.url).open() as store:
        server.fail_next(1, applied=True)
        with pytest.raises(StoreUnavailable):
            put_users(store.users, points)
        put_users(store.users, points)
        assert_users_equal(store.users.read(NAMES, True), points, vectors=True)


def test_a_read_that_fails_is_sent_again_and_a_write_is_not(server: QdrantServer) -> None:
    """A read may be lost three times within one call; of a write it is reported at once. Other errors are reported for both."""
    points = some_users(NAMES)
    with StoreSite(server.url).open() as store:
        put_users(store.users, points)
        for lost in (1, 3):
            before = server.calls["Get"]
            server.fail_next(lost, method="Get")
            assert_users_equal(store.users.read(NAMES), points)
            assert server.calls["Get"] - before == lost + 1
        for failures, method, code, sent in (
            (4, "Get", grpc.StatusCode.UNAVAILABLE, 4),
            (1, "Get", grpc.StatusCode.INTERNAL, 1),
            (1, "Upsert", grpc.StatusCode.UNAVAILABLE, 1),
        ):
            before = server.calls[method]
            server.fail_next(failures, code, method=method)
            with pytest.raises(StoreUnavailable, match=f"{code.name} .asked to fail"):
                _ = store.users.read(NAMES) if method == "Get" else put_users(store.users, points)
            assert server.calls[method] - before == sent


def test_reads_of_a_failing_server_keep_to_the_deadline(server: QdrantServer) -> None:
    """What is sent again shares one deadline."""
    with StoreSite(server.url, {"timeout_s": 1.0}).open() as store:
        server.fail_share, server.delay_s = 1.0, 0.6  # four times that is 2.4 s
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.users.read(NAMES)
        assert time.monotonic() - begun < 2.2


def test_writes_get_through_where_a_third_of_the_requests_fail(server: QdrantServer) -> None:
    """A claim and a write ask several times over and are still seldom made again: reads are sent again by themselves."""
    points = some_users(NAMES)
    with StoreSite(server.url).open() as store:
        server.fail_share = 0.3
        tries = written = 0
        while written < 30 and tries < 600:
            tries += 1
            try:
                put_users(store.users, points)
            except StoreUnavailable:
                continue
            written += 1
        server.fail_share = 0.0
        assert written == 30 and tries <= 4 * written, tries
        assert_users_equal(store.users.read(NAMES), points)


def test_a_write_counts_instead_of_reading_back(server: QdrantServer) -> None:
    """Users that are held cost one upsert and one count, and the question which version is live; bad ones nothing."""
    points = some_users(NAMES)
    with StoreSite(server.url).open() as store:
        holds = put_users(store.users, points)
        before = server.calls.copy()
        with pytest.raises(PointRefused):
            store.users.write(replace(points, fused=points.fused * np.nan), holds)
        assert server.calls == before
        assert store.users.write(points, holds).all()
        assert server.calls - before == {"Upsert": 1, "Count": 1, "Get": 1}


def test_new_store_has_its_indexes(server: QdrantServer) -> None:
    """A store is created with the indexes of fences, tombstones and writers."""
    StoreSite(server.url).open().close()
    engine = ServerEngine(server.url, StoreConfig())
    info = engine._info("users")
    engine.close()
    assert sorted(info.payload_schema) == sorted([FENCE, TOMBSTONE, WRITER])


def test_unconfirmed_write_is_an_error(server: QdrantServer) -> None:
    """An answer other than Completed is no acknowledgement."""
    with StoreSite(server.url).open() as store:
        server.stop()
        server.update_status = messages.UpdateStatus.WaitTimeout
        server.start()
        with pytest.raises(StoreUnavailable, match=r"WaitTimeout|UNAVAILABLE"):
            _retried(lambda: put_users(store.users, some_users(NAMES)))


def _retried(call: Any) -> None:
    for _ in range(100):
        try:
            return call()
        except StoreUnavailable as error:
            if "UNAVAILABLE" not in str(error):
                raise
            time.sleep(0.05)


def test_requests_stay_within_the_bounds(server: QdrantServer) -> None:
    """Large writes go in several requests of at most this many points and about this many bytes."""
    points = replace(some_users(NAMES), states=[bytes(30_000)] * len(NAMES))
    with StoreSite(server.url, {"batch_points": 6}).open() as store:
        before = server.calls["Upsert"]
        put_users(store.users, points)
        assert server.calls["Upsert"] - before == 4
        store.users.read(NAMES)
        assert server.calls["Get"] >= 4
    with StoreSite(server.url, {"batch_bytes": 100_000}).open() as store:
        before = server.calls["Upsert"]
        put_users(store.users, points)
        assert server.calls["Upsert"] - before == 10


# --- what is there


def test_cut_off_creation_is_completed(server: QdrantServer) -> None:
    """With only some collections made there is no store for a reader; the next writer completes it."""
    engine = ServerEngine(server.url, StoreConfig())
    layout = store_layout(StoreConfig(), DIM)
    for spec in (layout.meta, layout.users):
        engine.create(spec)
        with pytest.raises(StoreNotFound):
            StoreSite(server.url).open(create=False)
    engine.close()
    with StoreSite(server.url).open() as store:
        store.items.write(some_items(3))
        assert len(store.items.search(some_items(3).vectors[0], 3, scenario="s1")) == 1
    StoreSite(server.url).open(create=False).close()


def test_creation_cut_off_after_its_version_was_named_is_completed(server: QdrantServer) -> None:
    """All is there but the identity: no store for a reader yet, and none that is refused to the next writer."""
    engine = ServerEngine(server.url, StoreConfig())
    layout = store_layout(StoreConfig(), DIM)
    meta, _, _ = (engine.create(spec) for spec in (layout.meta, layout.users, layout.items))
    VersionRecord(meta).change(lambda there: replace(there, all={FIRST: Version(model="a")}))
    engine.close()
    with pytest.raises(StoreNotFound):
        StoreSite(server.url).open(create=False)
    with StoreSite(server.url).open(first=Version(model="a")) as store:
        put_users(store.users, some_users(NAMES))
    StoreSite(server.url).open(create=False).close()


@pytest.mark.parametrize("first", [None, Version(model="a")])
def test_several_may_create_at_once(server: QdrantServer, first: Version | None) -> None:
    """Workers that start together all end up with the one store."""
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def work(number: int) -> None:
        try:
            start.wait()
            with StoreSite(server.url).open(first=first) as store:
                put_users(store.users, some_users([f"{number}-{n}" for n in range(5)]))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    with StoreSite(server.url).open(create=False) as store:
        assert sum(map(len, store.users.scan(100))) == 20


def test_foreign_collections_are_left_alone(server: QdrantServer) -> None:
    """A server with somebody else's `users` is refused before anything is made; a prefix is the way out."""
    create(server, "users", face=512)
    before = server.calls["Create"]
    with pytest.raises(StoreMismatch, match=r"no vector named 'fused'.*face.*store\.prefix"):
        StoreSite(server.url).open()
    assert server.calls["Create"] == before and not server.calls["Upsert"]
    with StoreSite(server.url, {"prefix": "drift-"}).open() as store:
        put_users(store.users, some_users(NAMES))


def test_points_without_a_version_are_refused(server: QdrantServer, folder: Path) -> None:
    """Users without the version beside them are not taken over."""
    with StoreSite(server.url, {"prefix": "a-"}).open() as store:
        put_users(store.users, some_users(NAMES))
    server.stop()
    meta = server.folder / "a-meta"
    meta.rename(folder / "taken-away")
    server.start()
    with pytest.raises(StoreMismatch, match="has points but no version"):
        _opened(server, "a-")
    assert not meta.exists()


def _opened(server: QdrantServer, prefix: str) -> None:
    StoreSite(server.url, {"prefix": prefix}).open().close()


def test_lost_collection_is_refused(server: QdrantServer, folder: Path) -> None:
    """A store that has lost its users is refused instead of starting over behind our back."""
    _opened(server, "")
    server.stop()
    (server.folder / "users").rename(folder / "taken-away")
    server.start()
    with pytest.raises(StoreMismatch, match="lost its collection 'users'"):
        _opened(server, "")


def test_hidden_points_are_refused(server: QdrantServer) -> None:
    """A users' collection with prevent_unoptimized is refused, with the call that switches it off."""
    _opened(server, "")
    server.stop()
    described = server.folder / "users" / "created.bin"
    request = messages.CreateCollection.FromString(described.read_bytes())
    request.optimizers_config.prevent_unoptimized = True
    described.write_bytes(request.SerializeToString())
    server.start()
    with pytest.raises(StoreMismatch, match=r"PATCH /collections/users .*prevent_unoptimized"):
        _opened(server, "")


def test_users_have_no_graph_unless_asked_for(server: QdrantServer) -> None:
    """Users' vectors are kept without a graph and without background indexing, unless lookalikes are on."""
    _opened(server, "plain-")
    StoreSite(server.url, {"prefix": "similar-", "lookalikes": True}).open().close()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        config = {
            name: messages.CollectionsStub(channel)
            .Get(messages.GetCollectionInfoRequest(collection_name=name))
            .result.config
            for name in ("plain-users", "similar-users", "plain-items")
        }
    plain = config["plain-users"]
    assert plain.optimizer_config.HasField("indexing_threshold")
    assert plain.optimizer_config.indexing_threshold == 0
    fused = {name: c.params.vectors_config.params_map.map.get("fused") for name, c in config.items()}
    assert fused["plain-users"].hnsw_config.HasField("m") and fused["plain-users"].hnsw_config.m == 0
    assert not fused["similar-users"].HasField("hnsw_config")
    assert not config["similar-users"].optimizer_config.HasField("indexing_threshold")
    assert not config["plain-items"].optimizer_config.HasField("indexing_threshold")
