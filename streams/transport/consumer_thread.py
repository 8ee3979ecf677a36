"""Faust's consumer thread, in which aiokafka runs: how it fetches, seeks and commits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiokafka.errors import ConsumerStoppedError, TopicAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.transport.fetching import Taker, unpack_in_pieces
from streams.transport.hooks import HookedApp

FETCH_WAIT_MS = 200
"""How long the broker may hold a fetch back for want of records. Faust says 1.5 s; but a fetch that waits on idle partitions
holds up the next one of a busy partition on the same broker, and the embedded broker sits out half of it."""


GONE_S = 1.0
"""How long a commit may take before it is looked whether one of its topics was deleted."""


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with a shorter wait of its fetches, an isolation level, and records taken within bounds."""

    app: HookedApp
    surprised = False
    """The broker knew nothing of a partition, or another one leads it now: its topic may be another one."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        unpack_in_pieces()
        consumer = super()._create_worker_consumer(transport)
        self._taker = Taker(self.app.fetch_bounds, self.app.conf.consumer_auto_offset_reset)
        for name, value in (
            ("_fetch_max_wait_ms", FETCH_WAIT_MS),
            ("_isolation_level", self.app.isolation),
            # A position that the log does not hold is reported (streams/transport/fetching.py) instead of being moved in
            # silence.
            ("_auto_offset_reset", "none"),
        ):
            if not hasattr(consumer, name):
                raise AttributeError(
                    f"aiokafka's consumer no longer has {name}; see streams/transport/consumer_thread.py"
                )
            setattr(consumer, name, value)
        self._stamp_commits(consumer)
        self._note_surprises(consumer._client)
        return consumer

    def _note_surprises(self, client: Any) -> None:
        """The caller that asks the client for new metadata at once met a partition that is not where, or what, it was."""
        update = client.force_metadata_update

        def noted() -> Any:
            self.surprised = True
            return update()

        client.force_metadata_update = noted

    def _stamp_commits(self, consumer: Any) -> None:
        """Write the app's `commit_metadata` beside every offset; Faust writes nothing there."""
        cluster, commit_all = consumer._client.cluster, consumer.commit

        async def commit(left: dict[Any, Any]) -> None:
            # Of a topic that was deleted aiokafka tries for ever, and nothing else of the consumer has its turn meanwhile.
            while left:
                trying = asyncio.ensure_future(commit_all(left))
                there = left
                while not trying.done() and len(there) == len(left):
                    await asyncio.wait({trying}, timeout=GONE_S)
                    there = {tp: mark for tp, mark in left.items() if cluster.partitions_for_topic(tp.topic)}
                if trying.done():
                    trying.result()
                    return
                trying.cancel()
                left = there

        async def stamped(offsets: Mapping[Any, Any]) -> None:
            metadata = self.app.commit_metadata
            marked = {tp: OffsetAndMetadata(mark.offset, metadata) for tp, mark in offsets.items()}
            try:
                await commit(marked)
            except TopicAuthorizationFailedError:
                # Of one topic, which `unreadable` tells: the others' offsets are committed all the same.
                for topic in {tp.topic for tp in marked}:
                    with suppress(TopicAuthorizationFailedError):
                        await commit({tp: mark for tp, mark in marked.items() if tp.topic == topic})

        consumer.commit = stamped

    async def go_to(self, positions: Mapping[TP, int]) -> None:
        """Fetch from these offsets next; of partitions that are not assigned any longer nothing."""
        consumer = self._ensure_consumer()

        async def seek() -> None:
            assigned = consumer.assignment()
            for tp, offset in positions.items():
                if driver.ensure_aiokafka_TP(tp) in assigned:
                    consumer.seek(driver.ensure_aiokafka_TP(tp), offset)

        await self.call_thread(seek)

    async def rejoin(self) -> None:
        """Let the group assign again, as if a member had come."""
        coordinator = self._ensure_consumer()._coordinator

        async def ask() -> None:
            coordinator.request_rejoin()

        await self.call_thread(ask)

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Any:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError()
        with fetcher._subscriptions.fetch_context():
            most = max_records or self.app.fetch_bounds.records
            return await self._taker.take(fetcher, active_partitions, timeout or 0.0, most)
