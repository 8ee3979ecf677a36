"""Where to begin with sources that the store does not know.

A start by rule (`--from`) is given once, to a topic that the store has not met in this cluster. Partitions that are added to a
topic begin at their beginning, and so does a topic that was made again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from sinks.protocols import Store
from sinks.sources import SourceInfo
from streams.broker.cluster_view import ClusterView, TopicInfo
from streams.broker.config import BrokerConfig
from streams.broker.embedded import EMBEDDED_CLUSTER
from streams.broker.sources import START, PartitionSources, TopicPartition, old_name
from streams.broker.start_rule import StartRule
from streams.broker.topic_scan import first_since
from streams.errors import DaemonError

log = structlog.get_logger(__name__)

_SAMPLE = 1000


@dataclass(frozen=True, slots=True)
class Beginning:
    """How to begin with sources that the store does not know.

    at: next offsets that are known from elsewhere, say from a replay's manifest; what lies before them is in the store.
    made_again: topics that are said to hold other events now, although the broker tells no other id.
    """

    rule: StartRule = field(default_factory=StartRule)
    at: Mapping[TopicPartition, int] = field(default_factory=dict)
    made_again: frozenset[str] = frozenset()


class FirstStarts:
    """Gives sources a start, once. For one thread."""

    def __init__(
        self,
        store: Store,
        sources: PartitionSources,
        beginning: Beginning,
        group: str,
        broker: BrokerConfig | None = None,
    ) -> None:
        self._broker = broker
        self._store = store
        self._sources = sources
        self._beginning = beginning
        self._group = group
        self.made_again = set(beginning.made_again)
        """Said once: the next assignment is none of another topic."""

    def give(
        self,
        cluster: ClusterView,
        topics: Mapping[str, TopicInfo],
        identities: Mapping[TopicPartition, str],
        known: Mapping[str, SourceInfo],
        *,
        later: Collection[str] = (),
    ) -> None:
        """Give those a start that have none, and note it in the store.

        identities: of all partitions of the topics. known: the store's sources. later: topics that appeared while the daemon
        ran: by the rule too, but "latest" was before all that they hold.

        Raises:
            DaemonError: a topic comes from another cluster; says what to do.
            BrokerUnavailable, BrokerError, StoreError
        """
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
            if rule.kind == "latest" and name in later:
                rule = StartRule()
            starts = self._starts(cluster, new, rule)
            self._note(starts, identities, rule, topic_id=info.topic_id)
        self.made_again.clear()

    def _rule(self, name: str, *, met: bool, known: Mapping[str, SourceInfo]) -> StartRule:
        """How a topic's new partitions begin. met: others of its partitions have begun already."""
        rule, cluster = self._beginning.rule, self._sources.cluster
        if name in self.made_again:
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
                if self._broker is not None and self._sources.cluster.startswith(EMBEDDED_CLUSTER):
                    # It answers with the first record of the batch, however many of them are older.
                    starts = first_since(self._broker, new, rule.time_s)
                else:
                    starts = cluster.at_time(new, rule.time_s)
            case "group":
                starts |= self._committed(cluster, new)
        starts |= {tp: self._beginning.at[tp] for tp in new if tp in self._beginning.at}
        return {tp: max(offset, log_starts[tp]) for tp, offset in starts.items()}

    def _committed(self, cluster: ClusterView, new: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        commits = cluster.commits(self._group)
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


def _moved(topic: str, cluster: str, others: Sequence[str]) -> str:
    return (
        f"the store has followed topic {topic} in another cluster ({', '.join(others)}); this one ({cluster}) is new to it. "
        "If this one is a copy, reading it from its beginning would count its events twice: say --from TIME, the time of "
        "the last record that was applied from the old one (or --from group, where the group's offsets were translated). "
        "If it holds other events: --from earliest"
    )
