"""Columns of a file, Arrow arrays or lists of JSON values -> codes and tables, seconds, actions.

A value that can't be used costs its row, never the file: `rejects` collects row -> (reason, detail).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.events.columns import Coded, recode
from streams.events.ids import RowRejects, id_text, wrong_id
from streams.events.measures import measure_column
from streams.events.times import EXPECTED, TimeForm, column_seconds, is_numeric, scaled, whole_seconds
from streams.files.rows import Column, is_text
from transfer.arrays import F64, I32
from transfer.codes import NONE


def is_text_type(kind: pa.DataType) -> bool:
    """Strings and numbers, each value of which is an id or none (`streams.events.ids`); plain or dictionary-coded."""
    kind = plain_type(kind)
    types = pa.types
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return is_text(kind) or bool(number or types.is_null(kind))


def is_time_type(kind: pa.DataType) -> bool:
    """Numbers (unix seconds), timestamps, dates, ISO 8601 strings."""
    kind = plain_type(kind)
    if pa.types.is_float64(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return True
    return is_text_type(kind)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values of a dictionary-coded column; any other type as it is."""
    while pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind


def strings(column: Column, name: str, rejects: RowRejects) -> Coded:
    """Codes (B,) int32 and the table of the distinct texts that the rows use, by the rule of `streams.events.ids`; null and NaN
    = -1.

    Each distinct value is converted once; those of a dictionary that no row refers to are not looked at.
    """
    if isinstance(column, list):
        codes, values = _coded_list(column)
    else:
        codes, values = _coded_array(column)
        values = _exact(values, plain_type(column.type))
    texts = [id_text(value) for value in values]
    table: dict[str, int] = {}
    assign = table.setdefault
    mapping = np.array([NONE if text is None else assign(text, len(table)) for text in texts], np.int32)
    is_bad = [
        text is None and value is not None and value == value
        for text, value in zip(texts, values, strict=True)
    ]
    bad = recode(codes, np.array(is_bad, np.int32)) == 1
    for row in np.flatnonzero(bad).tolist():
        rejects.setdefault(row, wrong_id(name, values[codes[row]]))
    return recode(codes, mapping), list(table)


def seconds(column: Column, name: str, rejects: RowRejects, form: TimeForm = "auto") -> F64:
    """(B,) float64 unix seconds of times of that form. A time without a zone is UTC. NaN where `rejects` tells why."""

    def wrong(row: int, value: Any) -> None:
        if value is None:
            rejects.setdefault(row, ("missing_field", f"{name} is missing or null"))
        else:
            rejects.setdefault(row, ("wrong_type", f"{name}: expected {EXPECTED[form]}"))

    if isinstance(column, list):
        return column_seconds(column, form, wrong)
    while pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    numbers = _numbers(column, form)
    if numbers is None and not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return column_seconds(_python_values(column), form, wrong)
    for row in np.flatnonzero(_numpy(column.is_null())).tolist():
        wrong(row, None)
    if numbers is not None:
        return scaled(numbers, form)
    if pa.types.is_date(kind):
        column, kind = column.cast(pa.timestamp("ms")), pa.timestamp("ms")
    ticks = _numpy(column.cast(pa.int64()).fill_null(0)).astype(np.int64)
    return np.where(_numpy(column.is_null()), np.nan, whole_seconds(ticks, kind.unit))


def measures(column: Column, name: str, rejects: RowRejects) -> F64:
    """(B,) numbers, NaN where there is none; what is no number costs its row."""
    values = column if isinstance(column, list) else _python_values(column)
    return measure_column(
        [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values],
        name,
        0,
        rejects,
    )


def _numbers(column: pa.Array, form: TimeForm) -> npt.NDArray[Any] | None:
    """The numbers of a whole column that has nothing else, as far as they are exact; None: look at each value."""
    kind = column.type
    if not is_numeric(form):
        return None
    if is_text(kind):
        try:
            texts = column.cast(pa.string())
            floats = texts.cast(pa.float64())
            if form not in ("ns", "us"):
                return _numpy(floats.fill_null(np.nan)).astype(np.float64)
            column, kind = texts.cast(pa.int64()), pa.int64()  # a float64 does not hold that many digits
        except pa.ArrowInvalid:  # not all of them numbers
            return None
    if pa.types.is_floating(kind):
        return _numpy(column.cast(pa.float64()).fill_null(np.nan)).astype(np.float64)
    if pa.types.is_integer(kind) and not column.null_count and kind != pa.uint64():
        return _numpy(column.cast(pa.int64())).astype(np.int64)
    return None


def _exact(values: list[Any], kind: pa.DataType) -> list[Any]:
    """Floats of 16 and 32 bits that are too large to tell whole numbers apart are none."""
    limit = {"float": 2.0**24, "halffloat": 2.0**11}.get(str(kind))
    if limit is None:
        return values
    return [value if value is None or not abs(value) >= limit else 0.5 for value in values]


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


def _numpy(column: Any) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return array
