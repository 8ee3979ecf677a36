"""Parquet files: opened to be checked, read so that only some MiB are unpacked at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from streams.errors import LogError
from streams.files.location import Location
from streams.files.nested import leaves, top_of, type_at, values_at
from streams.files.parquet_pages import pages_of
from streams.files.parquet_types import as_read
from streams.files.rows import Rows, TabularFile, is_text

MAX_PAGE_BYTES: Final = 1 << 26
"""A page is unpacked whole; writers make them of about 1 MiB."""
UNPACKED_BYTES: Final = 1 << 24
"""About this much is unpacked at once."""
LOCAL_BUFFER_BYTES: Final = 1 << 20
REMOTE_BUFFER_BYTES: Final = 1 << 22
"""Of each column, packed, so much is read at a time; with pre_buffer it would be all of a row group."""


def inspect_parquet(path: Location) -> TabularFile:
    """Read the index, which is at the file's end, so that a file cut short does not open.

    Raises:
        LogError: it is no Parquet file.
    """
    import pyarrow.parquet as pq

    try:
        with path.open_input() as stream, pq.ParquetFile(stream) as file:
            schema = file.schema_arrow
            types = dict(zip(schema.names, schema.types, strict=True))
            rows, inner = file.metadata.num_rows, tuple(leaves(types))
            return TabularFile(path, "parquet", tuple(schema.names), types, rows, inner=inner)
    except (pa.ArrowException, UnicodeDecodeError):  # the second: a name of a column that is no text
        raise LogError(
            f"{path}: is not a complete Parquet file; it was cut short or is of another kind"
        ) from None


def read_parquet(file: TabularFile, names: list[str], batch_rows: int, first_row: int) -> Iterator[Rows]:
    """The named columns from a row on; row groups before it are not read.

    The number of rows at a time follows the densest page and the longest value of a dictionary, to which every row may
    refer.

    Raises:
        LogError: a page unpacks to more than `MAX_PAGE_BYTES`.
    """
    import pyarrow.parquet as pq

    buffered = LOCAL_BUFFER_BYTES if file.path.filesystem is None else REMOTE_BUFFER_BYTES
    with (
        file.path.open_input() as stream,
        pq.ParquetFile(
            stream, page_checksum_verification=True, buffer_size=buffered, pre_buffer=False
        ) as parquet,
    ):
        skipped, groups = _groups_from(parquet.metadata, first_row)
        wanted = _wanted(file, parquet.schema_arrow, names)
        selected = [_selected(parquet.schema_arrow, top, steps) for _, top, steps in wanted]
        for run, at_once in _runs(file, parquet.metadata, selected, groups, batch_rows):
            for batch in parquet.iter_batches(batch_size=at_once, row_groups=run, columns=selected):
                columns = {name: as_read(values_at(batch.column(top), steps)) for name, top, steps in wanted}
                rows = Rows(columns, batch.num_rows)
                before = min(first_row - skipped, rows.count)
                skipped += rows.count if before > 0 else 0
                if before < rows.count:
                    yield rows.without_first(before)


def _wanted(file: TabularFile, schema: pa.Schema, names: list[str]) -> list[tuple[str, str, list[str]]]:
    """Each name, the column that its path begins with, and the steps from there on."""
    types = dict(zip(schema.names, schema.types, strict=True))
    found = []
    for name in names:
        top = top_of(types, name)
        if top is None or type_at(types, name) is None:
            raise LogError(f"{file.path}: no column {name!r} any longer")
        found.append((name, *top))
    return found


def _selected(schema: pa.Schema, top: str, steps: list[str]) -> str:
    """What of a column has to be read, as pyarrow names it: of structs the field alone, of lists and maps all."""
    kind = schema.field(top).type
    path = top
    for step in steps:
        if not pa.types.is_struct(kind):
            break
        kind = kind.field(step).type
        path = f"{path}.{step}"
    return path


def _groups_from(metadata: Any, first_row: int) -> tuple[int, list[int]]:
    """Number of rows of the row groups that lie wholly before a row, and the other groups."""
    row = group = 0
    while group < metadata.num_row_groups and row + metadata.row_group(group).num_rows <= first_row:
        row += metadata.row_group(group).num_rows
        group += 1
    return row, list(range(group, metadata.num_row_groups))


def _runs(
    file: TabularFile, metadata: Any, names: list[str], groups: list[int], batch_rows: int
) -> Iterator[tuple[list[int], int]]:
    """Row groups that follow each other and are read by the same number of rows at a time."""
    run: list[int] = []
    size = batch_rows
    for group in groups:
        wanted = _rows_at_once(file, metadata.row_group(group), group, names, batch_rows)
        if run and wanted != size:
            yield run, size
            run = []
        run.append(group)
        size = wanted
    if run:
        yield run, size


def _rows_at_once(file: TabularFile, group: Any, number: int, names: list[str], batch_rows: int) -> int:
    """How many rows of a row group may be unpacked at once."""
    wanted = set(names)
    row_bytes = 0.0
    with file.path.open_input() as stream:
        for position in range(group.num_columns):
            chunk = group.column(position)
            if not any(
                chunk.path_in_schema == name or chunk.path_in_schema.startswith(f"{name}.") for name in wanted
            ):
                continue
            try:
                pages = list(pages_of(stream, chunk))
            except ValueError as error:
                raise LogError(f"{file.path}: is damaged (row group {number}: {error})") from None
            largest = max((page.unpacked for page in pages), default=0)
            if largest > MAX_PAGE_BYTES:
                raise LogError(
                    f"{file.path}: a page of row group {number}, column {chunk.path_in_schema!r}, unpacks to "
                    f"{largest >> 20:,} MiB, the limit is {MAX_PAGE_BYTES >> 20}; write the file with smaller pages"
                )
            # A row of a list has several values.
            per_row = max(1.0, chunk.num_values / max(1, group.num_rows))
            row_bytes += per_row * max(
                (page.unpacked / page.values for page in pages if page.values), default=0.0
            )
            dictionary = max((page.unpacked for page in pages if not page.values), default=0)
            if dictionary * batch_rows > UNPACKED_BYTES:
                row_bytes += _longest_value(file, number, chunk.path_in_schema)
    while batch_rows > 1 and batch_rows * row_bytes > UNPACKED_BYTES:
        batch_rows //= 2
    return batch_rows


def _longest_value(file: TabularFile, group: int, column: str) -> int:
    """Bytes of the longest text in a column chunk's dictionary; 0 for other columns."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with (
        file.path.open_input() as stream,
        pq.ParquetFile(
            stream, read_dictionary=[column], buffer_size=LOCAL_BUFFER_BYTES, pre_buffer=False
        ) as parquet,
    ):
        # One row is enough to have the dictionary, which stands before the first page.
        for batch in parquet.iter_batches(batch_size=1, row_groups=[group], columns=[column]):
            values = batch.column(0)
            if pa.types.is_dictionary(values.type) and is_text(values.type.value_type):
                return int(pc.max(pc.binary_length(values.dictionary)).as_py() or 0)
            break
    return 0
