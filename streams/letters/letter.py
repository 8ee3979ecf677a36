"""A dead letter: the record as it was, as far as the topic takes it; where it came from, and why it was rejected.

A letter keeps key, value and the record's own headers, each of these under the prefix `original.`. Its own headers are reason,
detail, source-topic, source-partition, source-offset, source-time (unix milliseconds) and source, the identity of the
topic-partition. What had to be cut is recorded: `truncated` and `truncated-key` hold the full length in bytes,
`truncated-headers` how many headers the record had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from streams.events.event import MAX_TEXT_CHARS, Event, Reject, RejectReason
from streams.wire.record_batch import RecordBatch

Headers = list[tuple[str, bytes]]

PARKED: Final[RejectReason] = "user_quarantined"
"""The reason of a good event that waits for its user's state to be repaired. It is applied later, so it is kept whole."""
OWN_PREFIX: Final = "original."
CUTS: Final = ("truncated", "truncated-key", "truncated-headers")
NULL_VALUE: Final = "null-value"
"""Header of a letter whose record had neither key nor value, which the client can't send; its value is empty."""
LEAST_BYTES: Final = 512
"""A topic that takes less than this takes no letter."""
SHORT_KEY_BYTES: Final = 1024
"""What is left of a key at least where key and value together are too large."""
_BATCH_BYTES: Final = 61 + 36  # header of a record batch, and the lengths and deltas of its one record
_HEADER_BYTES: Final = 10  # lengths of name and value
_CUT_HEADERS_BYTES: Final = sum(len(name) + 20 + _HEADER_BYTES for name in CUTS)


def letter(
    record: Any, reject: Reject, source: str = "", limit: int = 900_000, *, is_plain: bool = True
) -> dict[str, Any]:
    """The dead letter of one record, as arguments of a producer's send.

    What does not fit is cut: headers of the record first, from the last one; then the key, down to 1 KiB; then the value.

    Args:
        record: as fetched: topic, partition, offset, timestamp, key, value, headers.
        source: identity of its topic-partition.
        limit: the most bytes that the topic takes as a batch (its `max.message.bytes`).
        is_plain: its topic's events are JSON as Driftline writes it, so that a parked one may be made smaller.
    """
    headers: Headers = [
        ("reason", reject.reason.encode()),
        ("source-topic", record.topic.encode()),
        ("source-partition", str(record.partition).encode()),
        ("source-offset", str(record.offset).encode()),
        ("source-time", str(record.timestamp).encode()),
    ]
    key, value = record.key, record.value
    if key is None and value is None:
        headers.append((NULL_VALUE, b"1"))
        value = b""
    room = max(0, limit - _BATCH_BYTES - _CUT_HEADERS_BYTES - _size(headers))
    for name, text in (("source", source), ("detail", reject.detail)):
        said = (
            text.encode()[: max(0, room - len(name) - _HEADER_BYTES)] if name == "detail" else text.encode()
        )
        taken = len(name) + len(said) + _HEADER_BYTES
        if said and taken <= room:
            headers.append((name, said))
            room -= taken
    if reject.reason == PARKED and is_plain and len(value) > room // 2:
        value = _without_surplus(value)
    n_key, n_value = len(key or b""), len(value or b"")
    kept_value = min(n_value, max(0, room - min(n_key, SHORT_KEY_BYTES, room // 2)))
    kept_key = min(n_key, room - kept_value)
    room -= kept_key + kept_value
    own = list(record.headers or ())
    for place, (name, content) in enumerate(own):
        named = OWN_PREFIX + name
        room -= len(named.encode()) + len(content or b"") + _HEADER_BYTES
        if room < 0:
            headers.append(("truncated-headers", str(len(own)).encode()))
            del own[place:]
            break
    headers += [(OWN_PREFIX + name, content) for name, content in own]
    if kept_value < n_value:
        headers.append(("truncated", str(n_value).encode()))
        value = value[:kept_value]
    if kept_key < n_key:
        headers.append(("truncated-key", str(n_key).encode()))
        key = key[:kept_key]
    return {"key": key, "value": value, "headers": headers}


def _without_surplus(value: bytes) -> bytes:
    """An event's JSON without fields that are not ours and text that is not read: some 40 kB at most."""
    event = msgspec.json.decode(value, type=Event)
    if event.text is not None:
        event = msgspec.structs.replace(event, text=event.text[:MAX_TEXT_CHARS])
    return msgspec.json.encode(event)


def size_of(made: dict[str, Any]) -> int:
    """At most this many bytes a letter has as a batch of its own."""
    return _BATCH_BYTES + len(made["key"] or b"") + len(made["value"] or b"") + _size(made["headers"])


def _size(headers: Headers) -> int:
    return sum(len(name.encode()) + len(content or b"") + _HEADER_BYTES for name, content in headers)


def letter_identity(source: str, offset: int) -> str:
    """The identity, as a source of one event at offset 0, of the letter of a record."""
    return f"letter/{source}/{offset}"


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter as it lies in the dead-letter topic."""

    partition: int
    offset: int
    timestamp_ms: int
    """`partition`, `offset`, `timestamp_ms`: of the letter itself"""
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str
    source: str
    """identity of the record's topic-partition; "" in letters of older releases"""
    source_topic: str
    source_partition: int
    source_offset: int
    source_time_ms: int | None
    """the record's timestamp; None in letters of older releases"""
    cuts: tuple[str, ...]
    """which of `CUTS` were made"""
    headers: tuple[tuple[str, bytes], ...]
    """the record's own"""

    def batch(self) -> RecordBatch:
        """The record, to be decoded again."""
        return RecordBatch([self.value], [self.key], [self.headers], [self.source_time_ms], self.source_topic)

    def identity(self, cluster: str) -> str:
        """The letter as a source of events: that of the record, so that a letter that was sent twice is one.

        >>> read_letter(0, 7, 0, b"k", b"v", [("source-topic", b"clicks"), ("source-offset", b"5")]).identity("c1")
        'letter/c1/name:clicks/0/5'
        """
        source = self.source or f"{cluster}/name:{self.source_topic}/{self.source_partition}"
        return letter_identity(source, self.source_offset)


def read_letter(
    partition: int,
    offset: int,
    timestamp_ms: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes]],
) -> StoredLetter:
    """What a record of the dead-letter topic says; fields that it lacks are empty.

    Raises:
        ValueError: a position in it is no number; it is no letter of ours.
    """
    named = {name: content or b"" for name, content in headers if not name.startswith(OWN_PREFIX)}

    def text(name: str) -> str:
        return named.get(name, b"").decode("utf-8", "replace")

    return StoredLetter(
        partition=partition,
        offset=offset,
        timestamp_ms=timestamp_ms,
        key=key,
        value=None if NULL_VALUE in named else value,
        reason=text("reason"),
        detail=text("detail"),
        source=text("source"),
        source_topic=text("source-topic"),
        source_partition=int(named.get("source-partition", b"0")),
        source_offset=int(named.get("source-offset", b"-1")),
        source_time_ms=int(named["source-time"]) if "source-time" in named else None,
        cuts=tuple(name for name in CUTS if name in named),
        headers=tuple(
            (name.removeprefix(OWN_PREFIX), content)
            for name, content in headers
            if name.startswith(OWN_PREFIX)
        ),
    )
