"""Where a daemon begins to read each partition that it was given: the store's word, never the group's.

1. ask the broker for the topics' ids, so that each partition has its identity (`streams.broker.sources`);
2. see that the group is this store's (`streams.worker.group_pairing`);
3. give sources of which the store knows nothing a start, all partitions of their topic at once, and note it in the store
   before the first record is read: a crash, or another worker, finds it there;
4. read the progress of the sources, and go there; where retention has taken what comes next, count it and go to what is left.

A start by rule (`--from`) is given once, to a topic that the store has not met in this cluster. Partitions that are added to a
topic begin at their beginning, and so does a topic that was made again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from sinks.protocols import Store
from sinks.sources import SourceInfo
from streams.broker.cluster_view import ClusterView, TopicInfo, view_cluster
from streams.broker.config import BrokerConfig
from streams.broker.embedded import EMBEDDED_CLUSTER
from streams.broker.sources import PartitionSources, TopicPartition, old_name, turns_kept
from streams.broker.start_rule import StartRule
from streams.errors import BrokerUnavailable, DaemonError
from streams.worker.group_pairing import GroupStamp, before_joining, while_running
from streams.worker.lost_records import LostRecords

log = structlog.get_logger(__name__)

START = "start"
_SAMPLE = 1000


@dataclass(frozen=True, slots=True)
class Pairing:
    """The group, what this daemon writes beside its commits, and whether it takes a group that is another store's."""

    group: str
    stamp: GroupStamp
    take: bool = False


@dataclass(frozen=True, slots=True)
class Beginning:
    """How sources begin of which the store knows nothing.

    at: next offsets that are known from elsewhere, say from a replay's manifest; what lies before them is in the store.
    made_again: topics of which somebody says that they hold other events now, although the broker tells no other id.
    """

    rule: StartRule = field(default_factory=StartRule)
    at: Mapping[TopicPartition, int] = field(default_factory=dict)
    made_again: frozenset[str] = frozenset()


class TopicChanged(Exception):
    """A topic was made again: partitions have other identities than when they were assigned."""


