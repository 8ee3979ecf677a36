"""Event columns as plain rows, so that two batches with differently coded tables can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.events.columns import EventColumns


def rows_of(columns: EventColumns, *, with_source: bool = False) -> list[tuple[Any, ...]]:
    """(user, item, scenario, text, time, action, key[, source, offset]) of each event, None where absent."""
    found = []
    for i in range(len(columns)):
        row: tuple[Any, ...] = (
            columns.users[columns.user[i]],
            None if columns.item[i] < 0 else columns.items[columns.item[i]],
            columns.scenarios[columns.scenario[i]],
            None if columns.text[i] < 0 else columns.texts[columns.text[i]],
            float(columns.time[i]),
            int(columns.action[i]),
            int(columns.key[i]),
        )
        if with_source:
            row += (columns.sources[columns.source[i]], int(columns.offset[i]))
        found.append(row)
    return found


def check_columns(columns: EventColumns) -> None:
    """What EventColumns promises: lengths, types, and tables without doubles and leftovers."""
    count = len(columns)
    coded = (
        (columns.user, columns.users, 0),
        (columns.item, columns.items, -1),
        (columns.scenario, columns.scenarios, 0),
        (columns.text, columns.texts, -1),
        (columns.source, columns.sources, 0),
    )
    for codes, table, least in coded:
        assert codes.dtype == np.int32
        assert codes.shape == (count,)
        assert len(set(table)) == len(table)
        assert all(type(value) is str for value in table)
        assert set(codes[codes >= 0].tolist()) == set(range(len(table)))
        assert codes.min(initial=0) >= least
    for array, kind in (
        (columns.time, np.float64),
        (columns.action, np.uint8),
        (columns.key, np.uint64),
        (columns.offset, np.int64),
    ):
        assert array.dtype == kind
        assert array.shape == (count,)
    assert np.isfinite(columns.time).all()
