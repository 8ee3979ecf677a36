"""Which column of a file is which field (`--map scenario=department,item_id=sku`), and that it can be read as such."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from streams.errors import LogError, MappingError
from streams.events.event_flags import POSITION_FIELDS
from streams.files.nested import is_nested, path_into
from streams.files.parquet_types import advice_on
from streams.files.rows import TabularFile
from streams.files.values import is_text_type, is_time_type, plain_type
from streams.text_tables import printable
from transfer.weigh import MEASURES

EVENT_FIELDS: Final = (
    "user_id",
    "timestamp",
    "scenario",
    "item_id",
    "text",
    "event_id",
    "action",
)
LOG_FIELDS: Final = (*EVENT_FIELDS, *POSITION_FIELDS)
"""Fields that are read from a log; other columns are ignored."""


def parse_mapping(text: str, fields: Iterable[str] = LOG_FIELDS, option: str = "--map") -> dict[str, str]:
    """Field -> column of the file, from `field=column,...`; an empty text maps nothing.

    >>> parse_mapping("scenario=department, item_id=sku")
    {'scenario': 'department', 'item_id': 'sku'}

    Raises:
        MappingError: not of that form, an unknown field, or the same field twice.
    """
    fields = tuple(fields)
    mapping: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        field, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not field or not column:
            raise MappingError(f"{option}: {part.strip()!r} is not of the form field=column")
        if field not in fields:
            hint = f"; did you mean {column}={field}?" if column in fields else ""
            raise MappingError(f"{option}: unknown field {field!r}; fields are {', '.join(fields)}{hint}")
        if field in mapping:
            raise MappingError(f"{option}: field {field!r} is given twice")
        mapping[field] = column
    return mapping


def columns_of_fields(fields: Iterable[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Field -> column for every field: the mapped column, else the one with the field's own name."""
    return {field: mapping.get(field, field) for field in fields}


def find_fields(
    file: TabularFile,
    fields: Sequence[str],
    mapping: Mapping[str, str],
    *,
    required: Sequence[str],
    times: Sequence[str] = (),
) -> dict[str, str]:
    """Field -> column for the fields that this file has; those required and those mapped must be there.

    `times` are the fields that hold times; all others hold strings or integers.

    Raises:
        LogError: a column is missing, there twice, or of another type; names file and column.
    """
    wanted = columns_of_fields(fields, mapping)
    in_file = {name: column for name, column in wanted.items() if file.has(column)}
    for name in [*mapping, *required]:
        if name not in in_file:
            raise LogError(missing_column(file, name, wanted[name]))
    for name, column in in_file.items():
        if file.columns.count(column) > 1:
            raise LogError(f"{file.path}: has {file.columns.count(column)} columns {column!r}")
        kind = file.type_of(column)
        if kind is None:
            continue
        check_type(file, column, kind, "timestamp" if name in times else name)
    return in_file


def check_type(file: TabularFile, column: str, kind: pa.DataType, field: str) -> None:
    """Whether values of that type can be a field's.

    Raises:
        LogError: they can't; names file and column.
    """
    usable, expected = is_text_type(kind), "strings or integers"
    if field == "timestamp":
        usable, expected = is_time_type(kind), "unix seconds, a timestamp or ISO 8601 text"
    elif field in MEASURES:
        expected = "numbers"
    plain = plain_type(kind)
    if field not in MEASURES and (pa.types.is_float32(plain) or pa.types.is_float16(plain)):
        usable = False  # 1793527200.0 would be another second, and 16777217.0 another id
    if not usable:
        raise LogError(f"{file.path}: {_wrong_type(field, column, kind, expected)}")


def _wrong_type(name: str, column: str, kind: Any, expected: str) -> str:
    text = f"column {column!r} is of type {str(kind)[:80]}; expected {expected}{advice_on(kind)}"
    inner = path_into(column, kind) if is_nested(kind) else None
    return f"{text}; name a value in it, such as --map {name}={inner}" if inner else text


def missing_column(file: TabularFile, name: str, column: str, hint: str = "") -> str:
    """The one wording of a missing column: file, column, field, what there is, what to do."""
    meaning = "" if column == name else f" (for {name})"
    place = " in its first lines" if file.kind == "json" else ""
    advice = f"; name another with --map {name}=COLUMN" if column == name else ""
    there = short_names((*file.columns, *file.inner))
    return f"{file.path}: no column {column!r}{meaning}{place}{hint}; it has {there}{advice}"


def short_names(columns: Sequence[str], most: int = 30) -> str:
    """Names as a message may hold them, since a file that is no table has anything there: some, short, on one line."""
    names = [printable(name if len(name) <= 60 else f"{name[:57]}...") for name in columns[:most]]
    more = f" and {len(columns) - most:,} more" if len(columns) > most else ""
    return ", ".join(names) + more
