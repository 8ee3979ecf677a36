"""Where a store that has followed topics in one cluster stands in their mirror in another: by the records themselves.

A mirror keeps records and their order within a partition, not their offsets. So of each partition the last records that are in
the store are read from the old cluster and looked for in the new one: what follows them there is what comes next. Nothing has
to stand still for that but the daemon; producers change over afterwards, so that what they write lies behind that place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sinks.protocols import Store
from streams.broker.cluster_view import TopicInfo, view_cluster
from streams.broker.config import BrokerConfig
from streams.broker.sources import START, PartitionSources, TopicPartition, old_name, turns_kept
from streams.broker.topic_scan import scan_topic
from streams.broker.topics import cluster_id
from streams.errors import BrokerError

TAIL: Final = 64
"""So many records are to be found one after the other: repeats among them don't hide which are the last."""
_WIDTHS: Final = (TAIL, 64 * TAIL)
"""Offsets that are looked at for them; between them there may be what compaction or transactions left."""

_Content = tuple[int, bytes | None, bytes | None]


@dataclass(frozen=True, slots=True)
class MirroredPartition:
    """Next offsets of a partition. identity: of the source in the new cluster."""

    topic: str
    partition: int
    old: int
    new: int
    identity: str


class Mirror:
    """Two clusters, of which the new one has copies of the old one's topics. Blocking.

    Raises of all calls: BrokerUnavailable, BrokerError, StoreUnavailable.
    """

    def __init__(self, store: Store, old: BrokerConfig, new: BrokerConfig) -> None:
        self._store = store
        self._old = old
        self._new = new
        self._clusters = PartitionSources(cluster_id(old)), PartitionSources(cluster_id(new))
        if self._clusters[0].cluster == self._clusters[1].cluster:
            raise BrokerError(f"{old.url} and {new.url} are one cluster ({self._clusters[0].cluster})")

    def positions(self, topics: Iterable[str]) -> list[MirroredPartition]:
        """Where each partition continues in the new cluster, of those topics that the store has followed in the old one.

        Raises:
            BrokerError: one can't be told; says which, and what to do.
        """
        names = sorted(set(topics))
        before, after = self._describe(self._old, 0, names), self._describe(self._new, 1, names)
        known = self._store.sources.known()
        found = []
        for topic, info in before.items():
            identities = self._clusters[0].identities((topic, number) for number in range(info.partitions))
            numbers = {tp: known[identity].number for tp, identity in identities.items() if identity in known}
            if not numbers:
                continue
            if topic not in after:
                raise BrokerError(f"topic {topic} is not in the new cluster ({self._new.url})")
            if after[topic].partitions != info.partitions:
                raise BrokerError(
                    f"topic {topic} has {info.partitions} partitions in the old cluster and {after[topic].partitions} in the "
                    "new one: it is no mirror of it, partition by partition. docs/positions.md: --from TIME"
                )
            progress = self._store.sources.progress(numbers.values())
            ends = {tp[1]: progress[number] for tp, number in numbers.items()}
            found += self._partitions(topic, ends)
        return found

    def note(self, positions: Sequence[MirroredPartition]) -> None:
        """Write into the store where the new cluster's sources begin, as a daemon notes where it begins."""
        sources, cluster = self._store.sources, self._clusters[1]
        numbers = sources.numbers(
            [one.identity for one in positions],
            {one.identity: old_name(cluster.cluster, one.topic, one.partition) for one in positions},
        )
        sources.advance({numbers[one.identity]: one.new for one in positions if one.new})
        for one in positions:
            where = {"cluster": cluster.cluster, "topic_id": cluster.topic_ids[one.topic]}
            about = {"topic": one.topic, "partition": one.partition, **where}
            sources.describe(one.identity, about | {"turn": cluster.turn(one.topic), START: one.new})

    def _describe(self, broker: BrokerConfig, which: int, names: Sequence[str]) -> dict[str, TopicInfo]:
        sources = self._clusters[which]
        with view_cluster(broker) as view:
            infos = view.topics(names)
        topic_ids = {name: info.topic_id for name, info in infos.items()}
        known = self._store.sources.known().values()
        sources.replace(topic_ids, turns_kept(sources.cluster, topic_ids, (info.about for info in known)))
        return infos

    def _partitions(self, topic: str, ends: Mapping[int, int]) -> list[MirroredPartition]:
        tails = self._tails(topic, ends)
        identities = self._clusters[1].identities((topic, number) for number in ends)
        with view_cluster(self._new) as view:
            starts = view.log_starts(identities)
            by_time = {
                tp: view.at_time([tp], tails[tp[1]][0][0] / 1000)[tp] for tp in identities if tails[tp[1]]
            }
        found = []
        for (_, number), identity in identities.items():
            tp: TopicPartition = (topic, number)
            new = starts[tp]
            if tails[number]:
                new = self._after(tp, tails[number], by_time[tp], starts[tp])
            found.append(MirroredPartition(topic, number, ends[number], new, identity))
        return found

    def _tails(self, topic: str, ends: Mapping[int, int]) -> dict[int, list[_Content]]:
        """The last records of each partition that are in the store; none where nothing was read yet."""
        tails: dict[int, deque[_Content]] = {number: deque(maxlen=TAIL) for number in ends}
        for width in _WIDTHS:
            wanted = {number: end for number, end in ends.items() if end and not tails[number]}

            def take(records: Sequence[Any]) -> None:
                tails[records[0].partition].extend(map(_content, records))

            scan_topic(
                self._old,
                topic,
                take,
                starts={number: max(0, end - width) for number, end in wanted.items()},
                ends=wanted,
            )
        gone = [number for number, end in ends.items() if end and not tails[number]]
        if gone:
            raise BrokerError(
                f"topic {topic}, partition {gone[0]}: the old cluster ({self._old.url}) no longer has the records before "
                f"offset {ends[gone[0]]}, by which the place in the new one is found. docs/positions.md: --from TIME"
            )
        return {number: list(tail) for number, tail in tails.items()}

    def _after(self, tp: TopicPartition, tail: Sequence[_Content], near: int, start: int) -> int:
        """The offset after these records in the new cluster."""
        # A cluster may stamp records itself; and the embedded broker's search by time is not to be relied on.
        for begin, timed in ((near, True), (start, True), (start, False)):
            ends = self._places(tp, tail, begin, timed=timed)
            if len(ends) == 1:
                return ends[0]
            if ends:
                break
        topic, number = tp
        what = "is there more than once" if ends else "is not there"
        raise BrokerError(
            f"topic {topic}, partition {number}: what the store has last of it {what} in the new cluster ({self._new.url}). "
            + (
                "docs/positions.md: --from TIME"
                if ends
                else "Wait until the mirror has it, then do this again; if it has other records: run --from earliest"
            )
        )

    def _places(self, tp: TopicPartition, tail: Sequence[_Content], begin: int, *, timed: bool) -> list[int]:
        cut = 0 if timed else 1
        wanted = deque(one[cut:] for one in tail)
        window: deque[tuple[Any, ...]] = deque(maxlen=len(wanted))
        ends: list[int] = []

        def take(records: Sequence[Any]) -> None:
            for record in records:
                window.append(_content(record)[cut:])
                if window[-1] == wanted[-1] and window == wanted:
                    ends.append(record.offset + 1)

        topic, number = tp
        with view_cluster(self._new) as view:
            end = view.log_ends([tp])[tp]
        if begin < end:
            scan_topic(self._new, topic, take, starts={number: begin}, only={number})
        return ends


def _content(record: Any) -> _Content:
    return record.timestamp, record.key, record.value
