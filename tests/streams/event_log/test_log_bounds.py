"""A small file that unpacks to much takes bounded memory: it is read in pieces, or refused by name."""

from __future__ import annotations

import bz2
import gzip
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.errors import LogError
from streams.event_log.log import open_logs
from support.data.log_files import log_rows, write

NOW = 1_700_000_000.0
MOST_MIB = 260
"""Beyond what the process had before it read anything."""

READ = """
import sys
import pyarrow.csv, pyarrow.parquet
from streams.event_log.log import open_logs
def peak():
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024
before = peak()
rows = events = 0
try:
    for batch in open_logs(sys.argv[1:], now=1_700_000_000.0):
        rows += batch.rows
        events += len(batch.columns)
except Exception as error:
    print(type(error).__name__, error)
print(rows, events, peak() - before)
"""


def read_in_a_process(path):
    """What was said, rows, events, and MiB of memory that reading took at its peak."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=300, check=True
    )
    *said, last = done.stdout.splitlines()
    rows, events, mib = map(int, last.split())
    return "\n".join(said), rows, events, mib


def table(texts):
    count = len(texts)
    return pa.table(
        {
            "user_id": pa.array(["u"] * count),
            "timestamp": pa.array(range(1, count + 1)),
            "scenario": pa.array(["s"] * count),
            "text": texts,
            "action": pa.array(["click"] * count),
        }
    )


def json_line(**fields):
    row = {"user_id": "u", "timestamp": 1, "scenario": "s", "item_id": "i", "action": "click"}
    return json.dumps({**row, **fields}).encode() + b"\n"


def packed(name, pieces):
    """The pieces, packed as the name's suffix says; many members or frames one after the other are one file."""
    pack = {
        "gz": lambda piece: gzip.compress(piece, 6),
        "bz2": bz2.compress,
        "zst": lambda piece: pa.compress(piece, codec="zstd", asbytes=True),
    }[name.rpartition(".")[2]]
    done = {piece: pack(piece) for piece in set(pieces)}
    return b"".join(done[piece] for piece in pieces)


@pytest.mark.parametrize("name", ["log.jsonl.gz", "log.jsonl.zst", "log.jsonl.bz2"])
def test_many_long_lines_are_read_in_pieces(tmp_path, name):
    """300 MB of lines below the limit is never held at once."""
    line = json_line(text="a" * (3 << 20))
    path = tmp_path / name
    path.write_bytes(packed(name, [line * 5] * 20))
    said, rows, events, mib = read_in_a_process(path)
    assert (said, rows, events) == ("", 100, 100)
    assert path.stat().st_size < 2_000_000
    assert mib < MOST_MIB


@pytest.mark.parametrize("name", ["log.csv.gz", "log.csv.zst"])
def test_many_long_rows_of_csv_are_read_in_pieces(tmp_path, name):
    """The same for CSV."""
    row = b"u,1,s,click," + b"a" * (3 << 20) + b"\n"
    path = tmp_path / name
    path.write_bytes(packed(name, [b"user_id,timestamp,scenario,action,text\n", *[row * 5] * 20]))
    said, rows, events, mib = read_in_a_process(path)
    assert (said, rows, events) == ("", 100, 100)
    assert mib < MOST_MIB


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("place", ["first", "last"])
def test_one_endless_line_is_refused_by_name(tmp_path, kind, place):
    """A line of half a gigabyte is refused with file and line, and never unpacked whole."""
    good = json_line() if kind == "jsonl" else b"u,1,s,click,i\n"
    endless = [b'{"text":"' if kind == "jsonl" else b"u,1,s,click,", *[b"a" * (16 << 20)] * 32]
    pieces = [*endless, b"\n", good] if place == "first" else [good, *endless]
    header = [] if kind == "jsonl" else [b"user_id,timestamp,scenario,action,item_id\n"]
    path = tmp_path / f"log.{kind}.gz"
    path.write_bytes(packed(path.name, header + pieces))
    said, rows, _, mib = read_in_a_process(path)
    assert said.startswith("LogError")
    assert path.name in said
    assert "4 MiB" in said
    if kind == "jsonl":
        assert ("line 1 " if place == "first" else "line 2 ") in said
    assert rows == 0
    assert mib < MOST_MIB


