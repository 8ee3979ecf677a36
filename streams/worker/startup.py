"""What a daemon does before it consumes: waits for the store, the broker and the topics, and says what it waits for."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import structlog

from streams.broker.topics import describe_topics, existing_topics, missing_topics
from streams.errors import BrokerUnavailable, DaemonError, ShutdownDeadline
from streams.settings import Settings
from streams.worker.read_topics import ReadTopics
from streams.worker.readiness import Readiness

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

log = structlog.get_logger(__name__)
Result = TypeVar("Result")

TOPICS_S = 30.0
"""How long topics may come after a broker that was waited for: what starts both makes them next."""
_TOPICS_POLL_S = 0.2
LETTER_BYTES = 256 << 20
"""The client's own bound; what really holds is the topic's, see `streams.letters.topic`."""


class Startup:
    """Waits as long as it takes, or until the daemon is told to stop.

    Args:
        stop: set when the daemon is told to stop.
        readiness: gets what is waited for.
    """

    def __init__(self, settings: Settings, stop: asyncio.Event, readiness: Readiness) -> None:
        self._settings = settings
        self._stop = stop
        self._readiness = readiness
        self._broker_was_away = False

    async def until_there(
        self, call: Callable[[], Result], absent: type[Exception] | tuple[type[Exception], ...], what: str
    ) -> Result | None:
        """Call in a thread until it does not raise `absent`, with jittered backoff; None when told to stop."""
        backoff_s = 0.2
        while not self._stop.is_set():
            try:
                return await self.in_thread(call)
            except absent as error:
                self._readiness.wait_for(f"{what}: {error}")
                self._broker_was_away |= isinstance(error, BrokerUnavailable)
                log.warning("waiting", what=what, error=str(error), next_try_s=round(backoff_s, 1))
                try:
                    await asyncio.wait_for(self._stop.wait(), backoff_s * random.uniform(0.7, 1.3))
                except TimeoutError:
                    backoff_s = min(5.0, 2 * backoff_s)
        return None

    async def in_thread(self, call: Callable[[], Result]) -> Result:
        """Call in a thread; once told to stop, wait for it no longer than the deadline.

        Raises:
            ShutdownDeadline: it did not return in time.
        """
        calling = asyncio.create_task(asyncio.to_thread(call))
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({calling, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not calling.done():
            await asyncio.wait({calling}, timeout=self._settings.daemon.shutdown_s)
        if not calling.done():
            raise late(self._settings.daemon.shutdown_s)
        return calling.result()

    async def refuse_missing_topics(self, read: ReadTopics) -> None:
        """End before a store is made, where the broker is there and topics are not. Does not wait for the broker.

        Raises:
            DaemonError: says how to make them.
        """
        try:
            found = await self.in_thread(lambda: describe_topics(self._settings.broker, read.layout.required))
        except BrokerUnavailable:
            return
        if (problem := missing_topics(found)) is not None:
            raise DaemonError(problem)

    async def require_topics(self, read: ReadTopics) -> None:
        """Return when the topics that are named exist; `read` knows then which others match a pattern.

        Raises:
            DaemonError: they are not; says how to make them.
        """
        patient_until = time.monotonic() + TOPICS_S
        problem: str | None = None
        while True:
            found = await self.until_there(lambda: self._look(read), BrokerUnavailable, "broker unavailable")
            before, problem = problem, missing_topics(found) if found is not None else None
            if problem is None:
                if read.warning is not None:
                    raise DaemonError(read.warning)
                return
            if not self._broker_was_away or time.monotonic() > patient_until:
                raise DaemonError(problem)
            if problem != before:
                log.warning("waiting", what="topics", error=problem)
            self._readiness.wait_for(problem)
            await asyncio.sleep(_TOPICS_POLL_S)

    def _look(self, read: ReadTopics) -> dict[str, int | None]:
        found = describe_topics(self._settings.broker, read.layout.required)
        if read.layout.patterns:
            read.look(existing_topics(self._settings.broker), running=False)
            if len(read.names) == len(read.layout.named):
                names = ", ".join(pattern.slot.name for pattern in read.layout.patterns)
                log.warning("no topic matches yet", patterns=names)
        return found

    async def start_producer(self) -> AIOKafkaProducer | None:
        """The producer of dead letters; None when told to stop while the broker is away again."""
        from aiokafka import AIOKafkaProducer
        from aiokafka.errors import KafkaError

        while not self._stop.is_set():
            producer = AIOKafkaProducer(
                **self._settings.broker.aiokafka(), acks="all", max_request_size=LETTER_BYTES
            )
            try:
                await producer.start()
                return producer
            except KafkaError as error:
                await producer.stop()
                self._readiness.wait_for(f"broker unavailable: {type(error).__name__}")
                await asyncio.sleep(random.uniform(0.5, 1.5))
        return None


def late(shutdown_s: float, failure: BaseException | None = None) -> ShutdownDeadline:
    """What ends a daemon that does not stop in time. failure: why it was to stop, if not because it was told to."""
    return ShutdownDeadline(
        f"{f'{failure}; and then ' if failure else ''}"
        f"did not stop within {shutdown_s:g} s (daemon.shutdown_s); "
        "what was not committed is read again, nothing is lost"
    )
