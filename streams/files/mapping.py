"""`--map scenario=department,item_id=sku`: which column of a file is which field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from streams.errors import MappingError

EVENT_FIELDS: Final = (
    "user_id",
    "timestamp",
    "scenario",
    "item_id",
    "text",
    "event_id",
    "action",
)
POSITION_FIELDS: Final = ("topic", "partition", "offset")
"""Where in Kafka a row comes from; read where a file has all three."""
LOG_FIELDS: Final = (*EVENT_FIELDS, *POSITION_FIELDS)
"""Fields that are read from a log; other columns are ignored."""
CATALOGUE_FIELDS: Final = ("item_id", "title", "description", "scenario")


def parse_mapping(text: str, fields: Iterable[str] = LOG_FIELDS) -> dict[str, str]:
    """Field -> column of the file, from `field=column,...`; an empty text maps nothing.

    >>> parse_mapping("scenario=department, item_id=sku")
    {'scenario': 'department', 'item_id': 'sku'}

    Raises:
        MappingError: not of that form, a field that is none of ours, or the same field twice.
    """
    fields = tuple(fields)
    mapping: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        field, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not field or not column:
            raise MappingError(f"--map: {part.strip()!r} is not of the form field=column")
        if field not in fields:
            hint = f"; did you mean {column}={field}?" if column in fields else ""
            raise MappingError(f"--map: unknown field {field!r}; fields are {', '.join(fields)}{hint}")
        if field in mapping:
            raise MappingError(f"--map: field {field!r} is given twice")
        mapping[field] = column
    return mapping


def columns_of_fields(fields: Iterable[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Field -> column for every field: the mapped column, else the one with the field's own name."""
    return {field: mapping.get(field, field) for field in fields}
