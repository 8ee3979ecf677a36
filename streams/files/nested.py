"""Values inside of columns, by dotted path: `user.id`, `products.0.sku`, `params.campaign`; a dot in a name is `\\.`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

_STEP: Final = re.compile(r"(?:[^.\\]|\\.)+")
_MOST_DEPTH: Final = 8


def path_steps(path: str) -> list[str]:
    """The names along a path.

    >>> path_steps("user.id"), path_steps("a\\\\.b.0")
    (['user', 'id'], ['a.b', '0'])
    """
    return [step.replace("\\.", ".") for step in _STEP.findall(path)]


def top_of(types: Mapping[str, pa.DataType], path: str) -> tuple[str, list[str]] | None:
    """The column of the table that a path begins with, and the steps from there on; None if there is none.

    A column whose own name has dots comes first.
    """
    plain = path.replace("\\.", ".")
    if plain in types:
        return plain, []
    steps = path_steps(path)
    return (steps[0], steps[1:]) if len(steps) > 1 and steps[0] in types else None


def type_at(types: Mapping[str, pa.DataType], path: str) -> pa.DataType | None:
    """The type of what a path leads to; None where it leads nowhere."""
    found = top_of(types, path)
    if found is None:
        return None
    kind, steps = types[found[0]], found[1]
    for step in steps:
        kind = _inside(kind, step)
        if kind is None:
            return None
    return kind


def values_at(column: Any, steps: list[str]) -> Any:
    """The values at the end of the steps, null where anything on the way is null or not there."""
    import pyarrow.compute as pc

    for step in steps:
        kind = column.type
        if pa.types.is_struct(kind):
            column = pc.struct_field(column, [kind.get_field_index(step)])
        elif pa.types.is_map(kind):
            column = pc.map_lookup(column, pa.scalar(step, kind.key_type), "first")
        else:
            column = _element(column, int(step))
    return column


def leaves(types: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    """Path -> type of all fields inside of structs, at whatever depth; lists and maps are not looked into.

    >>> list(leaves({"user": pa.struct([("id", pa.string()), ("geo", pa.struct([("city", pa.string())]))])}))
    ['user.id', 'user.geo.city']
    """
    found: dict[str, pa.DataType] = {}

    def walk(prefix: str, kind: pa.DataType, depth: int) -> None:
        for number in range(kind.num_fields):
            inner = kind.field(number)
            path = f"{prefix}.{_escaped(inner.name)}"
            if pa.types.is_struct(inner.type) and depth < _MOST_DEPTH:
                walk(path, inner.type, depth + 1)
            else:
                found[path] = inner.type

    for name, kind in types.items():
        if pa.types.is_struct(kind):
            walk(_escaped(name), kind, 0)
    return found


def leaf_paths(column: str, kind: pa.DataType) -> list[str]:
    """The paths of all single values of a column: through structs, and the first places of lists; maps have no known keys.

    >>> leaf_paths("items", pa.list_(pa.struct([("sku", pa.string()), ("tags", pa.list_(pa.string()))])))
    ['items.0.sku', 'items.0.tags.0']
    >>> leaf_paths("a.b", pa.string())
    ['a.b']
    """
    if not is_nested(kind):
        return [column]
    found: list[str] = []

    def walk(path: str, kind: pa.DataType, depth: int) -> None:
        if depth > _MOST_DEPTH or pa.types.is_map(kind):
            return
        if pa.types.is_struct(kind):
            for number in range(kind.num_fields):
                inner = kind.field(number)
                walk(f"{path}.{_escaped(inner.name)}", inner.type, depth + 1)
        elif _is_list(kind):
            walk(f"{path}.0", kind.value_type, depth + 1)
        else:
            found.append(path)

    walk(_escaped(column), kind, 0)
    return found


def path_into(path: str, kind: pa.DataType) -> str | None:
    """A longer path that leads to a value, to be proposed; None for a type that is a value itself.

    >>> path_into("products", pa.list_(pa.struct([("sku", pa.string())])))
    'products.0.sku'
    """
    for _ in range(_MOST_DEPTH):
        if pa.types.is_struct(kind) and kind.num_fields:
            inner = kind.field(0)
            path, kind = f"{path}.{_escaped(inner.name)}", inner.type
        elif pa.types.is_map(kind):
            path, kind = f"{path}.KEY", kind.item_type
        elif _is_list(kind):
            path, kind = f"{path}.0", kind.value_type
        else:
            return path
    return None


def is_nested(kind: pa.DataType) -> bool:
    """A struct, a list or a map."""
    return bool(pa.types.is_struct(kind) or pa.types.is_map(kind) or _is_list(kind))


def _inside(kind: pa.DataType, step: str) -> pa.DataType | None:
    if pa.types.is_struct(kind):
        index = kind.get_field_index(step)
        return None if index < 0 else kind.field(index).type
    if pa.types.is_map(kind):
        return kind.item_type if pa.types.is_string(kind.key_type) else None
    return kind.value_type if _is_list(kind) and step.isdecimal() else None


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _element(column: Any, index: int) -> Any:
    """The element of each list, null for one that is null or too short."""
    import pyarrow.compute as pc

    if pa.types.is_fixed_size_list(column.type):
        size = column.type.list_size
        starts = (np.arange(len(column), dtype=np.int64) + column.offset) * size
        lengths = np.full(len(column), size, np.int64)
    else:
        starts = np.asarray(column.offsets, np.int64)[:-1]
        lengths = np.asarray(pc.list_value_length(column).fill_null(0), np.int64)
    absent = (lengths <= index) | np.asarray(column.is_null())
    return column.values.take(pa.array(np.where(absent, 0, starts + index), mask=absent))


def _escaped(name: str) -> str:
    return name.replace(".", "\\.")