class StartPositions:
    """Answers the transport's question where to begin. Blocking; may be called from any thread."""

    def __init__(
        self,
        broker: BrokerConfig,
        store: Store,
        sources: PartitionSources,
        topics: Sequence[str],
        pairing: Pairing,
        lost: LostRecords,
        beginning: Beginning | None = None,
    ) -> None:
        self._broker = broker
        self._store = store
        self._sources = sources
        self._topics = topics
        self._pairing = pairing
        self._lost = lost
        self._beginning = beginning or Beginning()
        self._lock = threading.Lock()
        # Said once: the next assignment is none of another topic.
        self._made_again = set(self._beginning.made_again)

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
        with view_cluster(self._broker) as cluster:
            problem = before_joining(
                self._pairing.stamp,
                self._pairing.group,
                self._metadata(cluster),
                cluster.members(self._pairing.group),
                established=any(
                    START in info.about and info.about.get("topic") in self._topics for info in known.values()
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
            topics = cluster.topics(self._topics)
            gone = {topic for topic, _ in assigned} - topics.keys()
            if gone:
                raise BrokerUnavailable(f"topic {', '.join(sorted(gone))} is not there (any more)")
            known = self._store.sources.known()
            self._lost.take(known)
            self._sources.replace(
                {name: info.topic_id for name, info in topics.items()}, self._turns(topics, known)
            )
            identities = self._sources.identities(
                (name, number) for name, info in topics.items() for number in range(info.partitions)
            )
            self._place(cluster, topics, identities, known)
            self._made_again.clear()
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
        """Retention was faster than we: `expected` was to be read next, and reading went on at `went_on`.

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
        commits = cluster.commits(self._pairing.group)
        return [commit.metadata for (topic, _), commit in commits.items() if topic in self._topics]

    def _require_unchanged(self, cluster: ClusterView) -> None:
        again = self._changed(cluster)
        if again:
            log.warning("made again: other events under an old name", topics=sorted(again))
            raise TopicChanged(", ".join(sorted(again)))

    def _changed(self, cluster: ClusterView) -> set[str]:
        before, now = self._sources.topic_ids, cluster.topics(self._topics)
        return {name for name, info in now.items() if name in before and info.topic_id != before[name]}

    def _turns(self, topics: Mapping[str, TopicInfo], known: Mapping[str, SourceInfo]) -> dict[str, int]:
        topic_ids = {name: info.topic_id for name, info in topics.items()}
        turns = turns_kept(self._sources.cluster, topic_ids, (info.about for info in known.values()))
        return {name: turn + (name in self._made_again) for name, turn in turns.items()}

    def _place(
        self,
        cluster: ClusterView,
        topics: Mapping[str, TopicInfo],
        identities: Mapping[TopicPartition, str],
        known: Mapping[str, SourceInfo],
    ) -> None:
        placed = {identity for identity, info in known.items() if START in info.about}
        for name, info in topics.items():
            partitions = [(name, number) for number in range(info.partitions)]
            new = [tp for tp in partitions if identities[tp] not in placed]
            if not new:
                continue
            rule = self._rule(name, met=len(new) < len(partitions), known=known)
            if (
                not rule.said
                and not any(START in each.about for each in known.values())
                and self._was_followed(name)
            ):
                rule = StartRule("group")
            starts = self._starts(cluster, new, rule)
            self._note(starts, identities, rule, topic_id=info.topic_id)

    def _rule(self, name: str, *, met: bool, known: Mapping[str, SourceInfo]) -> StartRule:
        """How a topic's new partitions begin. met: others of its partitions have begun already."""
        rule, cluster = self._beginning.rule, self._sources.cluster
        if name in self._made_again:
            return rule
        clusters = {
            about.get("cluster")
            for about in (each.about for each in known.values())
            if about.get("topic") == name
        }
        if met or cluster in clusters:
            return StartRule()
        forgetful = cluster.startswith(EMBEDDED_CLUSTER)  # it began empty, so these are other events
        if clusters and not forgetful and not rule.said and not self._beginning.at:
            raise DaemonError(_moved(name, cluster, sorted(map(str, clusters))))
        return rule

    def _was_followed(self, topic: str) -> bool:
        """Whether an older release, which left its position to the group, has followed the topic into this store.

        It left its mark with the users. A look at some of them: from the beginning, their marks drop what they have, too.
        """
        name = old_name(self._sources.cluster, topic, 0).removesuffix("0")
        some = next(iter(self._store.users.scan(_SAMPLE)), [])
        return any(mark.startswith(name) for user in some for mark in user.watermarks)

    def _starts(
        self,
        cluster: ClusterView,
        new: Sequence[TopicPartition],
        rule: StartRule,
    ) -> dict[TopicPartition, int]:
        log_starts = cluster.log_starts(new)
        starts = dict(log_starts)
        match rule.kind:
            case "latest":
                starts = cluster.log_ends(new)
            case "time":
                starts = cluster.at_time(new, rule.time_s)
            case "group":
                starts |= self._committed(cluster, new)
        starts |= {tp: self._beginning.at[tp] for tp in new if tp in self._beginning.at}
        return {tp: max(offset, log_starts[tp]) for tp, offset in starts.items()}

    def _committed(self, cluster: ClusterView, new: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        commits = cluster.commits(self._pairing.group)
        return {tp: commits[tp].offset for tp in new if tp in commits}

    def _note(
        self,
        starts: Mapping[TopicPartition, int],
        identities: Mapping[TopicPartition, str],
        rule: StartRule,
        topic_id: str | None,
    ) -> None:
        sources, cluster = self._store.sources, self._sources.cluster
        numbers = sources.numbers(
            [identities[tp] for tp in starts],
            {identities[tp]: old_name(cluster, *tp) for tp in starts},
        )
        sources.advance({numbers[identities[tp]]: start for tp, start in starts.items() if start})
        where = {"cluster": cluster, "topic_id": topic_id}
        for tp, start in starts.items():
            turn = self._sources.turn(tp[0])
            about = {"topic": tp[0], "partition": tp[1], **where, "turn": turn, START: start}
            sources.describe(identities[tp], about)
        log.info(
            "new sources",
            rule=rule.kind,
            starts={f"{topic}/{number}": start for (topic, number), start in sorted(starts.items())},
        )

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
    """Why the daemon can't go on with a partition that has less than the store had of it, and what to do."""
    topic, number = partition
    return (
        f"topic {topic}, partition {number}, went backwards: the store has everything before offset {expected}, and the "
        f"broker's log goes on at {end}. Either the broker lost records (a leader was elected that lacked them), or the topic "
        "was made again and the broker tells no topic ids. If what it holds now are other events: "
        f"--made-again {topic}; should only a part of them be new, with --from TIME"
    )


def _moved(topic: str, cluster: str, others: Sequence[str]) -> str:
    return (
        f"the store has followed topic {topic} in another cluster ({', '.join(others)}); this one ({cluster}) is new to it. "
        "If this one is a copy, reading it from its beginning would count its events twice: say --from TIME, the time of "
        "the last record that was applied from the old one (or --from group, where the group's offsets were translated). "
        "If it holds other events: --from earliest"
    )