def test_a_line_of_many_small_values_is_not_built(tmp_path):
    """A field that holds a million lists is rejected as a value of a wrong type, for the price of its bytes."""
    many = (
        b'{"timestamp":1,"scenario":"s","action":"click","item_id":"i","user_id":['
        + b"[]," * 1_200_000
        + b"0]}\n"
    )
    path = tmp_path / "log.jsonl"
    path.write_bytes((many + json_line()) * 8)
    said, rows, events, mib = read_in_a_process(path)
    assert (said, rows, events) == ("", 16, 8)
    assert mib < 150


def test_millions_of_names_are_refused(tmp_path):
    """Neither a header nor the lines of a file fill the memory with names of columns."""
    path = tmp_path / "log.csv"
    path.write_text(",".join(f"c{i}" for i in range(20_000)) + "\n")
    with pytest.raises(LogError, match=r"log\.csv.*10,000 columns"):
        open_logs([path], now=NOW)
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({f"c{i}": 1 for i in range(20_000)}) + "\n")
    with pytest.raises(LogError, match=r"log\.jsonl.*10,000 fields"):
        open_logs([path], now=NOW)


def test_a_text_that_many_rows_share_is_held_once(tmp_path):
    """3,000 rows that refer to one text of a megabyte in the file's dictionary are not 3 GB."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 3_000, pa.int32()), pa.array(["a" * (1 << 20)]))
    path = tmp_path / "log.parquet"
    pq.write_table(table(texts), path, store_schema=False)
    said, rows, events, mib = read_in_a_process(path)
    assert (said, rows, events) == ("", 3_000, 3_000)
    assert mib < MOST_MIB


@pytest.mark.parametrize("group", [1_000_000, 10])
def test_long_texts_of_a_parquet_file_are_read_some_at_a_time(tmp_path, group):
    """400 MB of different texts in a file of a few megabytes, in one row group or in many."""
    kind = table(pa.array([""])).schema
    path = tmp_path / "log.parquet"
    with pq.ParquetWriter(path, kind, compression="zstd", use_dictionary=False, write_batch_size=8) as writer:
        for start in range(0, 400, 100):
            texts = [f"{start + i}" + "a" * (1 << 20) for i in range(100)]
            writer.write_table(table(pa.array(texts)), row_group_size=group)
    said, rows, events, mib = read_in_a_process(path)
    assert (said, rows, events) == ("", 400, 400)
    assert path.stat().st_size < 4_000_000
    assert mib < MOST_MIB


@pytest.mark.parametrize("dictionary", [True, False])
def test_a_page_that_unpacks_to_too_much_is_refused_by_name(tmp_path, dictionary):
    """A page must be held whole; one of 300 MB is refused with file and row group before it is unpacked."""
    path = tmp_path / "log.parquet"
    texts = pa.array(["short"] * 50 + ["a" * 300_000_000])
    pq.write_table(
        table(texts), path, compression="zstd", use_dictionary=dictionary, dictionary_pagesize_limit=1 << 30
    )
    said, rows, _, mib = read_in_a_process(path)
    assert said.startswith("LogError")
    assert "log.parquet" in said
    assert "row group 0" in said
    assert "286 MiB" in said
    assert rows == 0
    assert mib < MOST_MIB


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_pages_of_every_kind_are_understood(tmp_path, version, codec):
    """Old and new pages, packed or not, with and without dictionaries and checksums."""
    rows = log_rows(5_000)
    path = tmp_path / "log.parquet"
    for dictionary in (True, False):
        pq.write_table(
            pa.Table.from_pylist(rows),
            path,
            data_page_version=version,
            compression=codec,
            use_dictionary=dictionary,
            write_page_checksum=True,
            data_page_size=2_000,
            write_page_index=True,
            row_group_size=1_700,
        )
        log = open_logs([path], now=NOW, batch_rows=600)
        batches = list(log)
        assert sum(len(batch.columns) for batch in batches) == 5_000
        assert max(batch.rows for batch in batches) == 600


@pytest.mark.parametrize("kind", ["jsonl.zst", "csv.bz2", "csv.zst"])
def test_a_packed_file_that_is_cut_is_refused(tmp_path, kind):
    """Whatever it is packed with."""
    plain = write(tmp_path / ("log." + kind.split(".")[0]), log_rows(300)).read_bytes()
    path = tmp_path / f"log.{kind}"
    path.write_bytes(packed(path.name, [plain])[:-30])
    with pytest.raises(LogError, match=r"cut short|damaged|can't be read"):
        open_logs([path], now=NOW)
