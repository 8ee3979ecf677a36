"""The batches of one fetch, unpacked within bounds.

aiokafka's parser unpacks a whole batch at once, and a legal batch of 1 MB may hold gigabytes. Here a batch is unpacked in
pieces of about a megabyte, each of which looks to the parser like a batch that was never compressed. A record that is
larger than the bound is not unpacked at all, nor is a batch that can't be: `Refused` stands in its place, so that whoever
reads decides what becomes of it, and the partition continues.

The layout of a batch: https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch

from streams.errors import UnreadableBatch
from streams.transport.record import HEADER_BYTES
from streams.transport.unpacking import Unpacked, decompress

MAX_RECORD_BYTES = 32 << 20
PIECE_BYTES = 1 << 20

_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_AT, _MAGIC_AT, _BEGIN = 8, 16, 12  # the length counts from byte 12
_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_MANY_HEADERS_BYTES = 64 << 10
"""A smaller record can't hold so many headers that they would weigh more than a piece may."""


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """What is known of a record that was not unpacked, with the attributes of a record."""

    offset: int
    timestamp: int
    timestamp_type: int
    refused: str
    key: None = None
    value: None = None
    headers: tuple[()] = ()


@dataclass(slots=True)
class Refused:
    """In place of a batch: one record that was not unpacked, with the attributes that aiokafka asks a batch for."""

    record: RefusedRecord
    base_offset: int
    next_offset: int
    producer_id: int
    is_transactional: bool
    is_control_batch: bool = False

    def __iter__(self) -> Iterator[RefusedRecord]:
        return iter((self.record,))


class FetchedBatches:
    """What aiokafka's MemoryRecords is: the batches in the bytes of a fetch, one after the other.

    `check_crcs` and `max_record_bytes` may be set before the first batch is taken.
    """

    def __init__(self, data: bytes) -> None:
        self.check_crcs = True
        self.max_record_bytes = MAX_RECORD_BYTES
        self._data = memoryview(data)
        self._at = 0
        self._pieces: Iterator[Any] | None = None
        self._ahead: Any = None

    def size_in_bytes(self) -> int:
        """Of the whole fetch."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether `next_batch` has one; the last batch of a fetch is mostly cut off and does not count."""
        return self._ahead is not None or self._end() is not None

    def next_batch(self) -> Any:
        """The next batch or piece of one.

        Raises:
            CorruptRecordException: the checksum is wrong: fetching again may help.
        """
        if self._ahead is None:
            end = self._end()
            assert end is not None
            batch, self._at = self._data[self._at : end], end
            if batch[_MAGIC_AT] < 2:
                return self._legacy(batch)
            if not self.check_crcs or DefaultRecordBatch(batch).validate_crc():
                self._pieces = _pieces(batch, self.max_record_bytes)
                self._ahead = next(self._pieces)
            else:
                raise CorruptRecordException("the checksum of a batch is wrong")
        assert self._pieces is not None
        batch, self._ahead = self._ahead, next(self._pieces, None)
        return batch

    def _end(self) -> int | None:
        begin = self._at + _BEGIN
        if begin > len(self._data):
            return None
        end = begin + int(struct.unpack_from(">i", self._data, self._at + _LENGTH_AT)[0])
        return end if end <= len(self._data) else None

    def _legacy(self, batch: memoryview) -> Any:
        """A batch as producers wrote it before Kafka 0.11. aiokafka unpacks it whole: so it is measured first."""
        magic, attributes = batch[_MAGIC_AT], batch[_MAGIC_AT + 1]
        legacy = LegacyRecordBatch(batch, magic)
        if self.check_crcs and not legacy.validate_crc():
            raise CorruptRecordException("the checksum of a batch is wrong")
        if attributes & _CODEC:
            at = _MAGIC_AT + 2 + (8 if magic else 0)
            (key_bytes,) = struct.unpack_from(">i", batch, at)
            try:
                content = decompress(
                    attributes & _CODEC, batch[at + 8 + max(0, key_bytes) :], self.max_record_bytes
                )
                left = self.max_record_bytes
                while left > 0 and (piece := content.read(PIECE_BYTES)):
                    left -= len(piece)
                why = "" if left > 0 else _too_large("more than that", self.max_record_bytes)
            except UnreadableBatch as error:
                why = str(error)
            if why:
                offset = legacy.next_offset - 1
                record = RefusedRecord(offset, -1, 0, why)
                return Refused(record, offset, offset + 1, -1, is_transactional=False)
        return legacy


def _pieces(batch: memoryview, most_bytes: int) -> Iterator[Any]:
    """The batch itself where it is small and not compressed, else batches of its records, each at most a piece long."""
    fields = _HEADER.unpack_from(batch)
    attributes = fields[5]
    size = min(PIECE_BYTES, most_bytes)
    payload = batch[_HEADER.size :]
    if attributes & _CONTROL or (not attributes & _CODEC and len(payload) <= size):
        yield DefaultRecordBatch(batch)
        return
    cut = _Cut(fields, most_bytes)
    try:
        yield from cut.pieces(decompress(attributes & _CODEC, payload, most_bytes), size)
    except UnreadableBatch as error:
        yield cut.refuse_rest(str(error))


