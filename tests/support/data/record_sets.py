"""The bytes of a fetch: batches of records as a producer writes them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

Row = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""key, value, headers"""

CODECS = {
    "none": (0, bytes),
    "gzip": (1, gzip_encode),
    "snappy": (2, snappy_encode),
    "snappy without blocks": (2, lambda data: bytes(snappy_encode(data, False))),
    "lz4": (3, lz4_encode),
    "zstd": (4, zstd_encode),
}
"""Code and packer of each, snappy in the framing of Java's clients and in librdkafka's."""

_HEADER = 61
SENT_MS = 1_700_000_000_000


def packed_batch(rows: Sequence[Row], codec: str, base_offset: int = 0) -> bytes:
    """One batch."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 31)
    for number, (key, value, headers) in enumerate(rows):
        assert builder.append(number, SENT_MS + number, key, value, headers) is not None
    return repacked(bytes(builder.build()), codec, base_offset)


def repacked(plain: bytes, codec: str, base_offset: int = 0) -> bytes:
    """A batch that is not compressed, compressed."""
    code, pack = CODECS[codec]
    batch = bytearray(plain[:_HEADER]) + pack(plain[_HEADER:])
    struct.pack_into(">qi", batch, 0, base_offset, len(batch) - 12)
    struct.pack_into(">h", batch, 21, struct.unpack_from(">h", batch, 21)[0] & ~7 | code)
    struct.pack_into(">I", batch, 17, calc_crc32c(bytes(batch[21:])))
    return bytes(batch)


def old_batch(rows: Sequence[tuple[bytes | None, bytes | None]], codec: int) -> bytes:
    """As producers wrote it before Kafka 0.11, with the offset that a broker gives it."""
    builder = LegacyRecordBatchBuilder(1, codec, 1 << 31)
    for number, (key, value) in enumerate(rows):
        assert builder.append(number, SENT_MS + number, key, value) is not None
    batch = builder.build()
    if codec:
        struct.pack_into(">q", batch, 0, len(rows) - 1)
    return bytes(batch)
