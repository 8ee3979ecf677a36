"""Sends rejected records to the dead-letter topic, whatever they hold and whatever the topic takes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Any, Final, Literal, Protocol, TypeVar

import structlog

from streams.errors import BrokerError, BrokerUnavailable, DaemonError
from streams.events.event import Reject
from streams.letters.letter import LEAST_BYTES, PARKED, letter, size_of
from streams.metrics import Metrics

UNTOLD_LIMIT: Final = 900_000
"""Bytes of a letter where the broker does not tell the topic's limit: what the default limit surely takes."""
ASK_AGAIN_S: Final = 300.0
TOGETHER: Final = 256
"""Letters under way at once."""
STUCK_S: Final = 4.0
"""A letter that is unanswered for this long is reported on /ready, and the topic is looked for."""
DROP_S: Final = 30.0
"""How long letters are dropped unsent after a failure for good, with `drop-and-count`."""

OnFailure = Literal["stop", "drop-and-count"]
Pair = tuple[Any, Reject]
"""A fetched record and why it is rejected."""
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class RecordProducer(Protocol):
    """What is needed of an aiokafka producer."""

    async def send(self, topic: str, **record: Any) -> Any:
        """Queue one record; the result is a future that the broker's answer resolves."""
        ...


class TopicFacts(Protocol):
    """What the broker says about the dead-letter topic. Blocking; called in a thread.

    Both raise BrokerUnavailable or BrokerError where it does not say.
    """

    def limit(self) -> int | None:
        """The most bytes of a batch that it takes; None where it is not known."""
        ...

    def exists(self) -> bool:
        """Whether it exists."""
        ...


