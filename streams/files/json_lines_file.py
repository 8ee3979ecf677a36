"""Files of JSON lines: counted once to be checked, read some lines and bytes at a time, whatever they unpack to."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from streams.errors import LogError
from streams.events.event import RejectReason
from streams.events.json_errors import undecodable
from streams.files.location import Location
from streams.files.packed_file import open_bytes
from streams.files.rows import BATCH_BYTES, MAX_ROW_BYTES, Column, Rows, TabularFile

_SCANNED_LINES: Final = 1000
_MAX_NAMES: Final = 10_000
# Values stay bytes: only that a line is JSON, and what its fields are called, is looked at.
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_Value = str | int | float | bool | None
"""What a field of ours may hold at all: a list of a million lists is refused by the decoder, and never built."""


def inspect_json(path: Location) -> TabularFile:
    """Read all lines; decode the first ones for their names and the last for its end. Without a line it has no rows.

    Raises:
        LogError: names the line that is wrong.
    """
    names: dict[str, None] = {}
    rows, last, last_line = 0, b"", 0
    with open_bytes(path) as stream:
        for number, line in enumerate(_lines(stream), 1):
            if len(line) > MAX_ROW_BYTES:
                raise LogError(f"{path}: line {number} is longer than {MAX_ROW_BYTES >> 20} MiB")
            if line.isspace():
                continue
            if rows < _SCANNED_LINES:
                names.update(dict.fromkeys(_names_of(line)))
                if len(names) > _MAX_NAMES:
                    raise LogError(f"{path}: its first lines name more than {_MAX_NAMES:,} fields")
            rows, last, last_line = rows + 1, line, number
    if not rows:
        return TabularFile(path, "json", (), {}, 0)
    try:
        _decode_raw(last)
    except RecursionError:
        pass  # a whole value, for all that can be seen; the reader rejects the row
    except ValueError:
        raise LogError(
            f"{path}: line {last_line}, the last, is not complete JSON; was it cut short?"
        ) from None
    return TabularFile(path, "json", tuple(names), {}, rows)


def read_json(file: TabularFile, names: list[str], batch_rows: int, first_row: int) -> Iterator[Rows]:
    """The named fields from a row on, the lines themselves for no names; the lines before it are not decoded."""
    if not names:
        for lines in read_lines(file, batch_rows, first_row):
            yield Rows({}, len(lines), lines=lines)
        return
    attributes = [f"column_{i}" for i in range(len(names))]  # any name is fine in JSON, not as an attribute
    row_type = msgspec.defstruct(
        "Row",
        [(attribute, _Value, None) for attribute in attributes],
        rename=dict(zip(attributes, names, strict=True)),
        frozen=True,
        gc=False,
    )
    decode = msgspec.json.Decoder(row_type).decode
    nothing = row_type()
    for batch in read_lines(file, batch_rows, first_row):
        rows: list[Any] = []
        rejects: dict[int, tuple[RejectReason, str]] = {}
        for position, line in enumerate(batch):
            try:
                rows.append(decode(line))
            except Exception as error:
                rows.append(nothing)
                rejects[position] = undecodable(error, line)
        columns: dict[str, Column] = {
            name: [getattr(row, attribute) for row in rows]
            for name, attribute in zip(names, attributes, strict=True)
        }
        yield Rows(columns, len(batch), rejects)


def read_lines(file: TabularFile, batch_rows: int, first_row: int = 0) -> Iterator[list[bytes]]:
    """Lines that are not blank, from the row `first_row` on, so many rows and so many bytes at a time.

    Raises:
        LogError: a line is too long.
    """
    batch: list[bytes] = []
    size = row = 0
    with open_bytes(file.path) as stream:
        for line in _lines(stream):
            if line.isspace():
                continue
            row += 1
            if row <= first_row:
                continue
            if len(line) > MAX_ROW_BYTES:
                raise LogError(f"{file.path}: row {row} is longer than {MAX_ROW_BYTES >> 20} MiB")
            batch.append(line.rstrip(b"\r\n"))
            size += len(line)
            if len(batch) == batch_rows or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _lines(stream: io.BufferedIOBase) -> Iterator[bytes]:
    """Lines with their ends; of one longer than `MAX_ROW_BYTES` only as much as shows it."""
    read = stream.readline
    line = read(MAX_ROW_BYTES + 1).removeprefix(codecs.BOM_UTF8)
    while line:
        yield line
        line = read(MAX_ROW_BYTES + 1)


def _names_of(line: bytes) -> list[str]:
    try:
        return list(_decode_names(line))
    except (ValueError, RecursionError):
        return []
