"""Some values of each column of a log, before anything is known of its fields."""

from __future__ import annotations

from typing import Any, Final

from streams.events.proposal import MOST_PATHS, json_sample
from streams.files.nested import leaf_paths
from streams.files.rows import TabularFile
from streams.files.tabular_file import read_file

SAMPLED: Final = 1000


def sample_of(file: TabularFile) -> dict[str, list[Any]]:
    """The values of the file's first rows, by column or path, without nulls.

    Raises:
        LogError: the file is damaged inside.
    """
    if file.kind == "json":
        lines = next(read_file(file, [], SAMPLED), None)
        return json_sample(list((lines.lines if lines else None) or ()))
    names = [
        name
        for column in dict.fromkeys(file.columns)
        for name in ([column] if column not in file.types else leaf_paths(column, file.types[column]))
    ]
    rows = next(read_file(file, names[:MOST_PATHS], SAMPLED), None)
    if rows is None:
        return {}
    found = {}
    for name, column in rows.columns.items():
        values = [_text(value) for value in column.to_pylist() if value is not None]
        if values:
            found[name] = values
    return found


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
