"""Records into topics from a thread, at a rate or as fast as the broker takes them, whatever happens to the broker."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from streams.broker.config import BrokerConfig
from support.data.event_log import Record

TICK_S = 0.02
AT_ONCE = 2000
BATCH_BYTES = 256 << 10
PATIENCE_S = 180.0


class BackgroundLoad:
    """Sends each record exactly once, in order per partition; a broker that is away is waited for.

    The producer is idempotent where the broker can do that: a batch that is sent again because its answer was lost is
    not there twice, so that whatever is counted twice afterwards was counted twice by the daemon.
    """

    def __init__(
        self,
        broker: BrokerConfig,
        records: Sequence[Record],
        *,
        partitions: int,
        rate: float | None = None,
        place: Callable[[bytes], int] | None = None,
        idempotent: bool = True,
    ) -> None:
        """rate: records a second, in the form of the attribute. place: from a record's key to its partition; murmur2, as
        Java producers do, by default."""
        self._broker = broker
        self._records = records
        self.rate = rate
        """Records a second from now on; None: as fast as the broker takes them. May be changed on the way."""
        self._idempotent = idempotent
        self._place = place or (lambda key: (murmur2(key) & 0x7FFFFFFF) % partitions)
        self._leave = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="load", daemon=True)
        self.acknowledged = 0
        """Records that the broker has confirmed so far."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: Any, *error: object) -> None:
        self._leave.set()
        self._thread.join(30)
        if kind is None and self._error is not None:
            raise self._error

    @property
    def finished(self) -> bool:
        """Whether all records are acknowledged."""
        self._check()
        return self.acknowledged == len(self._records)

    def last(self, seconds: float, rate: float) -> None:
        """Go on at this rate, or at a lower one by which there is load for so long."""
        self.rate = min(rate, (len(self._records) - self.acknowledged) / seconds)

    def until_sent(self, count: int | None = None, wait_s: float = 300.0) -> None:
        """Wait until so many (default: all) records are acknowledged."""
        count = len(self._records) if count is None else count
        end = time.monotonic() + wait_s
        while self.acknowledged < count:
            self._check()
            assert time.monotonic() < end, f"{self.acknowledged} of {count} records sent within {wait_s} s"
            time.sleep(TICK_S)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            asyncio.run(self._send())
        except BaseException as error:
            self._error = error

    async def _send(self) -> None:
        producer = AIOKafkaProducer(
            **self._broker.aiokafka(),
            acks="all",
            enable_idempotence=self._idempotent,
            max_batch_size=BATCH_BYTES,
            max_request_size=2_000_000,
            request_timeout_ms=int(PATIENCE_S * 1000),
        )
        await producer.start()
        try:
            before, allowed, done = time.monotonic(), 0.0, 0
            pending: list[asyncio.Future[Any]] = []
            while done < len(self._records) and not self._leave.is_set():
                now, rate = time.monotonic(), self.rate
                allowed = done + AT_ONCE if rate is None else allowed + (now - before) * rate
                before = now
                due = min(done + AT_ONCE, int(allowed), len(self._records))
                pending += await self._hand_over(producer, self._records[done:due])
                for future in pending:
                    if future.done():
                        future.result()  # a refused batch shows here, not only at the end
                pending = [future for future in pending if not future.done()]
                done = due
                if rate is not None:
                    await asyncio.sleep(TICK_S)
            if not self._leave.is_set():
                await asyncio.gather(*pending)
        finally:
            try:
                await asyncio.wait_for(producer.stop(), 5)
            except TimeoutError:
                pass

    async def _hand_over(
        self, producer: AIOKafkaProducer, records: Sequence[Record]
    ) -> list[asyncio.Future[Any]]:
        filling: dict[tuple[str, int], Any] = {}
        futures = []
        for topic, key, value in records:
            target = (topic, self._place(key))
            batch = filling.get(target)
            if batch is None or batch.append(timestamp=None, key=key, value=value) is None:
                if batch is not None:
                    futures.append(await self._flush(producer, target, batch))
                batch = filling[target] = producer.create_batch()
                batch.append(timestamp=None, key=key, value=value)
        for target, batch in filling.items():
            futures.append(await self._flush(producer, target, batch))
        return futures

    async def _flush(
        self, producer: AIOKafkaProducer, target: tuple[str, int], batch: Any
    ) -> asyncio.Future[Any]:
        batch.close()
        count = batch.record_count()
        future = await producer.send_batch(batch, target[0], partition=target[1])

        def acknowledged(done: asyncio.Future[Any]) -> None:
            if not done.cancelled() and done.exception() is None:
                self.acknowledged += count

        future.add_done_callback(acknowledged)
        return future
