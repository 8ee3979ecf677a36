"""Types of warehouses as those that fields are made of: exact numbers as their text, views and extensions as what they hold."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pyarrow as pa


def read_type(kind: pa.DataType) -> pa.DataType:
    """The type in which a column of this type is read.

    >>> read_type(pa.decimal128(38, 0)), read_type(pa.decimal128(18, 2)), read_type(pa.string_view())
    (DataType(string), DataType(double), DataType(large_string))
    """
    if pa.types.is_dictionary(kind):
        return kind if read_type(kind.value_type) == kind.value_type else read_type(kind.value_type)
    if pa.types.is_decimal(kind):
        return pa.float64() if kind.scale > 0 else pa.string()
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string() if kind.extension_name == "arrow.uuid" else read_type(kind.storage_type)
    return kind


def as_read(column: Any) -> Any:
    """The values of a column in its `read_type`. A decimal without places is the text of its integer, however long."""
    kind = column.type
    if pa.types.is_dictionary(kind) and read_type(kind) != kind:
        column = column.dictionary_decode()
        kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        storage = column.storage
        if kind.extension_name == "arrow.uuid":
            texts = [None if value is None else str(UUID(bytes=value)) for value in storage.to_pylist()]
            return pa.array(texts, pa.string())
        return as_read(storage)
    wanted = read_type(kind)
    if pa.types.is_decimal(kind) and kind.scale < 0:
        # Whole tens, hundreds and so on; as text they would be 17E+2.
        column = column.cast(pa.decimal256(76, 0))
    return column if wanted == kind else column.cast(wanted)


def advice_on(kind: pa.DataType) -> str:
    """What a person needs to know of a type that can't be read; "" where its name says all."""
    types = pa.types
    if types.is_float16(kind) or types.is_float32(kind):
        return (
            "; it holds about 7 digits, which neither times in seconds nor ids survive: write it as 64 bits"
        )
    if types.is_time(kind):
        return "; a time of day has no date: write a timestamp"
    if types.is_fixed_size_binary(kind):
        return "; write it as text"
    if types.is_duration(kind) or types.is_interval(kind):
        return "; it is no point in time: write a timestamp"
    return ""
