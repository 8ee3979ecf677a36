"""Parquet, CSV and JSON-lines files as batches of columns, checked whole before the first batch.

What is checked before anything is read, so that a file cut short is refused while nothing was written:

- Parquet: its index is at the end, so a cut file does not open.
- CSV: the whole file is parsed once; a row of another length, or an open quote at the end, is an error that names the row. A
  last line without its line end may be cut within its last value: it is read where the file is known to be whole, which a
  packed file and an object in a store are, where the value stands in quotes, or where an earlier row has the same.
- JSON lines: the lines are counted and the last one is decoded. A broken line in the middle is no sign of
  a cut file: it becomes one rejected row, as it would in a topic.
- gzip, bzip2, Zstandard: read to its end, which verifies its checksum.

For CSV and JSON lines that is a second pass over the file, which also tells the number of rows. Memory is bounded by what
a row may be (`MAX_ROW_BYTES`) and by what is unpacked at once, not by what the file unpacks to. An object of a store must stay
the same from the check to the last row.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import xxhash

from streams.errors import LogError
from streams.files.csv_file import inspect_csv, read_csv
from streams.files.json_lines_file import inspect_json, read_json, read_lines
from streams.files.kinds import kind_of
from streams.files.location import STORE_ERRORS, Location, located, unreadable
from streams.files.packed_file import packing_of
from streams.files.parquet_file import inspect_parquet, read_parquet
from streams.files.partitions import partitions_of
from streams.files.rows import Rows, TabularFile

_BLOCK: Final = 1 << 22


def inspect_file(path: Location | Path | str) -> TabularFile:
    """Check the structure of the whole file. One without a byte, or with nothing but a header, is a file of no rows.

    Raises:
        LogError: names the file, and the row or line that is wrong.
    """
    file = located(path)
    try:
        if file.kind() != "file":
            raise LogError(f"{file}: {'is a folder' if file.kind() == 'folder' else 'no such file'}")
        file = file.checked()
        kind = kind_of(file)
        if kind is None:
            return TabularFile(file, "json", (), {}, 0)
        found = {"parquet": inspect_parquet, "csv": inspect_csv, "json": inspect_json}[kind](file)
    except (EOFError, zlib.error, *STORE_ERRORS) as error:
        raise _unreadable(file, error) from None
    own = set(found.columns)
    partitions = {name: value for name, value in partitions_of(str(file)).items() if name not in own}
    return replace(found, columns=(*found.columns, *partitions), partitions=partitions) if own else found


def read_file(file: TabularFile, names: Sequence[str], batch_rows: int, first_row: int = 0) -> Iterator[Rows]:
    """The named columns, or the lines of a file of JSON lines if none is named, from the row `first_row` to the last that the
    file had when it was inspected, at most `batch_rows` rows at a time, in the file's order.

    Raises:
        LogError: the file is damaged, has fewer rows than it had, or is another object than was inspected.
    """
    reader = {"parquet": read_parquet, "csv": read_csv, "json": read_json}[file.kind]
    in_folders = {name: file.partitions[name] for name in names if name in file.partitions}
    inside = [name for name in dict.fromkeys(names) if name not in in_folders]
    row = first_row
    try:
        for rows in reader(file, inside, batch_rows, first_row):
            # What was appended since may be half a row, and belongs to the next run.
            wanted = rows.first(file.rows - row)
            row += wanted.count
            if row >= file.rows:
                file.path.verify()
            if wanted.count:
                yield _with_constants(wanted, in_folders)
            if row >= file.rows:
                return
        file.path.verify()
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise _damaged(file.path, error) from None
    if row < file.rows:
        raise LogError(
            f"{file.path}: had {file.rows:,} rows and has {row:,} now; was it replaced in the meantime?"
        )


def read_json_lines(file: TabularFile, batch_rows: int) -> Iterator[list[bytes]]:
    """The lines that a file of JSON lines had when it was inspected, as they are, at most `batch_rows` at a time.

    Raises:
        LogError: as `read_file`.
    """
    row = 0
    try:
        for lines in read_lines(file, batch_rows):
            wanted = lines[: file.rows - row]
            row += len(wanted)
            if wanted:
                yield wanted
            if row >= file.rows:
                break
        file.path.verify()
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(file.path, error) from None
    if row < file.rows:
        raise LogError(
            f"{file.path}: had {file.rows:,} rows and has {row:,} now; was it replaced in the meantime?"
        )


def fingerprint(
    paths: Sequence[Location | Path | str], columns: Mapping[str, str | None] | None = None
) -> str:
    """Hex identity of the bytes of these files in this order, wherever they lie: XXH3-128, streamed.

    columns: values from outside of the files that make their rows what they are, such as those in the names of folders.

    Raises:
        LogError: a file can't be read.
    """
    whole = xxhash.xxh3_128()
    for path in paths:
        one = xxhash.xxh3_128()
        file = located(path)
        try:
            with file.open_raw() as stream:
                while block := stream.read(_BLOCK):
                    one.update(block)
        except STORE_ERRORS as error:
            raise unreadable(file, error) from None
        whole.update(one.digest())  # digests are of one length, so where a file ends is part of the identity
    for name, value in sorted((columns or {}).items()):
        whole.update(repr((name, value)).encode("utf-8", "surrogatepass"))
    return whole.hexdigest()


def _with_constants(rows: Rows, constants: Mapping[str, str | None]) -> Rows:
    if not constants:
        return rows
    columns = dict(rows.columns)
    for name, value in constants.items():
        codes = pa.array([0] * rows.count, pa.int32())
        columns[name] = pa.DictionaryArray.from_arrays(codes, pa.array([value], pa.string()))
    return replace(rows, columns=columns)


def _unreadable(file: Location, error: Exception) -> LogError:
    try:
        packed = packing_of(file) is not None
    except STORE_ERRORS:
        packed = False
    if packed:
        return LogError(
            f"{file}: the compressed file is cut short or damaged ({str(error).splitlines()[0][:200]})"
        )
    return unreadable(file, error)


def _damaged(file: Location, error: Exception) -> LogError:
    if (
        file.filesystem is not None
        and isinstance(error, OSError)
        and not isinstance(error, pa.ArrowException)
    ):
        return unreadable(file, error)
    return LogError(f"{file}: is damaged ({str(error).splitlines()[0][:200]})")
