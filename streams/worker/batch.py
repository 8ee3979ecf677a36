"""A batch on its way through a lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.events.columns import EventColumns
from streams.events.consent import ConsentRecord
from streams.events.declaration import DecodedDeclarations
from streams.events.decode_items import DecodedItems
from streams.events.event import Reject
from streams.topics.slot import TopicSlot


@dataclass(eq=False, slots=True)
class LaneBatch:
    """Records of one partition and fetch, in order. slot: what its topic holds.

    `message` is what the transport handed over, for asking whether the batch is still ours and for marking it done.
    `source` is the partition's identity at the hand-over (`streams.broker.sources`).
    n_bytes: of keys, values and headers, unpacked.
    """

    slot: TopicSlot
    topic: str
    partition: int
    records: Sequence[Any]
    message: Any = None
    source: str = ""
    n_bytes: int = field(init=False)
    columns: EventColumns | None = None
    items: DecodedItems | None = None
    consents: Sequence[ConsentRecord] = ()
    declared: DecodedDeclarations | None = None
    rejects: list[Reject] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.n_bytes = sum(record.n_bytes for record in self.records)

    def refused(self) -> list[Reject]:
        """The records that were not unpacked: too large, or in a batch that is damaged."""
        return [
            Reject(position, "unreadable_record", record.refused)
            for position, record in enumerate(self.records)
            if record.refused
        ]


def join_batches(batches: Sequence[LaneBatch]) -> list[LaneBatch]:
    """The batches of each topic-partition as one, in order: at low load a fetch is a record or two, and to decode one
    costs as much as to decode hundreds."""
    groups: dict[tuple[str, int], list[LaneBatch]] = {}
    for batch in batches:
        groups.setdefault((batch.topic, batch.partition), []).append(batch)
    return [
        group[0]
        if len(group) == 1
        else LaneBatch(
            group[0].slot,
            topic,
            partition,
            [record for batch in group for record in batch.records],
            group[-1].message,
            group[-1].source,
        )
        for (topic, partition), group in groups.items()
    ]
