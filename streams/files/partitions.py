"""Columns that stand in the names of folders, as Hive and Spark write them: dt=2026-11-01/hour=03/part-0.parquet."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

NULL_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
_FOLDER: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)


def partitions_of(path: str) -> dict[str, str | None]:
    """Column -> value, of all folders of a path that are named so; a deeper one wins. Values are text, URL-decoded.

    >>> partitions_of("events/dt=2026-11-01/shop=a%2Fb/part-0.parquet")
    {'dt': '2026-11-01', 'shop': 'a/b'}
    >>> partitions_of("events/dt=__HIVE_DEFAULT_PARTITION__/x.csv")
    {'dt': None}
    """
    found: dict[str, str | None] = {}
    for folder in path.split("/")[:-1]:
        named = _FOLDER.fullmatch(folder)
        if named is not None:
            found[named[1]] = None if named[2] == NULL_PARTITION else unquote(named[2])
    return found
