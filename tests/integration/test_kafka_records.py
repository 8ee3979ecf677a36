"""Records as producers really write them, on a real Kafka: every codec, headers, no key, no value, neither."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers.real_kafka import RealKafka
from sinks.points import item_key
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.data.event_columns import event
from support.data.record_sets import Row
from support.data.streamed_logs import TOPICS, make_topics
from support.servers.daemon_process import driftline
from support.servers.kafka_producer import send_batch
from support.servers.topic_reader import read_topic

pytestmark = pytest.mark.broker
CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
HEADERS: list[tuple[str, bytes | None]] = [("trace", b"4bf92f3577b34da6"), ("empty", b""), ("null", None)]


def drained(broker: RealKafka, prefix: str, store: Path, **environment: str) -> dict[str, Any]:
    """`run --drain`, and its summary."""
    done = driftline(
        "run",
        *("--broker", broker.url, "--store", str(store), "--prefix", prefix, "--group", prefix),
        *("--drain", "--json", "--metrics-port", "0"),
        timeout=250.0,
        **environment,
    )
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def value(user: str, item: str, at: float = 0.0) -> bytes:
    return json.dumps(event(user, item, at=at)).encode()


def test_every_codec_is_read_in_every_topic(kafka: RealKafka, topic_prefix: str, tmp_path: Path) -> None:
    """Compressed or not, with headers or a key or without: all events are applied, all items are there."""
    make_topics(kafka.config, topic_prefix, partitions=1)
    for codec in CODECS:
        for topic in TOPICS.values():
            rows: list[Row] = [
                (None if n % 2 else b"ada", value("ada", f"{codec}-{topic}-{n}", n), HEADERS if n % 3 else [])
                for n in range(50)
            ]
            send_batch(kafka.config, topic_prefix + topic, rows, codec)
        catalogue = [{"item_id": f"{codec}{n}", "title": f"item {n}", "scenario": "books"} for n in range(8)]
        items: list[Row] = [(b"k", json.dumps(row).encode(), HEADERS) for row in catalogue]
        send_batch(kafka.config, topic_prefix + "items", [*items, (f"{codec}7".encode(), None, [])], codec)
    summary = drained(kafka, topic_prefix, tmp_path / "s")
    assert (summary["applied"], summary["rejected"]) == (750, 0)
    with open_for_reading(str(tmp_path / "s"), Settings.load()) as workspace:
        known = [f"{codec}{n}" for codec in CODECS for n in range(7)]
        gone = [f"{codec}7" for codec in CODECS]
        found = workspace.store.items.read([item_key(item) for item in [*known, *gone]])
    assert [record is not None for record in found] == [True] * len(known) + [False] * len(gone)
    assert drained(kafka, topic_prefix, tmp_path / "s")["events"] == 0


def test_a_topic_that_the_broker_compresses_is_read(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """`compression.type` of the topic, whatever the producer does."""
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(**kafka.config.kafka_python())
    names = [topic_prefix + name for name in (*TOPICS.values(), "items", "dead-letters")]
    config = {"num_partitions": 1, "replication_factor": 1, "configs": {"compression.type": "zstd"}}
    admin.create_topics(dict.fromkeys(names, config))
    admin.wait_for_topics(names)
    admin.close()
    rows: list[Row] = [(b"ada", value("ada", f"i{n}", n), []) for n in range(40)]
    send_batch(kafka.config, topic_prefix + "clicks", rows, "gzip")
    assert drained(kafka, topic_prefix, tmp_path / "s")["applied"] == 40


def test_a_record_without_key_value_or_both_is_a_dead_letter_and_costs_no_other(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """Absent key, absent value, both absent, on every topic: each is reported with its place, the daemon continues."""
    make_topics(kafka.config, topic_prefix, partitions=1)
    for topic in TOPICS.values():
        rows: list[Row] = [
            (b"ada", value("ada", f"{topic}-a"), HEADERS),
            (None, None, []),
            (b"ada", None, HEADERS),
            (None, b"", []),
            (None, value("ada", f"{topic}-b", 1.0), HEADERS),
        ]
        send_batch(kafka.config, topic_prefix + topic, rows)
    send_batch(kafka.config, topic_prefix + "items", [(None, None, HEADERS), (b"", None, [])], "zstd")
    summary = drained(kafka, topic_prefix, tmp_path / "s")
    assert (summary["applied"], summary["rejected"]) == (6, 11)
    letters = read_topic(kafka.config, topic_prefix + "dead-letters", expected=11)
    found = [dict(letter.headers) for letter in letters]
    places = {(headers["source-topic"], headers["source-offset"]) for headers in found}
    expected = {
        ((topic_prefix + topic).encode(), b"%d" % offset) for topic in TOPICS.values() for offset in (1, 2, 3)
    } | {((topic_prefix + "items").encode(), b"%d" % offset) for offset in (0, 1)}
    assert places == expected
    assert sum("null-value" in headers for headers in found) == 4
    assert drained(kafka, topic_prefix, tmp_path / "s")["events"] == 0


def test_a_record_beyond_the_bound_stops_the_daemon_by_name_or_is_skipped_by_setting(
    kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """By default nothing is left out: the daemon says where the record is and what to set; with `skip` it continues, and a
    dead letter has the place."""
    make_topics(kafka.config, topic_prefix, partitions=1)
    huge = b'{"context": "' + b" " * 2_000_000 + b'"}'
    rows: list[Row] = [
        (b"ada", value("ada", "a"), []),
        (b"ada", huge, []),
        (b"ada", value("ada", "b", 1.0), []),
    ]
    send_batch(kafka.config, topic_prefix + "clicks", rows, "gzip")
    limit = {"DRIFTLINE_DAEMON__MAX_RECORD_BYTES": "1000000"}
    arguments = ["--broker", kafka.url, "--store", str(tmp_path / "s"), "--prefix", topic_prefix]
    done = driftline("run", *arguments, "--drain", "--metrics-port", "0", **limit)
    assert done.returncode == 1
    assert f"{topic_prefix}clicks/0, offset 1: a record was refused: it unpacks to 2000" in done.stderr
    assert "daemon.on_unreadable" in done.stderr
    summary = drained(kafka, topic_prefix, tmp_path / "s", **limit, DRIFTLINE_DAEMON__ON_UNREADABLE="skip")
    assert (summary["applied"], summary["rejected"]) == (2, 1)
    (letter,) = read_topic(kafka.config, topic_prefix + "dead-letters", expected=1)
    headers = dict(letter.headers)
    assert headers["reason"] == b"unreadable_record" and headers["source-offset"] == b"1"
    assert b"the limit is 1000000 (daemon.max_record_bytes)" in headers["detail"]
