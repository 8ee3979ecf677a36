"""A fetch unpacked within bounds holds what it holds unpacked at once, and never more than the bound at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streams.transport import record_batches
from streams.transport.fetching import _Records
from streams.transport.record import FetchedRecord
from streams.transport.record_batches import FetchedBatches
from support.data.record_sets import CODECS, SENT_MS, Row, old_batch, packed_batch

TP = TopicPartition("clicks", 0)
KIB = 1024


def read(data: bytes, max_record_bytes: int = 1 << 25, start: int = 0) -> tuple[list[FetchedRecord], int]:
    """All records of a fetch, and the offset at which the next one begins."""
    batches = FetchedBatches(data)
    batches.max_record_bytes = max_record_bytes
    partition = _Records(TP, batches, [], start, None, None, True, 1)
    return list(partition), partition.next_fetch_offset


def read_at_once(data: bytes) -> list[Any]:
    """By aiokafka alone."""
    found, batches = [], MemoryRecords(data)
    while batches.has_next():
        found += list(batches.next_batch())
    return found


def said(record: Any) -> tuple[Any, ...]:
    return record.offset, record.timestamp, record.key, record.value, list(record.headers)


texts = st.none() | st.binary(max_size=40) | st.integers(0, 3000).map(lambda n: b"x" * n)
headers = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=9)), max_size=3)
rows = st.lists(st.tuples(texts, texts, headers), min_size=1, max_size=30)


@given(
    st.lists(st.tuples(rows, st.sampled_from(sorted(CODECS))), min_size=1, max_size=3), st.integers(40, 5000)
)
def test_pieces_of_any_size_hold_the_same_records(
    batches: list[tuple[list[Row], str]], piece_bytes: int
) -> None:
    """Whatever the codec and wherever the cuts fall: every record, its offset, time, key, value and headers."""
    data, offset = b"", 5
    for batch, codec in batches:
        data += packed_batch(batch, codec, offset)
        offset += len(batch) + 3  # a hole, as compaction leaves it
    before, record_batches.PIECE_BYTES = record_batches.PIECE_BYTES, piece_bytes
    try:
        found, after = read(data)
    finally:
        record_batches.PIECE_BYTES = before
    assert [said(record) for record in found] == [said(record) for record in read_at_once(data)]
    assert after == offset - 3


@pytest.mark.parametrize("codec", sorted(set(CODECS) - {"snappy without blocks"}))
def test_a_record_beyond_the_bound_is_refused_by_its_place_and_its_neighbours_are_read(codec: str) -> None:
    """Its offset and time are reported and why; what comes before and after it in the batch is there."""
    huge = b"z" * (3 << 20)
    data = packed_batch([(b"a", b"1", []), (b"b", huge, []), (b"c", b"3", []), (b"d", huge, [])], codec, 7)
    found, after = read(data, max_record_bytes=1 << 20)
    assert [record.offset for record in found] == [7, 8, 9, 10]
    assert [record.value for record in found] == [b"1", None, b"3", None]
    assert [bool(record.refused) for record in found] == [False, True, False, True]
    assert "unpacks to 3145" in found[1].refused and "daemon.max_record_bytes" in found[1].refused
    assert [record.timestamp for record in found] == [SENT_MS + n for n in range(4)]
    assert after == 11


def test_a_single_block_beyond_the_bound_is_refused_with_all_its_offsets() -> None:
    """librdkafka's snappy is one block, which can't be taken in pieces."""
    data = packed_batch([(b"a", b"z" * (700 * KIB), [])] * 3, "snappy without blocks", 7)
    (record,), after = read(data, max_record_bytes=1 << 20)
    assert (record.offset, after) == (9, 10)
    assert "offsets 7 to 9" in record.refused and "the limit is 1048576" in record.refused
    assert len(read(data)[0]) == 3


def test_many_headers_count_as_what_they_weigh() -> None:
    """An empty header is two bytes in the topic and two objects in memory."""
    data = packed_batch([(b"a", None, [("", b"")] * 700_000), (b"b", b"2", [])], "gzip")
    found, _ = read(data, max_record_bytes=4 << 20)
    assert [bool(record.refused) for record in found] == [True, False]
    assert len(read(data, max_record_bytes=1 << 30)[0][0].headers) == 700_000


def test_a_damaged_batch_is_refused_with_all_its_offsets_and_the_next_one_is_read() -> None:
    """What the codec can't unpack is no reason to leave out more than that batch."""
    rows: list[Row] = [(b"k", b"v" * 50, [])] * 20
    for codec in sorted(set(CODECS) - {"none"}):
        code, pack = CODECS[codec]
        CODECS["damaged"] = code, lambda data, pack=pack: pack(data)[:-7] + b"damaged"
        data = packed_batch(rows, "damaged", 100) + packed_batch(rows[:2], codec, 120)
        found, after = read(data)
        assert [record.offset for record in found if not record.refused][-2:] == [120, 121], codec
        assert after == 122
        refused = [record for record in found if record.refused]
        assert [record.offset for record in refused] in ([], [119]), codec  # a few codecs do not notice
    del CODECS["damaged"]


