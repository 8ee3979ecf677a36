"""A column's values as Python has them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from streams.files.rows import Column, is_text


def plain_values(column: Column) -> list[Any]:
    """Strings as their bytes: what is no UTF-8 costs its row, not the file."""
    if isinstance(column, list):
        return column
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_string_view(kind):
        column, kind = column.cast(pa.large_string()), pa.large_string()
    if is_text(kind) and not pa.types.is_binary(kind):
        column = column.view(pa.large_binary() if pa.types.is_large_string(kind) else pa.binary())
    elif pa.types.is_timestamp(kind) and kind.unit == "ns":  # Python's times hold microseconds
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values
