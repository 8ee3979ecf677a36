"""Producers of each kind on a real Kafka, and what doctor says of their keys."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.config import BrokerConfig
from streams.broker.key_placement import crc32_partition, murmur2_partition
from streams.broker.topics import ensure_topics
from streams.cli.doctor_topics import tell_of_records
from streams.settings import Settings
from support.data.event_columns import event
from support.data.record_sets import Row
from support.servers.daemon_process import driftline
from support.servers.kafka_producer import send_batch, send_transactions

pytestmark = pytest.mark.broker
PARTITIONS = 4
Key = Callable[[str, int], bytes | None]
Placing = Callable[[bytes | None, int], int]


def by_murmur2(key: bytes | None, number: int) -> int:
    return number % PARTITIONS if key is None else murmur2_partition(key, PARTITIONS)


def by_crc32(key: bytes | None, number: int) -> int:
    return number % PARTITIONS if key is None else crc32_partition(key, PARTITIONS)


def by_turns(key: bytes | None, number: int) -> int:
    return (by_murmur2, by_crc32)[number % 2](key, number)


def by_user(user: str, number: int) -> bytes | None:
    return user.encode()


PRODUCERS: dict[str, tuple[Key, Placing, bool | None, str, str]] = {
    "Java": (by_user, by_murmur2, True, "placed by murmur2", ""),
    "librdkafka": (by_user, by_crc32, True, "placed by CRC-32", ""),
    "both": (by_user, by_turns, None, "placed by two hashes", "partitioner=murmur2_random"),
    "custom": (by_user, lambda key, number: number % PARTITIONS, None, "by neither", "no custom one"),
    "null keys": (lambda user, number: None, by_murmur2, None, "240 without a key", "user id as its key"),
    "keys by session": (
        lambda user, number: f"session-{number // 3}".encode(),
        by_murmur2,
        None,
        "240 with a key that is not the user_id",
        "key events by user_id alone",
    ),
    "JSON keys": (
        lambda user, number: json.dumps({"user": user}).encode(),
        by_crc32,
        None,
        "240 with a key that is not the user_id",
        "plain UTF-8",
    ),
}


def produce(broker: BrokerConfig, topic: str, key: Key, place: Placing, count: int = 240) -> None:
    rng = random.Random(3)
    rows: list[list[Row]] = [[] for _ in range(PARTITIONS)]
    for number in range(count):
        user = f"secret-{rng.randrange(90)}"
        its_key = key(user, number)
        value = json.dumps(event(user, f"item{number}", at=float(number))).encode()
        rows[place(its_key, number)].append((its_key, value, []))
    for partition, part in enumerate(rows):
        if part:
            send_batch(broker, topic, part, "gzip", partition)


def told_of(settings: Settings, partitions: int = PARTITIONS) -> dict[str, tuple[bool | None, str, str]]:
    topics = dict.fromkeys(settings.topics.all_names(), partitions)
    return {name: tuple(rest) for name, *rest in tell_of_records(settings, topics)}  # type: ignore[misc]


def settings_of(kafka: RealKafka, prefix: str, partitions: int = PARTITIONS) -> Settings:
    settings = Settings.load(None, {"broker": {"url": kafka.url}, "topics": {"prefix": prefix}})
    ensure_topics(settings.broker, dict.fromkeys(settings.topics.all_names(), partitions))
    return settings


@pytest.mark.parametrize("kind", PRODUCERS)
def test_the_newest_records_say_how_they_are_placed(kafka: RealKafka, topic_prefix: str, kind: str) -> None:
    """Doctor names the hash, null keys and keys that are not the user, and says what to set in the producer."""
    settings = settings_of(kafka, topic_prefix)
    key, place, ok, found, fix = PRODUCERS[kind]
    produce(settings.broker, f"{topic_prefix}clicks", key, place)
    told = told_of(settings)[f"keys of {topic_prefix}clicks"]
    assert told[0] is ok
    assert found.replace("240", "") in told[1].replace("240", "")
    assert fix in told[2]
    assert bool(fix) == bool(told[2])
    assert "secret" not in str(told)


def test_the_newest_count_not_the_oldest(kafka: RealKafka, topic_prefix: str) -> None:
    """A producer that was fixed is reported as it is now, however long the topic's past; what was aborted does not count."""
    settings = settings_of(kafka, topic_prefix)
    topic = f"{topic_prefix}clicks"
    produce(settings.broker, topic, lambda user, number: None, by_murmur2, 2000)
    produce(settings.broker, topic, by_user, by_murmur2, 900)
    for partition in range(PARTITIONS):
        send_transactions(settings.broker, topic, [([(b"k", b"{}")] * 3, "abort")], partition)
    ok, found, fix = told_of(settings)[f"keys of {topic}"]
    assert (ok, fix) == (True, "")
    assert "placed by murmur2 (Java's hash); keys are the user ids" in found