def test_an_unknown_codec_is_refused_by_name() -> None:
    """A codec that is younger than this program."""
    CODECS["new"] = 5, bytes
    (record,), after = read(packed_batch([(b"k", b"v", [])], "new", 3))
    del CODECS["new"]
    assert "codec that is not known here (number 5)" in record.refused
    assert (record.offset, after) == (3, 4)


def test_a_wrong_checksum_is_an_error() -> None:
    """Damage on the way or on the broker's disk is not taken for records."""
    data = bytearray(packed_batch([(b"k", b"v", [])], "gzip"))
    data[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        read(bytes(data))


def test_what_is_before_the_position_is_left_out() -> None:
    """A broker gives whole batches: the first may begin before the offset that was asked for."""
    data = packed_batch([(b"k", b"%d" % n, []) for n in range(10)], "lz4", 50)
    assert [record.offset for record in read(data, start=57)[0]] == [57, 58, 59]


@pytest.mark.parametrize("codec", [0, 1, 2, 3])
def test_old_batches_are_read_or_refused(codec: int) -> None:
    """Records of the format before Kafka 0.11, within the same bound."""
    data = old_batch([(b"k", b"v" * 2000)] * 1000, codec)
    assert len(read(data)[0]) == 1000
    found, after = read(data, max_record_bytes=1 << 20)
    assert after == 1000
    if codec:
        assert "the limit is 1048576" in found[-1].refused


BOMB = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from aiokafka.structs import TopicPartition
from streams.transport.fetching import _Records
from streams.transport.record_batches import FetchedBatches

def resident(what):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) // 1024

data = Path(sys.argv[1]).read_bytes()
most = int(sys.argv[2])
import cramjam, pyarrow  # what they weigh themselves is not what is measured
before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
batches = FetchedBatches(data)
batches.max_record_bytes = most
records = refused = held = 0
for record in _Records(TopicPartition("clicks", 0), batches, [], 0, None, None, True, 1):
    records += 1
    refused += bool(record.refused)
    held += record.n_bytes
print(records, refused, held, resident("VmHWM") - before)
"""


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("record_bytes", [1 << 20, 160 << 20])
def test_a_small_batch_that_holds_much_does_not_fill_memory(
    codec: str, record_bytes: int, tmp_path: Path
) -> None:
    """160 MB in a batch, as many records or as one: resident memory grows by a few pieces, whatever the codec."""
    count = (160 << 20) // record_bytes
    path = tmp_path / "batch"
    path.write_bytes(packed_batch([(b"k", b" " * record_bytes, [])] * count, codec))
    assert path.stat().st_size < 9 << 20
    program = BOMB.format(tests=str(Path(__file__).parents[2]))
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(32 << 20)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    records, refused, held, grown_mb = map(int, done.stdout.split())
    if count == 1:
        assert (records, refused, held) == (1, 1, 0)
    else:
        assert (records, refused, held) == (count, 0, count * (record_bytes + 1))
    assert grown_mb < 70, f"resident memory grew by {grown_mb} MB"
