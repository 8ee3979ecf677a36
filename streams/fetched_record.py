"""A fetched record without aiokafka's ConsumerRecord, which halves what unpacking a fetch costs.

That dataclass has eleven fields, and the garbage collector walks the thousands of them that a batch holds. This struct is
built in C and never tracked.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiokafka.consumer.fetcher import FetchResult


class FetchedRecord(msgspec.Struct, frozen=True, gc=False):
    """What ConsumerRecord says of a record, without its sizes and checksum.

    timestamp in unix milliseconds; timestamp_type 0: set by the producer, 1: by the broker.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def unpack_cheaply(fetcher: Any) -> None:
    """Let the fetches that lie in aiokafka's buffer be unpacked into FetchedRecord.

    A fetch that arrives later, while the caller waits for one, gives ConsumerRecord, which has the same attributes.
    """
    for result in fetcher._records.values():
        if type(result) is FetchResult and result._partition_records is not None:
            result._partition_records._consumer_record = _fetched_record


def _fetched_record(tp: Any, record: Any) -> FetchedRecord:
    headers = record.headers
    return FetchedRecord(
        tp.topic,
        tp.partition,
        record.offset,
        record.timestamp,
        record.timestamp_type,
        record.key,
        record.value,
        tuple(headers) if headers else (),  # of which there is one only; a list is one more tracked object
    )
