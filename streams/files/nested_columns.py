"""Values inside of columns: fields of structs and places of lists of a Parquet file, by the same paths as those of JSON."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from streams.events.paths import Path, is_place


def nested_type(kind: pa.DataType, keys: Path) -> pa.DataType | None:
    """The type of what lies there; None where the type has no such field.

    >>> str(nested_type(pa.struct([("id", pa.string())]), ("id",)))
    'string'
    """
    for key in keys:
        if pa.types.is_struct(kind):
            number = kind.get_field_index(key)
            if number < 0:
                return None
            kind = kind.field(number).type
        elif _is_list(kind) and is_place(key):
            kind = kind.value_type
        else:
            return None
    return kind


def nested_values(column: pa.Array, keys: Path) -> pa.Array:
    """What lies there in each row, null where a struct on the way is, or a list is too short.

    >>> nested_values(pa.array([{"id": "a"}, None]), ("id",)).to_pylist()
    ['a', None]
    """
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    for key in keys:
        if pa.types.is_struct(column.type):
            column = pc.struct_field(column, key)
        else:
            column = _at_place(column, int(key))
    return column


def _at_place(column: pa.Array, place: int) -> pa.Array:
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column).fill_null(0)
    rows = pc.indices_nonzero(pc.greater(lengths, place))
    found = pc.list_element(column.take(rows), place)
    # Row -> where its value is among those that are long enough.
    index: list[Any] = [None] * len(column)
    for number, row in enumerate(rows.to_pylist()):
        index[row] = number
    return found.take(pa.array(index, pa.int64()))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
