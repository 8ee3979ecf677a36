"""Records that retention took before they were read: counted, logged, kept in the store until they are acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from sinks.protocols import Sources
from streams.broker.sources import TopicPartition
from streams.metrics import Metrics, partition_labels

log = structlog.get_logger(__name__)

LOST, LOST_TO, SEEN = "lost", "lost_to", "lost_seen"


@dataclass(frozen=True, slots=True)
class Loss:
    """What is lost of one partition. records: all so far; to: the first offset that was left then."""

    identity: str
    topic: str
    partition: int
    records: int
    to: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}: {self.records} before offset {self.to}"


def unseen(known: Mapping[str, Any]) -> list[Loss]:
    """Losses that are not acknowledged; known: as `Sources.known` says."""
    return [
        Loss(
            identity,
            str(about.get("topic")),
            int(about.get("partition", 0)),
            int(about[LOST]),
            int(about[LOST_TO]),
        )
        for identity, about in ((identity, info.about or {}) for identity, info in sorted(known.items()))
        if int(about.get(LOST, 0)) > int(about.get(SEEN, 0))
    ]


def acknowledge(sources: Sources) -> list[Loss]:
    """Note in the store that all losses so far were seen; which they were."""
    known = sources.known()
    losses = unseen(known)
    for loss in losses:
        sources.describe(loss.identity, {**known[loss.identity].about, SEEN: loss.records})
    return losses


class LostRecords:
    """The losses of one store, as the daemon meets them. To be called from one thread at a time."""

    def __init__(self, sources: Sources, metrics: Metrics) -> None:
        self._sources = sources
        self._metrics = metrics
        self._unseen: list[Loss] = []

    @property
    def warning(self) -> str | None:
        """For the body of /ready: what is lost and not acknowledged."""
        if not self._unseen:
            return None
        return (
            f"retention took records before they were read ({'; '.join(map(str, self._unseen))}); "
            "driftline acknowledge-loss says that it was seen"
        )

    def refresh(self) -> None:
        """Look whether what is lost was acknowledged meanwhile."""
        if self._unseen:
            self._unseen = unseen(self._sources.known())

    def take(self, known: Mapping[str, Any]) -> None:
        """Remember what the store knows of losses."""
        self._unseen = unseen(known)

    def note(self, identity: str, partition: TopicPartition, expected: int, log_start: int) -> None:
        """The log begins at `log_start`, and `expected` was to be read next.

        Offsets, not records: what compaction or a transaction had taken out of the range counts too, as nobody can tell any
        more. A gap within the log, which compaction leaves, is no loss and never comes here.
        """
        info = self._sources.find([identity]).get(identity)
        about = dict((info.about if info else None) or {})
        since = max(expected, int(about.get(LOST_TO, 0)))
        if log_start <= since:
            return
        topic, number = partition
        about[LOST] = int(about.get(LOST, 0)) + log_start - since
        about[LOST_TO] = log_start
        self._sources.describe(identity, about)
        self._metrics.lost_records.labels(*partition_labels(self._metrics, topic, number)).inc(
            log_start - since
        )
        log.error(
            "retention took records before they were read",
            topic=topic,
            partition=number,
            first=since,
            next=log_start,
            lost=log_start - since,
        )
        self._unseen = unseen(self._sources.known())
