"""Columns of a file, Arrow arrays or lists of JSON values -> codes and tables, seconds, actions.

A value that can't be used costs its row, never the file: `rejects` collects row -> (reason, detail).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.events.columns import recode
from streams.events.ids import RowRejects
from streams.files.rows import Column, is_text
from transfer.arrays import F64, I32, U8
from transfer.codes import NONE

_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def is_text_type(kind: pa.DataType) -> bool:
    """Strings and integers (ids are often numbers); plain or dictionary-coded."""
    kind = plain_type(kind)
    return is_text(kind) or bool(pa.types.is_integer(kind) or pa.types.is_null(kind))


def is_time_type(kind: pa.DataType) -> bool:
    """Numbers (unix seconds), timestamps, dates, ISO 8601 strings."""
    kind = plain_type(kind)
    if pa.types.is_floating(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return True
    return is_text_type(kind)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values of a dictionary-coded column; any other type as it is."""
    while pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind


def strings(column: Column, name: str, rejects: RowRejects) -> tuple[I32, list[str]]:
    """Codes (B,) int32 and the table of the distinct strings that the rows use; integers in decimal; null = -1.

    Each distinct value is converted once; those of a dictionary that no row refers to are not looked at.
    """
    if isinstance(column, list):
        codes, values = _coded_list(column)
    else:
        codes, values = _coded_array(column)
    texts = [_as_string(value) for value in values]
    table: dict[str, int] = {}
    assign = table.setdefault
    mapping = np.array([NONE if text is None else assign(text, len(table)) for text in texts], np.int32)
    is_bad = [text is None and value is not None for text, value in zip(texts, values, strict=True)]
    bad = recode(codes, np.array(is_bad, np.int32)) == 1
    for row in np.flatnonzero(bad).tolist():
        kind = type(values[codes[row]]).__name__
        detail = "is not UTF-8" if kind == "bytes" else f"expected a string or an integer, got {kind}"
        rejects.setdefault(row, ("wrong_type", f"{name}: {detail}"))
    return recode(codes, mapping), list(table)


def optional_strings(column: Column, name: str, rejects: RowRejects) -> list[str | None]:
    """One string or None a row, for a column whose values are all different."""
    codes, table = strings(column, name, rejects)
    lookup: list[str | None] = [*table, None]
    return [lookup[code] for code in codes.tolist()]


def seconds(column: Column, name: str, rejects: RowRejects) -> F64:
    """(B,) float64 unix seconds. A time without a zone is UTC. NaN where `rejects` tells why."""
    if isinstance(column, list):
        return _seconds_of_list(column, name, rejects)
    while pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if is_text(kind):
        try:
            column = column.cast(pa.string()).cast(pa.float64())
        except pa.ArrowInvalid:  # not all of them numbers
            return _seconds_of_list(_python_values(column), name, rejects)
    for row in np.flatnonzero(_numpy(column.is_null())).tolist():
        rejects.setdefault(row, ("missing_field", f"{name} is null"))
    if pa.types.is_date(kind):
        column, kind = column.cast(pa.timestamp("ms")), pa.timestamp("ms")
    if pa.types.is_timestamp(kind):
        ticks = _numpy(column.cast(pa.int64()).fill_null(0)).astype(np.int64)
        per_second = _PER_SECOND[kind.unit]
        # Whole and broken seconds apart: nanoseconds since 1970 are more than a float64 holds exactly.
        return (ticks // per_second).astype(np.float64) + (ticks % per_second) / per_second
    return _numpy(column.cast(pa.float64(), safe=False).fill_null(np.nan)).astype(np.float64)


def coded(codes: I32, table: Iterable[str], code_of: Callable[[str], int], absent: int) -> U8:
    """(B,) uint8 of a small vocabulary: `code_of` each string, `absent` for null."""
    return np.array([code_of(value) for value in table] + [absent], np.uint8)[codes]


def _coded_list(column: list[Any]) -> tuple[I32, list[Any]]:
    seen: dict[Any, int] = {}
    assign = seen.setdefault
    # The type is part of the key (1, 1.0 and True are equal); lists and objects have no hash and are all
    # equally wrong, so that one of a kind stands for all.
    keys = [None if v is None else (v.__class__, v if v.__class__.__hash__ else None) for v in column]
    codes = [NONE if key is None else assign(key, len(seen)) for key in keys]
    return np.array(codes, np.int32), [kind() if value is None else value for kind, value in seen]


def _coded_array(column: pa.Array | pa.ChunkedArray) -> tuple[I32, list[Any]]:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_null(column.type):
        return np.full(len(column), NONE, np.int32), []
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = _numpy(column.indices.cast(pa.int32()).fill_null(NONE)).astype(np.int32)
    dictionary = _without_views(column.dictionary)
    # A dictionary is of a whole file, or a row group of it; these rows may use little of it.
    is_used = np.zeros(len(dictionary) + 1, np.bool_)
    is_used[codes] = True  # -1 marks the extra last entry
    is_used = is_used[:-1]
    if not is_used.all():
        codes = recode(codes, np.cumsum(is_used, dtype=np.int32) - np.int32(1))
        dictionary = dictionary.take(pa.array(np.flatnonzero(is_used)))
    return codes, _python_values(dictionary)


def _python_values(column: pa.Array) -> list[Any]:
    while pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    column = _without_views(column)
    if pa.types.is_string(column.type):
        column = column.view(pa.binary())
    elif pa.types.is_large_string(column.type):
        column = column.view(pa.large_binary())
    values: list[Any] = column.to_pylist()
    return values


def _without_views(column: pa.Array) -> pa.Array:
    """The same values in a type that pyarrow can take rows of and show as bytes."""
    return column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column


def _as_string(value: Any) -> str | None:
    """None for what is neither a string, nor UTF-8, nor an integer."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bytes:
        try:
            return str(value, "utf-8")
        except UnicodeDecodeError:
            return None
    return str(value) if kind is int else None


def _seconds_of_list(column: list[Any], name: str, rejects: RowRejects) -> F64:
    if set(map(type, column)) <= {int, float}:
        try:
            return np.array(column, np.float64)
        except OverflowError:
            pass
    times = np.full(len(column), np.nan)
    for row, value in enumerate(column):
        if value is None:
            rejects.setdefault(row, ("missing_field", f"{name} is null"))
            continue
        time = _as_seconds(value)
        if time is None:
            detail = f"{name}: expected unix seconds or an ISO 8601 time"
            rejects.setdefault(row, ("wrong_type", detail))
        else:
            times[row] = time
    return times


def _as_seconds(value: Any) -> float | None:
    try:
        if isinstance(value, bytes):
            value = value.decode()
        if not isinstance(value, str):
            return float(value) if type(value) in (int, float) else None
        try:
            return float(value)
        except ValueError:
            moment = datetime.fromisoformat(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _numpy(column: Any) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return array
