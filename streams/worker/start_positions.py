"""Where a daemon begins to read each partition that it was given: as the store says, never as the group says.

1. ask the broker for the topics' ids, so that each partition has its identity (`streams.broker.sources`);
2. see that the group is this store's (`streams.worker.group_pairing`);
3. give sources that the store does not know a start, all partitions of their topic at once, and note it in the store
   before the first record is read: a crash, or another worker, finds it there;
4. read the progress of the sources, and go there; where retention has taken what comes next, count it and go to what is left.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog

from sinks.protocols import Store
from sinks.sources import SourceInfo
from streams.broker.cluster_view import ClusterView, TopicInfo, view_cluster
from streams.broker.config import BrokerConfig
from streams.broker.sources import START, PartitionSources, TopicPartition, turns_kept
from streams.errors import BrokerUnavailable, DaemonError
from streams.worker.first_starts import Beginning, FirstStarts
from streams.worker.group_pairing import GroupStamp, before_joining, while_running
from streams.worker.lost_records import LostRecords
from streams.worker.read_topics import ReadTopics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pairing:
    """The group, what this daemon writes beside its commits, and whether it takes a group that is another store's."""

    group: str
    stamp: GroupStamp
    take: bool = False


class TopicChanged(Exception):
    """A topic was made again: partitions have other identities than when they were assigned."""


class StartPositions:
    """Answers the transport's question where to begin. Blocking; may be called from any thread."""

    def __init__(
        self,
        broker: BrokerConfig,
        store: Store,
        sources: PartitionSources,
        read: ReadTopics,
        pairing: Pairing,
        lost: LostRecords,
        beginning: Beginning | None = None,
    ) -> None:
        self._broker = broker
        self._store = store
        self._sources = sources
        self._read = read
        self._pairing = pairing
        self._lost = lost
        self._first = FirstStarts(store, sources, beginning or Beginning(), pairing.group, broker)
        self._lock = threading.Lock()

    def check_group(self) -> None:
        """Before the group is joined.

        Raises:
            DaemonError: the group is another store's; says what to do.
            BrokerUnavailable, BrokerError, StoreError
        """
        known = self._store.sources.known()
        self._lost.take(known)
        if self._pairing.take:
            return
        read = self._read.names
        with view_cluster(self._broker) as cluster:
            problem = before_joining(
                self._pairing.stamp,
                self._pairing.group,
                self._metadata(cluster),
                cluster.members(self._pairing.group),
                established=any(
                    START in info.about and info.about.get("topic") in read for info in known.values()
                ),
            )
        if problem is not None:
            raise DaemonError(problem)

    def find(self, assigned: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset to be read of each assigned partition.

        Raises:
            DaemonError: a topic went backwards, or comes from another cluster; says what to do.
            BrokerUnavailable: also where a topic vanished since the assignment: ask again.
            BrokerError, StoreError
        """
        assigned = sorted(assigned)
        with self._lock, view_cluster(self._broker) as cluster:
            topics = cluster.topics(self._read.names)
            gone = {topic for topic, _ in assigned} - topics.keys()
            if gone:
                raise BrokerUnavailable(f"topic {', '.join(sorted(gone))} is not there (any longer)")
            known = self._store.sources.known()
            self._lost.take(known)
            self._sources.replace(
                {name: info.topic_id for name, info in topics.items()}, self._turns(topics, known)
            )
            identities = self._sources.identities(
                (name, number) for name, info in topics.items() for number in range(info.partitions)
            )
            self._first.give(cluster, topics, identities, known, later=self._read.later)
            numbers = self._store.sources.numbers([identities[tp] for tp in assigned])
            progress = self._store.sources.progress(numbers.values())
            log_starts = cluster.log_starts(assigned)
            self._require_ends(
                cluster, topics, {tp: progress.get(numbers[identities[tp]], 0) for tp in assigned}
            )
            positions = {}
            for tp in assigned:
                stored = progress.get(numbers[identities[tp]], 0)
                if log_starts[tp] > stored:
                    self._lost.note(identities[tp], tp, stored, log_starts[tp])
                positions[tp] = max(stored, log_starts[tp])
            return positions

    def passed_over(self, partition: TopicPartition, expected: int, went_on: int) -> None:
        """Retention was faster than we: `expected` was to be read next, and reading continued at `went_on`.

        Raises:
            BrokerUnavailable, BrokerError, StoreError
        """
        with self._lock:
            # Between the log's start and the first record in it there may be what compaction emptied.
            with view_cluster(self._broker) as cluster:
                log_start = min(went_on, cluster.log_starts([partition])[partition])
            self._lost.note(self._sources.identity(*partition), partition, expected, log_start)

    def made_again(self) -> set[str]:
        """The topics that are others than when their partitions were assigned.

        Raises:
            BrokerUnavailable, BrokerError
        """
        with view_cluster(self._broker) as cluster:
            return self._changed(cluster)

    def look_again(self) -> None:
        """Now and then: whether topics are still the same, the group is ours, losses were acknowledged.

        Raises:
            TopicChanged: a topic was made again.
            DaemonError: another store is at work in the group.
            BrokerUnavailable, BrokerError, StoreError
        """
        with self._lock, view_cluster(self._broker) as cluster:
            self._lost.refresh()
            self._require_unchanged(cluster)
            if self._pairing.take:
                return
            problem = while_running(
                self._pairing.stamp,
                self._pairing.group,
                self._metadata(cluster),
                cluster.members(self._pairing.group),
            )
        if problem is not None:
            raise DaemonError(problem)

    def _metadata(self, cluster: ClusterView) -> list[str]:
        commits, read = cluster.commits(self._pairing.group), self._read.names
        return [commit.metadata for (topic, _), commit in commits.items() if topic in read]

    def _require_unchanged(self, cluster: ClusterView) -> None:
        again = self._changed(cluster)
        if again:
            log.warning("made again: other events under an old name", topics=sorted(again))
            raise TopicChanged(", ".join(sorted(again)))

    def _changed(self, cluster: ClusterView) -> set[str]:
        before, now = self._sources.topic_ids, cluster.topics(self._read.names)
        return {name for name, info in now.items() if name in before and info.topic_id != before[name]}

    def _turns(self, topics: Mapping[str, TopicInfo], known: Mapping[str, SourceInfo]) -> dict[str, int]:
        topic_ids = {name: info.topic_id for name, info in topics.items()}
        turns = turns_kept(self._sources.cluster, topic_ids, (info.about for info in known.values()))
        return {name: turn + (name in self._first.made_again) for name, turn in turns.items()}

    def _require_ends(
        self,
        cluster: ClusterView,
        topics: Mapping[str, TopicInfo],
        progress: Mapping[TopicPartition, int],
    ) -> None:
        """Of a broker that tells no topic ids: a topic made again shows by offsets that go backwards, or not at all."""
        unsure = [tp for tp in progress if topics[tp[0]].topic_id is None]
        ends = cluster.log_ends(unsure)
        for tp in unsure:
            if progress[tp] > ends[tp]:
                raise DaemonError(backwards(tp, progress[tp], ends[tp]))


def backwards(partition: TopicPartition, expected: int, end: int) -> str:
    """Why the daemon can't continue with a partition that has less than the store had of it, and what to do."""
    topic, number = partition
    return (
        f"topic {topic}, partition {number}, went backwards: the store has everything before offset {expected}, and the "
        f"broker's log continues at {end}. Either the broker lost records (a leader was elected that lacked them), or the "
        "topic was made again and the broker tells no topic ids. If what it holds now are other events: "
        f"--made-again {topic}; should only a part of them be new, with --from TIME"
    )
