"""Which column of a file is which field, and that it can be read as such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streams.errors import LogError
from streams.files.mapping import columns_of_fields
from streams.files.rows import TableFile
from streams.files.values import is_text_type, is_time_type


def find_fields(
    file: TableFile,
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
    there = {name: column for name, column in wanted.items() if column in file.columns}
    for name in [*mapping, *required]:
        if name not in there:
            raise LogError(missing_column(file, name, wanted[name]))
    for name, column in there.items():
        if file.columns.count(column) > 1:
            raise LogError(f"{file.path}: has {file.columns.count(column)} columns {column!r}")
        kind = file.types.get(column)
        if kind is None:
            continue
        usable, expected = is_text_type(kind), "strings or integers"
        if name in times:
            usable, expected = is_time_type(kind), "unix seconds, a timestamp or ISO 8601 text"
        if not usable:
            raise LogError(f"{file.path}: column {column!r} is of type {kind}; expected {expected}")
    return there


def missing_column(file: TableFile, name: str, column: str, hint: str = "") -> str:
    """The one wording of a missing column: file, column, field, what there is, what to do."""
    meaning = "" if column == name else f" (for {name})"
    place = " in its first lines" if file.kind == "json" else ""
    advice = f"; name another with --map {name}=COLUMN" if column == name else ""
    return f"{file.path}: no column {column!r}{meaning}{place}{hint}; it has {', '.join(file.columns[:30])}{advice}"
