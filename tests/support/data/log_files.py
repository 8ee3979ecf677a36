"""Log and catalogue files of each kind, written from plain rows."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

KINDS = ("parquet", "csv", "jsonl", "csv.gz", "jsonl.gz", "ndjson", "json")

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}

Row = dict[str, Any]


def log_rows(count: int = 50) -> list[Row]:
    """Events of five users with everything that a log can hold."""
    return [
        {
            "event_id": f"e{i}",
            "user_id": f"ü{i % 5}",
            "timestamp": 1_600_000_000.0 + i * 1.25,
            "scenario": ("books", "games", "garden, and kitchen")[i % 3],
            "item_id": None if i % 7 == 3 else f"item {i % 11}",
            "text": f'looking for "{i % 4}",\nplease' if i % 7 in (2, 3) else None,
            "action": ("browse", "click", "purchase")[i % 3],
            "dwell_s": i / 3,
        }
        for i in range(count)
    ]


def write(path: Path, rows: Sequence[Row]) -> Path:
    """Write the rows as the file's suffix says. Columns are those of the first row."""
    suffixes = path.name.split(".")[1:]
    if suffixes[0] == "parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=20)
        return path
    data = _csv(rows) if suffixes[0] == "csv" else _json_lines(rows)
    path.write_bytes(PACK.get(suffixes[-1], bytes)(data))
    return path


def _csv(rows: Sequence[Row]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def _json_lines(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
