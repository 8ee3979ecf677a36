"""CSV files: parsed once whole to be checked, read in blocks of a few MiB, whatever they unpack to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from streams.errors import LogError
from streams.files.packed_file import open_bytes, open_native
from streams.files.rows import MAX_ROW_BYTES, Rows, TabularFile

MAX_COLUMNS: Final = 10_000
_CSV_ROW: Final = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)")


def inspect_csv(path: Path) -> TabularFile:
    """Parse the whole file.

    Raises:
        LogError: names the row that is wrong.
    """
    with open_bytes(path) as stream:
        # A header of millions of names would be as many columns in memory before anybody asks for one.
        header = stream.readline(MAX_ROW_BYTES)
        if header.count(b",") >= MAX_COLUMNS:
            raise LogError(f"{path}: the header names more than {MAX_COLUMNS:,} columns")
        quotes, last = header.count(b'"'), header[-1:]
        while block := stream.read(MAX_ROW_BYTES):
            quotes += block.count(b'"')
            last = block[-1:]
    try:
        with open_native(path) as stream, _csv_reader(stream, []) as reader:
            names = tuple(reader.schema.names)
        with open_native(path) as stream, _csv_reader(stream, [names[0]]) as reader:
            rows = sum(batch.num_rows for batch in reader)
    except pa.ArrowException as error:
        raise LogError(f"{path}: {_csv_error(error)}") from None
    if quotes % 2:
        raise LogError(f"{path}: a quote is opened and never closed; the file is cut short or damaged")
    if last not in (b"\n", b"\r"):
        raise LogError(
            f"{path}: row {rows + 1} (the header is row 1), the last, has no line end, so that its last column "
            f"{names[-1]!r} may be cut; if the file is whole, end it with a line end"
        )
    return TabularFile(path, "csv", names, {}, rows)


def read_csv(file: TabularFile, names: list[str], batch_rows: int, first_row: int) -> Iterator[Rows]:
    """The named columns from a row on; the rows before it are parsed too."""
    row = 0
    with open_native(file.path) as stream, _csv_reader(stream, names) as reader:
        for block in reader:
            for start in range(max(0, first_row - row), block.num_rows, batch_rows):
                batch = block.slice(start, batch_rows)
                yield Rows({name: batch.column(name) for name in names}, batch.num_rows)
            row += block.num_rows


def _csv_error(error: Exception) -> str:
    """Without pyarrow's quotation of the row, which may hold personal data."""
    text = str(error)
    found = _CSV_ROW.search(text)
    if found:
        row, expected, got = found.groups()
        return (
            f"{f'row {row} (the header is row 1)' if row else 'a row'} has {got} columns, "
            f"expected {expected}; the file is cut short or damaged there"
        )
    if "straddl" in text:
        return f"a row is longer than {MAX_ROW_BYTES >> 20} MiB; is a quote opened and never closed?"
    return text.splitlines()[0].removeprefix("CSV parse error: ")[:200]


def _csv_reader(stream: pa.NativeFile, names: list[str]) -> Any:
    """A reader of these columns as bytes ("007" stays an id; bytes that are no UTF-8 cost a row, not the
    file), or of all columns, with guessed types, for no names."""
    import pyarrow.csv as csv

    return csv.open_csv(
        stream,
        # Without threads its errors tell the row.
        read_options=csv.ReadOptions(block_size=MAX_ROW_BYTES, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()),
            include_columns=names,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )
