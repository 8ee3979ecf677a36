"""CSV files: parsed once whole to be checked, read in blocks of about a MiB, whatever they unpack to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from streams.errors import LogError
from streams.files.csv_blocks import ends_with_quote, rows_ended, whole_rows
from streams.files.csv_dialect import HEAD_BYTES, NOT_UTF8, CsvDialect, dialect_of
from streams.files.location import Location
from streams.files.packed_file import open_bytes, packing_of
from streams.files.rows import Rows, TabularFile

NULL_WORDS: Final = ("", "NULL", "\\N", "NaN")
"""What programs write for a value that is not there; in quotes they are text."""
_LOOKED_AT: Final = 10_000
"""rows at the end of a file in which its last value is looked for"""
_CSV_ROW: Final = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)")


def inspect_csv(file: Location) -> TabularFile:
    """Parse the whole file. One without a row, or without a header, is a file of no rows.

    Raises:
        LogError: names the row that is wrong.
    """
    dialect = _dialect(file)
    if not dialect.names:
        return TabularFile(file, "csv", (), {}, 0)
    rows, block = 0, b""
    text = _Utf8Check(file)
    # A column more than the first, where one was added in which nothing may stand.
    columns = [0, len(dialect.names) - 1]
    for block, table in _tables(file, dialect, columns):
        text.add(block, rows, dialect)
        if dialect.added and table.column(1).null_count < table.num_rows:
            raise LogError(f"{file}: has more columns than its header, which names {len(dialect.names) - 1}")
        rows += table.num_rows
    text.finish()
    if block and block[-1:] not in (b"\n", b"\r"):
        _check_last(file, dialect, block, rows)
    return TabularFile(file, "csv", dialect.names, {}, rows)


def read_csv(file: TabularFile, names: list[str], batch_rows: int, first_row: int) -> Iterator[Rows]:
    """The named columns from a row on; the rows before it are parsed too."""
    dialect = _dialect(file.path)
    columns = [dialect.names.index(name) for name in names]
    row = 0
    for _, table in _tables(file.path, dialect, columns or [0]):
        for start in range(max(0, first_row - row), table.num_rows, batch_rows):
            batch = table.slice(start, batch_rows)
            found = {name: batch.column(at) for at, name in enumerate(names)}
            yield Rows(found, batch.num_rows)
        row += table.num_rows


def _dialect(file: Location) -> CsvDialect:
    with open_bytes(file) as stream:
        return dialect_of(stream.read(HEAD_BYTES), str(file), file.delimiter)


def _tables(
    file: Location, dialect: CsvDialect, columns: list[int]
) -> Iterator[tuple[bytes, pa.RecordBatch]]:
    """Blocks of whole rows, and these columns of them, as bytes ("007" stays an id; bytes that are no UTF-8 cost a row, not
    the file)."""
    import pyarrow.csv as csv

    # Names may be there twice, or be missing.
    every = [str(number) for number in range(len(dialect.names))]
    wanted = [every[number] for number in columns]
    parsing = csv.ParseOptions(newlines_in_values=True, delimiter=dialect.delimiter)
    converting = csv.ConvertOptions(
        column_types=dict.fromkeys(wanted, pa.binary()),
        include_columns=wanted,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=list(NULL_WORDS),
    )
    rows = 0
    with open_bytes(file) as stream:
        stream.read(dialect.start)
        for block in whole_rows(stream, dialect.delimiter, str(file)):
            if block.isspace() and b"\t" not in block:
                continue
            # One block and no threads: its errors tell the row. Bytes in memory need no interpreter in a thread of pyarrow's,
            # where a process that ends meanwhile would be aborted.
            reading = csv.ReadOptions(block_size=len(block) + 1, use_threads=False, column_names=every)
            try:
                table = csv.read_csv(pa.BufferReader(block), reading, parsing, converting)
            except pa.ArrowException as error:
                raise LogError(f"{file}: {_csv_error(error, rows)}") from None
            for batch in table.combine_chunks().to_batches():
                yield block, batch
            rows += table.num_rows


def _check_last(file: Location, dialect: CsvDialect, block: bytes, rows: int) -> None:
    """A last row without a line end is whole if the file is known to be, or its last value to be no part of one."""
    if file.is_whole or packing_of(file) is not None or ends_with_quote(block, dialect.delimiter):
        return
    values: list[Any] = []
    for _, table in _tables(file, dialect, [len(dialect.names) - 1]):
        values = [*values, *table.column(0).to_pylist()][-_LOOKED_AT:]
    if values and values[-1] in values[:-1]:
        return
    raise LogError(
        f"{file}: row {rows + 1} (the header is row 1), the last, has no line end, so that its last column "
        f"{dialect.names[-1]!r} may be cut; if the file is whole, end it with a line end"
    )


def _csv_error(error: Exception, rows: int) -> str:
    """Without pyarrow's quotation of the row, which may hold personal data. rows: before this block."""
    text = str(error)
    found = _CSV_ROW.search(text)
    if found:
        row, expected, got = found.groups()
        where = f"row {rows + int(row) + 1} (the header is row 1)" if row else "a row"
        return f"{where} has {got} columns, expected {expected}; the file is cut short or damaged there"
    return text.splitlines()[0].removeprefix("CSV parse error: ")[:200]


class _Utf8Check:
    """Tells a file of another encoding from one in UTF-8 of which some bytes are damaged."""

    def __init__(self, file: Location) -> None:
        self._file = file
        self._bad_row = 0
        self._is_utf8 = file.encoding is not None

    def add(self, block: bytes, rows: int, dialect: CsvDialect) -> None:
        """The next block. rows: before it."""
        if self._is_utf8 or block.isascii():
            return
        try:
            block.decode()
            self._is_utf8 = True
        except UnicodeDecodeError as error:
            # Letters of other languages that are UTF-8 are hardly by chance.
            self._is_utf8 = not block.decode(errors="ignore").isascii()
            if not self._bad_row:
                self._bad_row = rows + rows_ended(block[: error.start], dialect.delimiter) + 2

    def finish(self) -> None:
        """Raise LogError if no letter beyond ASCII is UTF-8."""
        if self._bad_row and not self._is_utf8:
            raise LogError(
                f"{self._file}: row {self._bad_row} (the header is row 1) is {NOT_UTF8}; with "
                "--encoding utf-8 rows that are not are rejected"
            )
