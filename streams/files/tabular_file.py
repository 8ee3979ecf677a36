"""Parquet, CSV and JSON-lines files as batches of columns, checked whole before the first batch.

What is checked before anything is read, so that a file cut short is refused while nothing was written:

- Parquet: its index is at the end, so a cut file does not open.
- CSV: the whole file is parsed once; a row of another length, an open quote at the end, or a last line
  without its line end is an error that names the row. The last is strict: such a file may be whole, but a
  value cut in half can't be told from a whole one.
- JSON lines: the lines are counted and the last one is decoded. A broken line in the middle is no sign of
  a cut file: it becomes one rejected row, as it would in a topic.
- .gz, .bz2, .zst: read to its end, which verifies its checksum.

For CSV and JSON lines that is a second pass over the file, which also tells the number of rows. Memory is bounded by what
a row may be (`MAX_ROW_BYTES`) and by what is unpacked at once, not by what the file unpacks to.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import xxhash

from streams.errors import LogError
from streams.files.csv_file import inspect_csv, read_csv
from streams.files.json_lines_file import inspect_json, read_json
from streams.files.packed_file import packing
from streams.files.parquet_file import inspect_parquet, read_parquet
from streams.files.rows import FileKind, Rows, TabularFile

KINDS: Final[dict[str, FileKind]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}
_BLOCK: Final = 1 << 22


def inspect_file(path: Path) -> TabularFile:
    """Check the structure of the whole file.

    Raises:
        LogError: names the file, and the row or line that is wrong.
    """
    if not path.exists():
        raise LogError(f"{path}: no such file")
    if path.is_dir():
        raise LogError(f"{path}: is a folder; name its files")
    if path.stat().st_size == 0:
        raise LogError(f"{path}: is empty (0 bytes); was it cut short?")
    inspect = {"parquet": inspect_parquet, "csv": inspect_csv, "json": inspect_json}[_kind(path)]
    try:
        return inspect(path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LogError(f"{path}: the compressed file is cut short or damaged ({error})") from None
    except OSError as error:
        raise LogError(f"{path}: can't be read ({error.strerror or error})") from None


def read_file(file: TabularFile, names: Sequence[str], batch_rows: int, first_row: int = 0) -> Iterator[Rows]:
    """The named columns from the row `first_row` to the last that the file had when it was inspected, at most `batch_rows`
    rows at a time, in the file's order.

    Raises:
        LogError: the file is damaged, or has fewer rows than it had.
    """
    reader = {"parquet": read_parquet, "csv": read_csv, "json": read_json}[file.kind]
    row = first_row
    try:
        for rows in reader(file, list(dict.fromkeys(names)), batch_rows, first_row):
            # What was appended since may be half a row, and belongs to the next run.
            wanted = rows.first(file.rows - row)
            row += wanted.count
            if wanted.count:
                yield wanted
            if row >= file.rows:
                return
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise LogError(f"{file.path}: is damaged ({str(error).splitlines()[0][:200]})") from None
    if row < file.rows:
        raise LogError(
            f"{file.path}: had {file.rows:,} rows and has {row:,} now; was it replaced in the meantime?"
        )


def fingerprint(paths: Sequence[Path]) -> str:
    """Hex identity of the bytes of these files in this order: XXH3-128, streamed."""
    whole = xxhash.xxh3_128()
    for path in paths:
        one = xxhash.xxh3_128()
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                one.update(block)
        whole.update(one.digest())  # digests are of one length, so where a file ends is part of the identity
    return whole.hexdigest()


def _kind(path: Path) -> FileKind:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = packing(path) is not None
    name = suffixes[-2 if packed else -1] if len(suffixes) > packed else ""
    kind = KINDS.get(name)
    if kind is None or (packed and kind == "parquet"):
        raise LogError(
            f"{path}: unknown kind of file; expected .parquet, .csv, .jsonl, .ndjson or .json (.gz, .bz2, .zst)"
        )
    return kind