def test_topics_that_hash_differently_are_told(kafka: RealKafka, topic_prefix: str) -> None:
    """Each topic placed well, by another hash than the next, scatters users as well."""
    settings = settings_of(kafka, topic_prefix)
    produce(settings.broker, f"{topic_prefix}clicks", by_user, by_murmur2)
    produce(settings.broker, f"{topic_prefix}browses", by_user, by_crc32)
    ok, found, fix = told_of(settings)["hashes"]
    assert ok is None
    assert f"{topic_prefix}clicks by murmur2" in found and f"{topic_prefix}browses by crc32" in found
    assert "partitioner=murmur2_random" in fix


def test_one_partition_has_no_placement(kafka: RealKafka, topic_prefix: str) -> None:
    """A topic of one partition is read, and nothing is said of its keys; nor of an empty one's."""
    settings = settings_of(kafka, topic_prefix, partitions=1)
    send_batch(settings.broker, f"{topic_prefix}clicks", [(None, b"{}", [])])
    told = told_of(settings, partitions=1)
    assert told[f"read {topic_prefix}clicks"][0] is True
    assert not [name for name in told if name.startswith(("keys", "hashes"))]


@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"[1]", b'{"user_id": {"a": 1}}', b"[" * 100_000, None])
def test_whatever_lies_in_a_topic_is_no_error(
    kafka: RealKafka, topic_prefix: str, value: bytes | None
) -> None:
    """Records that are no events are counted, not decoded."""
    settings = settings_of(kafka, topic_prefix)
    for partition in range(PARTITIONS):
        send_batch(settings.broker, f"{topic_prefix}clicks", [(None, value, [])] * 5, None, partition)
    ok, found, fix = told_of(settings)[f"keys of {topic_prefix}clicks"]
    assert "20 newest records on 4 partitions: 20 without a key; none tells a user" in found
    assert ok is None and "user id as its key" in fix


def test_large_records_are_read_within_bounds(kafka: RealKafka, topic_prefix: str) -> None:
    """Of records of 0.9 MB no more are taken than the bound allows."""
    from streams.broker.newest_records import newest_records

    settings = settings_of(kafka, topic_prefix)
    rows: Sequence[Any] = [(b"k", bytes([n]) * 900_000, []) for n in range(1)]
    for number in range(24):
        send_batch(settings.broker, f"{topic_prefix}clicks", rows, None, number % PARTITIONS)
    newest = newest_records(settings.broker, {f"{topic_prefix}clicks": PARTITIONS}, 200, most_bytes=4 << 20)
    held = sum(record.n_bytes for record in newest[f"{topic_prefix}clicks"].records)
    assert 4 << 20 <= held < 9 << 20


def test_the_command_shows_it_and_no_ids(kafka: RealKafka, topic_prefix: str) -> None:
    """`driftline doctor` has the line, exits as without it, and prints neither user nor key."""
    settings = settings_of(kafka, topic_prefix)
    key, place, _, _, fix = PRODUCERS["keys by session"]
    produce(settings.broker, f"{topic_prefix}purchases", key, place)
    done = driftline("doctor", "--broker", kafka.url, "--prefix", topic_prefix, "--json", timeout=250)
    assert done.returncode == 0, done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    line = checks[f"keys of {topic_prefix}purchases"]
    assert line["ok"] is None and fix in line["fix"]
    assert "secret" not in done.stdout and "session" not in done.stdout.replace(str(topic_prefix), "")
