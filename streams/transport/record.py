"""A fetched record without aiokafka's ConsumerRecord, which halves the cost of unpacking a fetch.

That dataclass has eleven fields, and the garbage collector walks the thousands of them that a batch holds. This struct is
built in C and never tracked.
"""

from __future__ import annotations

from typing import Any

import msgspec

HEADER_BYTES = 160
"""What a header weighs in memory beside its name and value: two objects and a tuple."""


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
    headers: tuple[tuple[str, bytes | None], ...]
    n_bytes: int = 0
    """of key, value and headers, as they are held"""
    refused: str = ""
    """why the record was not unpacked; key, value and headers are absent then"""


def fetched_record(tp: Any, record: Any) -> FetchedRecord:
    """From a record of aiokafka's parser, or of `streams.transport.record_batches.Refused`."""
    headers, key, value = record.headers, record.key, record.value
    n_bytes = (len(key) if key else 0) + (len(value) if value else 0)
    if headers:
        headers = tuple(headers)
        n_bytes += sum(len(name) + len(content or b"") + HEADER_BYTES for name, content in headers)
    else:
        headers = ()  # of which there is one only; a list is one more tracked object
    return FetchedRecord(
        tp.topic,
        tp.partition,
        record.offset,
        record.timestamp,
        record.timestamp_type,
        key,
        value,
        headers,
        n_bytes,
        getattr(record, "refused", "") if value is None else "",
    )
