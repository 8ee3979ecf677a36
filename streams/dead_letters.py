"""Records that can't be applied, sent on with their bytes, where they came from, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import stamina
import structlog

from streams.event import Reject
from streams.metrics import Metrics

MAX_VALUE_BYTES = 900_000
"""What is surely taken by a broker with the default limit of about 1 MB, headers included; more is cut, and says so."""

log = structlog.get_logger(__name__)


class RecordProducer(Protocol):
    """What is needed of an aiokafka producer."""

    async def send_and_wait(self, topic: str, **record: Any) -> Any:
        """Send one record and return after the broker acknowledged it."""
        ...

    async def send(self, topic: str, **record: Any) -> Any:
        """Queue one record; the result is a future that the broker's answer resolves."""
        ...


class DeadLetters:
    """Sends rejects to the dead-letter topic. Returns only after the broker acknowledged each; may repeat one.

    A letter has the record's key and value unchanged and the headers reason, detail, source-topic, source-partition,
    source-offset, and `truncated` with the full length where the value had to be cut.
    """

    def __init__(self, producer: RecordProducer, topic: str, metrics: Metrics) -> None:
        self._producer = producer
        self._topic = topic
        self._metrics = metrics

    async def send(self, records: Sequence[Any], rejects: Sequence[Reject]) -> None:
        """Send those of the fetched records (one partition, in order) that `rejects` names by position."""
        from aiokafka.errors import KafkaError

        async for attempt in stamina.retry_context(
            on=KafkaError, attempts=None, timeout=None, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                futures = [
                    await self._producer.send(self._topic, **letter(records[reject.position], reject))
                    for reject in rejects
                ]
                for future in futures:
                    await future
        for reject in rejects:
            self._metrics.dead_letters.labels(records[reject.position].topic, reject.reason).inc()


def letter(record: Any, reject: Reject) -> dict[str, Any]:
    """The dead letter of one record, as arguments of a producer's send."""
    value = record.value
    headers = [
        ("reason", reject.reason.encode()),
        ("detail", reject.detail.encode()),
        ("source-topic", record.topic.encode()),
        ("source-partition", str(record.partition).encode()),
        ("source-offset", str(record.offset).encode()),
    ]
    key = record.key
    room = MAX_VALUE_BYTES - (len(key) if key else 0)
    if room < 0:  # the key alone is too large
        headers.append(("truncated-key", str(len(key)).encode()))
        key, room = key[:1024], MAX_VALUE_BYTES - 1024
    if value is not None and len(value) > room:
        headers.append(("truncated", str(len(value)).encode()))
        value = value[:room]
    return {"key": key, "value": value, "headers": headers}