class _Cut:
    """Cuts the records of one batch into batches that are not compressed."""

    def __init__(self, fields: tuple[int, ...], most_bytes: int) -> None:
        self._fields = fields
        self._most_bytes = most_bytes
        self._left = fields[12]  # records
        self._delta = -1  # offset of the last record that was handed out, from the batch's first

    def pieces(self, content: Unpacked, size: int) -> Iterator[Any]:
        buffer = content.read(size + 1)
        if len(buffer) <= size:  # all of it
            self._delta = self._fields[6]
            yield self._batch(buffer, self._left, self._delta)
            return
        while self._left:
            count, end, last = _whole_records(buffer, self._left)
            if count:
                self._left -= count
                self._delta = self._fields[6] if not self._left else _deltas(buffer, last)[1]
                piece, buffer = buffer[:end], buffer[end:]
                yield from self._checked(piece, count, last)
                if self._left:
                    buffer += content.read(max(1, size - len(buffer)))
                continue
            try:
                length, begin = _varint(buffer, 0)
            except IndexError:
                raise UnreadableBatch("it holds fewer records than it says") from None
            missing = begin + length - len(buffer)
            if length > self._most_bytes:
                self._left -= 1
                yield self._refused(buffer, begin, length)
                while missing > 0:
                    skipped = len(content.read(min(missing, PIECE_BYTES)))
                    if not skipped:
                        raise UnreadableBatch("it ends within a record")
                    missing -= skipped
                buffer = content.read(size)
            else:
                more = content.read(missing)
                if len(more) < missing:
                    raise UnreadableBatch("it ends within a record")
                buffer += more

    def refuse_rest(self, why: str) -> Refused:
        """One refusal for all records that were not handed out."""
        first, last = self._fields[0] + self._delta + 1, self._fields[0] + self._fields[6]
        place = f"offsets {first} to {last}: " if last > first else ""
        return self._refusal(last, self._fields[8], f"{place}{why}", last + 1)

    def _checked(self, piece: bytes, count: int, last: int) -> Iterator[Any]:
        """A record that weighs too much by the number of its headers comes as a piece of its own."""
        if count == 1 and len(piece) > _MANY_HEADERS_BYTES:
            length, begin = _varint(piece, 0)
            headers = _header_count(piece, begin)
            if length + headers * HEADER_BYTES > self._most_bytes:
                yield self._refused(piece, begin, length + headers * HEADER_BYTES)
                return
        yield self._batch(piece, count, self._delta)

    def _batch(self, records: bytes, count: int, delta: int) -> DefaultRecordBatch:
        fields = list(self._fields)
        fields[1] = _HEADER.size - _BEGIN + len(records)
        fields[5] &= ~_CODEC
        fields[6], fields[12] = delta, count
        return DefaultRecordBatch(_HEADER.pack(*fields) + records)

    def _refused(self, buffer: bytes, begin: int, n_bytes: int) -> Refused:
        time_delta, delta = _deltas(buffer, begin)
        self._delta = delta
        offset = self._fields[0] + delta
        sent = self._fields[8] if self._fields[5] & _APPEND_TIME else self._fields[7] + time_delta
        after = offset + 1 if self._left else self._fields[0] + self._fields[6] + 1
        return self._refusal(offset, sent, _too_large(f"{n_bytes} bytes", self._most_bytes), after)

    def _refusal(self, offset: int, timestamp: int, why: str, next_offset: int) -> Refused:
        append_time = int(bool(self._fields[5] & _APPEND_TIME))
        return Refused(
            RefusedRecord(offset, timestamp, append_time, why),
            self._fields[0],
            next_offset,
            self._fields[9],
            bool(self._fields[5] & _TRANSACTIONAL),
        )


def _too_large(size: str, most_bytes: int) -> str:
    return f"it unpacks to {size}, the limit is {most_bytes} (daemon.max_record_bytes)"


def _whole_records(buffer: bytes, most: int) -> tuple[int, int, int]:
    """How many whole records the buffer begins with, where they end, and where the last one's body begins.

    A record larger than _MANY_HEADERS_BYTES comes alone.
    """
    count = end = last = 0
    size = len(buffer)
    while count < most:
        try:
            length, begin = _varint(buffer, end)
        except IndexError:
            break
        if length < 1:
            raise UnreadableBatch("the length of a record is damaged")
        if begin + length > size or (count and length > _MANY_HEADERS_BYTES):
            break
        count, end, last = count + 1, begin + length, begin
        if length > _MANY_HEADERS_BYTES:
            break
    return count, end, last


def _deltas(buffer: bytes, begin: int) -> tuple[int, int]:
    """Of time and offset, of the record whose body begins there."""
    time_delta, at = _varint(buffer, begin + 1)
    delta, _ = _varint(buffer, at)
    return time_delta, delta


def _header_count(record: bytes, begin: int) -> int:
    _, at = _varint(record, begin + 1)
    _, at = _varint(record, at)
    for _ in ("key", "value"):
        length, at = _varint(record, at)
        at += max(0, length)
    return _varint(record, at)[0]


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    """A number in Kafka's zigzag form, and where the next one begins; IndexError at the end of the buffer."""
    value = shift = 0
    while True:
        byte = buffer[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise UnreadableBatch("the length of a record is damaged")
    return (value >> 1) ^ -(value & 1), at
