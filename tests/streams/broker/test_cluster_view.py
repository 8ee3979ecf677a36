"""What a cluster says of its topics and groups, on each broker."""

from __future__ import annotations

import time

import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.cluster_view import Commit, view_cluster
from streams.broker.config import BrokerConfig
from streams.broker.topics import admin_client, ensure_topics
from streams.errors import BrokerUnavailable

pytestmark = pytest.mark.broker


def test_a_topic_made_again_under_its_name_has_another_id(broker: BrokerConfig, topic_prefix: str) -> None:
    """That is what a source is told by; a topic that is not there is left out."""
    name = topic_prefix + "clicks"
    ensure_topics(broker, {name: 2})
    with view_cluster(broker) as cluster:
        first = cluster.topics([name, topic_prefix + "none"])
    assert set(first) == {name} and first[name].partitions == 2 and first[name].topic_id
    with admin_client(broker) as admin:
        admin.delete_topics([name])
    ensure_again(broker, name)
    with view_cluster(broker) as cluster:
        second = cluster.topics([name])
    assert second[name].topic_id not in (None, first[name].topic_id)


def ensure_again(broker: BrokerConfig, name: str) -> None:
    """A deletion may take a moment in the broker."""
    end = time.monotonic() + 20
    while not ensure_topics(broker, {name: 3}):
        assert time.monotonic() < end
        time.sleep(0.2)


def test_what_retention_left_and_where_a_time_is(kafka: RealKafka, topic_prefix: str) -> None:
    """The first offset that is left, the end, and the first record of a time; the end where none is so late."""
    name = topic_prefix + "clicks"
    ensure_topics(kafka.config, {name: 1})
    producer = KafkaProducer(**kafka.config.kafka_python(), acks="all")
    began = time.time() - 1000
    for number in range(10):
        producer.send(name, value=b"x", timestamp_ms=int((began + number) * 1000)).get(10)
    producer.close()
    with admin_client(kafka.config) as admin:
        admin.delete_records({TopicPartition(name, 0): 4})
    at = (name, 0)
    with view_cluster(kafka.config) as cluster:
        assert cluster.log_starts([at]) == {at: 4}
        assert cluster.log_ends([at]) == {at: 10}
        assert cluster.at_time([at], began + 6.5) == {at: 7}
        assert cluster.at_time([at], began + 100) == {at: 10}
        assert cluster.log_starts([]) == {}


def seen(broker: BrokerConfig, group: str) -> tuple[dict[tuple[str, int], Commit], list[str]]:
    """Commits and members. A broker that nobody has used yet makes its topic of offsets first, and says to ask again."""
    end = time.monotonic() + 30
    while True:
        try:
            with view_cluster(broker) as cluster:
                return cluster.commits(group), cluster.members(group)
        except BrokerUnavailable as error:
            assert "not ready yet" in str(error) and time.monotonic() < end
            time.sleep(0.2)


def test_commits_and_members_of_a_group(broker: BrokerConfig, topic_prefix: str) -> None:
    """Offsets, the text beside each (which the embedded broker forgets), and the client ids of those who are in it."""
    name, group = topic_prefix + "clicks", topic_prefix + "g"
    ensure_topics(broker, {name: 1})
    assert seen(broker, group) == ({}, [])
    consumer = KafkaConsumer(
        name, group_id=group, client_id="driftline-ab12", metadata_max_age_ms=1000, **broker.kafka_python()
    )
    end = time.monotonic() + 30
    while not consumer.assignment():
        assert time.monotonic() < end
        consumer.poll(200)
    consumer.commit({TopicPartition(name, 0): OffsetAndMetadata(3, "mine", -1)})
    commits, members = seen(broker, group)
    assert commits in ({(name, 0): Commit(3, "mine")}, {(name, 0): Commit(3, "")})
    assert [member.startswith("driftline-ab12-") for member in members] == [True]
    consumer.close()
