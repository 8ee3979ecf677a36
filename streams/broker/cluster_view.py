"""What the daemon asks of a cluster about its topics and its group: ids, offsets, commits, members.

Asked of kafka-python's admin client, since aiokafka's requests end before topic ids (Metadata v10).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.broker.config import BrokerConfig
from streams.broker.sources import TopicPartition
from streams.broker.topics import admin_client
from streams.errors import BrokerError

if TYPE_CHECKING:
    from kafka.admin import KafkaAdminClient

_NO_ID = "00000000-0000-0000-0000-000000000000"
_EARLIEST, _LATEST = -2, -1
_AUTHORIZATION = 29


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """An existing topic. topic_id: None where the broker gives none."""

    topic_id: str | None
    partitions: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A committed offset of a group and what was written beside it."""

    offset: int
    metadata: str


class ClusterView:
    """One connection. All calls raise BrokerUnavailable or BrokerError through the context that made it."""

    def __init__(self, admin: KafkaAdminClient) -> None:
        self._admin = admin

    def topics(self, names: Sequence[str]) -> dict[str, TopicInfo]:
        """Those of the topics that exist.

        Raises:
            BrokerError: one may not be read; named.
        """
        infos = {}
        for topic in self._admin.describe_topics(list(names)):
            code = topic["error_code"]
            if code == _AUTHORIZATION:
                raise BrokerError(
                    f"topic {topic['name']!r} may not be read: the broker's ACLs give DESCRIBE to others"
                )
            if code == 0 and topic["partitions"]:
                topic_id = str(topic.get("topic_id") or _NO_ID)
                infos[topic["name"]] = TopicInfo(
                    None if topic_id == _NO_ID else topic_id,
                    1 + max(partition["partition_index"] for partition in topic["partitions"]),
                )
        return infos

    def log_starts(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that retention has left of each partition."""
        return self._offsets(dict.fromkeys(partitions, _EARLIEST))

    def log_ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset of each partition. The embedded broker may tell one that is too low."""
        return self._offsets(dict.fromkeys(partitions, _LATEST))

    def at_time(self, partitions: Iterable[TopicPartition], time_s: float) -> dict[TopicPartition, int]:
        """The first offset whose record is of that time or later; the end where there is none."""
        wanted = list(partitions)
        found = self._offsets(dict.fromkeys(wanted, int(time_s * 1000)))
        none = [tp for tp in wanted if found[tp] < 0]
        return found | self.log_ends(none)

    def commits(self, group: str) -> dict[TopicPartition, Commit]:
        """What the group has committed, of all topics."""
        answer = self._admin.list_group_offsets({group: None})
        return {
            (tp.topic, tp.partition): Commit(committed.offset, committed.metadata or "")
            for tp, committed in answer[group].items()
            if committed.offset >= 0
        }

    def members(self, group: str) -> list[str]:
        """Member ids of the group; each begins with its client's id."""
        return list(self._admin.describe_groups([group])[group])

    def _offsets(self, specs: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        from kafka import TopicPartition as KafkaPartition

        if not specs:
            return {}
        answer = self._admin.list_partition_offsets(
            {KafkaPartition(topic, number): spec for (topic, number), spec in specs.items()}
        )
        return {(tp.topic, tp.partition): found.offset for tp, found in answer.items()}


@contextmanager
def view_cluster(broker: BrokerConfig) -> Iterator[ClusterView]:
    """A connection for some questions.

    Raises:
        BrokerUnavailable: no answer; also where a group's coordinator is not available yet.
        BrokerError: the broker refuses.
    """
    with admin_client(broker) as admin:
        _describe_by_ids(admin)
        yield ClusterView(admin)


def _describe_by_ids(admin: Any) -> None:
    """Let a group be described by its members' ids alone. The client would ask what one may do with it, too, whose answer it
    can't read from every broker, and would warn that it can't read what Faust's members say of themselves."""
    from kafka.protocol.admin import DescribeGroupsRequest

    def asked(groups: Iterable[str]) -> Any:
        return DescribeGroupsRequest(groups=list(groups), include_authorized_operations=False)

    def members(answer: Any) -> dict[str, list[str]]:
        return {group.group_id: [member.member_id for member in group.members] for group in answer.groups}

    admin._describe_groups_request = asked
    admin._describe_groups_process_response = members
