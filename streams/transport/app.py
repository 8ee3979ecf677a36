"""A Faust app whose agents receive whole fetches: one list of raw records per topic-partition and fetch.

Faust's own consumer makes a message, two tasks and a queue entry of every record and costs about 140 us of CPU an event;
handed over as lists a record costs about two. Usable with any Faust app:

    app = BatchApp("shop", broker="kafka://127.0.0.1:9092", topic_disable_leader=True)
    topic = app.batch_topic("clicks")

    @app.agent(topic)
    async def clicks(stream):
        async for records in stream:                       # list of FetchedRecord, one partition, in order
            batch = stream.current_event.message
            ...                                            # make the work durable
            app.consumer.mark_done(batch)                  # only now may its offset be committed

An agent may also hand the batch on and take the next one at once: what is marked, and when, is its own affair, as long as
the batches of one partition are finished in order. Before partitions are taken away `app.before_revoke` is awaited, so that
what is under way can be finished and marked.

What Faust does with offsets does not suit batches: it wants every single offset acked, acks in a `finally` whatever
happened, and forgets acked offsets in a rebalance before it commits them. So one processed-offset mark per partition is
kept here, moved by `mark_done` alone, and what was confirmed of it; everything else (assignment, rebalance, heartbeat,
flow control) stays Faust's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import faust
from faust.serializers import codecs
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.transport.consumer import BatchConsumer
from streams.transport.fetching import FetchBounds

RAW_CODEC = "driftline-raw"
AskPositions = Callable[[set[TP]], Awaitable[Mapping[TP, int]]]


class _Raw(codecs.Codec):
    """Bytes stay bytes; a list of records passes through."""

    def _dumps(self, obj: Any) -> Any:
        return obj

    def _loads(self, s: Any) -> Any:
        return s


codecs.register(RAW_CODEC, _Raw())


class BatchTransport(driver.Transport):
    """Faust's aiokafka transport with the batch consumer."""

    Consumer = BatchConsumer


class BatchApp(faust.App):
    """A Faust app on the batch transport.

    `before_revoke`, if set, is awaited before partitions are taken away: finish and mark what is under way, within the
    rebalance time-out. `before_commit`, if set, is awaited before offsets that were marked by then are committed.
    """

    before_revoke: Callable[[], Awaitable[None]] | None = None
    before_commit: Callable[[], Awaitable[None]] | None = None
    positions: AskPositions | None = None
    """Asked at each assignment for the next offset of every assigned partition, in place of the group's committed offsets.
    It may wait as long as it has to; nothing is handed over meanwhile. What it raises ends the app."""
    on_out_of_range: Callable[[TP, int, int], None] | None = None
    """Called with a partition, the offset that was to be read and that the log does not hold, and the one read instead."""
    before_surprising: Callable[[], Awaitable[None]] | None = None
    """Awaited before records are handed over that came after the broker knew nothing of a partition, or it was another one's
    to lead: the place to see whether topics are still the same, and to `hold` those that are not."""
    commit_metadata: str = ""
    """Written beside every committed offset."""
    isolation: str = "read_committed"
    """Or "read_uncommitted": records of open and aborted transactions too."""
    fetch_bounds: FetchBounds = FetchBounds()
    fetch_linger_s: float = 0.0
    """Pause after a fetch of less than a tenth of what it may hold, in which records gather: to hand over a batch costs some
    0.2 ms, however small it is."""

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self, loop=self.loop)

    def _create_directories(self) -> None:
        """Faust makes a folder beside the process for every app; tables in memory, or none, need no such thing, and the
        folder that the process was started in may not be writable."""
        if self.conf.store.scheme != "memory":
            super()._create_directories()

    def batch_topic(self, *names: str) -> Any:
        """A topic whose stream yields lists of raw records (`streams.transport.record`)."""
        return self.topic(
            *names, value_type=None, value_serializer=RAW_CODEC, key_type=None, key_serializer=RAW_CODEC
        )