class DeadLetters:
    """Sends rejects. Returns only after the broker acknowledged each; may repeat one.

    What the topic does not take is cut until it does (`streams.letters.letter`). A failure that may pass is retried for as
    long as it lasts, and said by `trouble`. One for good (no such topic, not allowed, even a letter of some hundred bytes
    too large) ends the daemon, or with `drop-and-count` drops the letter, counts it, and is reported by `warning`.
    """

    def __init__(
        self,
        producer: RecordProducer,
        topic: str,
        metrics: Metrics,
        facts: TopicFacts | None = None,
        on_failure: OnFailure = "stop",
        is_plain: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """is_plain: whether the events of a topic are JSON as Driftline writes it."""
        self._producer = producer
        self._topic = topic
        self._metrics = metrics
        self._facts = facts
        self._on_failure = on_failure
        self._is_plain = is_plain
        self._limit = UNTOLD_LIMIT
        self._ask_at = 0.0
        self._drop_until = 0.0
        self._troubles: dict[asyncio.Task[Any] | None, str] = {}  # of each call of `send` that waits
        self.warning: str | None = None
        """Why letters were dropped lately; the daemon continues."""

    @property
    def trouble(self) -> str | None:
        """Why letters can't be sent at the moment, for /ready; they are tried again."""
        return next(iter(self._troubles.values()), None)

    async def send(self, records: Sequence[Any], rejects: Sequence[Reject], source: str = "") -> None:
        """Send those of the fetched records (one partition, in order) that `rejects` names by position.

        source: identity of the partition.

        Raises:
            DaemonError: a letter can't be sent for good, and `on_failure` is `stop`.
        """
        if rejects:
            await self._learn_limit()
        try:
            for start in range(0, len(rejects), TOGETHER):
                await self._send_some(records, rejects[start : start + TOGETHER], source)
        finally:
            self._troubles.pop(asyncio.current_task(), None)

    async def _send_some(self, records: Sequence[Any], rejects: Sequence[Reject], source: str) -> None:
        waiting = [(records[reject.position], reject) for reject in rejects]
        backoff_s = 0.2
        while waiting:
            if monotonic() < self._drop_until:
                self._drop(waiting)
                return
            errors = await self._noticing(self._try(waiting, source))
            if errors is None:
                continue
            failed = [(pair, error) for pair, error in zip(waiting, errors, strict=True) if error is not None]
            waiting = [pair for pair, _ in failed]
            if failed:
                self._say(
                    f"dead letters can't be sent to {self._topic} ({type(failed[0][1]).__name__}); trying again"
                )
                await asyncio.sleep(backoff_s * random.uniform(0.7, 1.3))
                backoff_s = min(5.0, 2 * backoff_s)

    async def _try(self, waiting: Sequence[Pair], source: str) -> list[Exception | None]:
        """Of each letter None, if it was acknowledged or given up for good, else why it has to be sent again."""
        futures = [
            await self._queued(self._letter(record, reject, source, self._limit))
            for record, reject in waiting
        ]
        errors = [await self._answer(future) for future in futures]
        for place, ((record, reject), error) in enumerate(zip(waiting, errors, strict=True)):
            if _is_size(error):  # of the batch, perhaps not of this letter
                error = await self._send_cut(record, reject, source)
            errors[place] = self._settled(record, reject, error)
        return errors

    def _letter(self, record: Any, reject: Reject, source: str, limit: int) -> dict[str, Any]:
        return letter(record, reject, source, limit, is_plain=self._is_plain(record.topic))

    def _label(self, record: Any) -> str:
        return self._metrics.topics.label(record.topic)

    def _settled(self, record: Any, reject: Reject, error: Exception | None) -> Exception | None:
        if error is None:
            self._metrics.dead_letters.labels(self._label(record), reject.reason).inc()
            self.warning = None
        elif getattr(error, "retriable", False):
            return error
        else:
            self._give_up(type(error).__name__, all_of_them=_is_refusal(error))
            self._drop([(record, reject)])
        return None

    async def _send_cut(self, record: Any, reject: Reject, source: str) -> Exception | None:
        """Send one letter alone, half as large each time that it is too large."""
        limit = self._limit
        while True:
            made = self._letter(record, reject, source, limit)
            error = await self._answer(await self._queued(made))
            if not _is_size(error):
                return error
            limit = min(limit, size_of(made)) // 2
            if limit < LEAST_BYTES:
                return error
            # The topic, or a broker in front of it, takes less than it says.
            self._limit = min(self._limit, limit)

    async def _queued(self, made: dict[str, Any]) -> Any:
        """The future of a letter's acknowledgement, or the error that kept it from being queued."""
        from aiokafka.errors import KafkaError

        try:
            return await self._producer.send(self._topic, **made)
        except KafkaError as error:
            return error

    async def _answer(self, queued: Any) -> Exception | None:
        from aiokafka.errors import KafkaError

        try:
            if isinstance(queued, KafkaError):
                raise queued
            await queued
        except KafkaError as error:
            failure: Exception = error
            return failure
        return None

    async def _noticing(self, attempt: Coroutine[Any, Any, Result]) -> Result | None:
        """The attempt's result; meanwhile says that the broker does not answer. None where the topic is found to be gone."""
        trying = asyncio.ensure_future(attempt)
        began, missing = monotonic(), 0
        try:
            while not (await asyncio.wait({trying}, timeout=STUCK_S))[0]:
                self._say(
                    f"dead letters: topic {self._topic} has not acknowledged one for {monotonic() - began:.0f} s"
                )
                missing = missing + 1 if await self._is_gone() else 0
                if missing > 1:  # looked at twice: it may just have been made again
                    self._give_up("it does not exist", all_of_them=True)
                    return None
            return trying.result()
        finally:
            trying.cancel()

    async def _is_gone(self) -> bool:
        facts = self._facts
        return facts is not None and await self._asked(facts.exists) is False

    async def _learn_limit(self) -> None:
        if self._facts is not None and monotonic() > self._ask_at:
            self._ask_at = monotonic() + ASK_AGAIN_S
            topic_limit = await self._asked(self._facts.limit)
            self._limit = UNTOLD_LIMIT if topic_limit is None else max(topic_limit, LEAST_BYTES)

    async def _asked(self, question: Callable[[], Any]) -> Any:
        try:
            return await asyncio.to_thread(question)
        except (BrokerUnavailable, BrokerError):
            return None

    def _say(self, trouble: str) -> None:
        if not self._troubles:
            log.warning("dead letters wait", error=trouble)
        self._troubles[asyncio.current_task()] = trouble

    def _give_up(self, why: str, *, all_of_them: bool) -> None:
        if self._on_failure == "stop":
            raise DaemonError(
                f"a dead letter can't be sent to topic {self._topic}: {why}. Fix the topic (it must exist, this user must "
                "be allowed to write to it, and max.message.bytes must be some thousand bytes); nothing is lost, the record "
                'is read again. Or set daemon.on_dead_letter_failure = "drop-and-count"'
            )
        if all_of_them:
            self._drop_until = monotonic() + DROP_S
        self.warning = f"dead letters are dropped, since topic {self._topic} does not take them: {why}"

    def _drop(self, pairs: Sequence[Pair]) -> None:
        for record, reject in pairs:
            if reject.reason == PARKED:
                raise DaemonError(f"an event of a user in quarantine can't be parked: {self.warning}")
            self._metrics.dead_letters_dropped.labels(self._label(record), reject.reason).inc()
            log.warning(
                "dead letter dropped",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                reason=reject.reason,
                why=self.warning,
            )


def _is_size(error: Exception | None) -> bool:
    from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

    return isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError)


def _is_refusal(error: Exception) -> bool:
    """Whether no other letter would be taken either."""
    from aiokafka.errors import ClusterAuthorizationFailedError, TopicAuthorizationFailedError

    return isinstance(error, TopicAuthorizationFailedError | ClusterAuthorizationFailedError)
