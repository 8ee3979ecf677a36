"""EventColumns: a batch of events as arrays, strings kept once in small tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import numpy.typing as npt

from transfer.arrays import F32, F64, I32, I64, U8, U64, Bool
from transfer.codes import NONE

Coded = tuple[I32, list[str]]
"""Codes (B,) int32, -1 = absent, and the table of distinct strings that they stand for."""


@dataclass(frozen=True, slots=True, eq=False)
class EventFields:
    """What B events say, in the order in which they were read.

    A code column says which row of its table an event uses. A table holds distinct strings.
    """

    user: I32
    """(B,) int32 row of `users`"""
    users: list[str]
    item: I32
    """(B,) int32 row of `items`, -1 where the event names no item"""
    items: list[str]
    scenario: I32
    """(B,) int32 row of `scenarios`"""
    scenarios: list[str]
    text: I32
    """(B,) int32 row of `texts`, -1 where the event has no text"""
    texts: list[str]
    time: F64
    """(B,) float64 event time, unix seconds"""
    action: U8
    """(B,) uint8 position in `InterestConfig.action_names`"""
    offset: I64
    """(B,) int64 position in the source: Kafka offset or row number of the log"""

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True, eq=False)
class EventColumns(EventFields):
    """B valid events. Each string of a table is used by at least one of them: `users` is exactly who acted in this batch."""

    key: U64
    """(B,) uint64 identity of the event for duplicates (`streams.events.keys.event_keys`)"""
    source: I32
    """(B,) int32 row of `sources`: the watermark's name, "cluster/topic/partition" or a log's"""
    sources: list[str]
    weight: F32 | None = None
    """(B,) float32 factor of each event's weight (`streams.events.weights`); None: 1 for all"""


def empty() -> EventColumns:
    """No events at all.

    >>> len(empty())
    0
    """
    none = np.empty(0, np.int32)
    return EventColumns(
        user=none,
        users=[],
        item=none,
        items=[],
        scenario=none,
        scenarios=[],
        text=none,
        texts=[],
        time=np.empty(0, np.float64),
        action=np.empty(0, np.uint8),
        key=np.empty(0, np.uint64),
        source=none,
        sources=[],
        offset=np.empty(0, np.int64),
    )


class Coder:
    """Gives strings their codes, some at a time, in order of first appearance.

    >>> coder = Coder()
    >>> coder.add(["b", "a"])
    >>> coder.add_optional(["b", None])
    >>> codes, table = coder.result()
    >>> codes.tolist(), table
    ([0, 1, 0, -1], ['b', 'a'])
    """

    def __init__(self) -> None:
        # What is not there gets the next number, without a step of the interpreter: that is most of what decoding costs.
        self._seen: defaultdict[str, int] = defaultdict(count().__next__)
        self._codes: list[int] = []

    def add(self, values: Iterable[str]) -> None:
        """Any string has a code, "" too."""
        self._codes.extend(map(self._seen.__getitem__, values))

    def add_nullable(self, values: Iterable[str | None]) -> None:
        """None gets the code -1; "" is a string like others."""
        code = self._seen.__getitem__
        self._codes += [NONE if value is None else code(value) for value in values]

    def add_absent(self, number: int) -> None:
        """So many times None."""
        self._codes += [NONE] * number

    def add_optional(self, values: Iterable[str | None]) -> None:
        """None and "" get the code -1."""
        code = self._seen.__getitem__
        self._codes += [code(value) if value else NONE for value in values]

    def result(self) -> tuple[I32, list[str]]:
        """Codes (B,) int32 of all strings added, and the table of distinct ones."""
        return np.array(self._codes, np.int32), list(self._seen)


def factorise(values: Iterable[str]) -> tuple[I32, list[str]]:
    """Codes (B,) int32 and the table of distinct values, in order of first appearance.

    >>> codes, table = factorise(["b", "a", "b"])
    >>> codes.tolist(), table
    ([0, 1, 0], ['b', 'a'])
    """
    coder = Coder()
    coder.add(values)
    return coder.result()


def factorise_optional(values: Iterable[str | None]) -> tuple[I32, list[str]]:
    """As `factorise`; None and "" get the code -1.

    >>> codes, table = factorise_optional(["b", None, "", "b"])
    >>> codes.tolist(), table
    ([0, -1, -1, 0], ['b'])
    """
    coder = Coder()
    coder.add_optional(values)
    return coder.result()


def take_events(columns: EventColumns, rows: Bool | npt.NDArray[np.integer]) -> EventColumns:
    """The events that a (B,) bool mask or an (R,) integer index selects, in the order of the index."""
    source, sources = _used(columns.source[rows], columns.sources)
    taken = replace(
        columns,
        user=columns.user[rows],
        item=columns.item[rows],
        scenario=columns.scenario[rows],
        text=columns.text[rows],
        time=columns.time[rows],
        action=columns.action[rows],
        key=columns.key[rows],
        source=source,
        sources=sources,
        offset=columns.offset[rows],
        weight=None if columns.weight is None else columns.weight[rows],
    )
    return with_used_tables(taken)


def with_used_tables(columns: EventColumns) -> EventColumns:
    """The same events over tables without the strings that none of them uses."""
    user, users = _used(columns.user, columns.users)
    item, items = _used(columns.item, columns.items)
    scenario, scenarios = _used(columns.scenario, columns.scenarios)
    text, texts = _used(columns.text, columns.texts)
    return replace(
        columns,
        user=user,
        users=users,
        item=item,
        items=items,
        scenario=scenario,
        scenarios=scenarios,
        text=text,
        texts=texts,
    )


def concatenate(parts: Sequence[EventColumns]) -> EventColumns:
    """All events of the parts, in order, over joined tables.

    The dictionaries work on the small tables only; the event columns are re-coded by one numpy take each.
    """
    parts = [part for part in parts if len(part)]
    if not parts:
        return empty()
    if len(parts) == 1:
        return parts[0]
    user, users = _joined([(p.user, p.users) for p in parts])
    item, items = _joined([(p.item, p.items) for p in parts])
    scenario, scenarios = _joined([(p.scenario, p.scenarios) for p in parts])
    text, texts = _joined([(p.text, p.texts) for p in parts])
    source, sources = _joined([(p.source, p.sources) for p in parts])
    return EventColumns(
        user=user,
        users=users,
        item=item,
        items=items,
        scenario=scenario,
        scenarios=scenarios,
        text=text,
        texts=texts,
        time=np.concatenate([p.time for p in parts]),
        action=np.concatenate([p.action for p in parts]),
        key=np.concatenate([p.key for p in parts]),
        source=source,
        sources=sources,
        offset=np.concatenate([p.offset for p in parts]),
        weight=_weights(parts),
    )


def _weights(parts: Sequence[EventColumns]) -> F32 | None:
    if all(part.weight is None for part in parts):
        return None
    return np.concatenate(
        [np.ones(len(part), np.float32) if part.weight is None else part.weight for part in parts]
    )


def rows_named(table: Sequence[str], wanted: Collection[str]) -> I64:
    """(R,) rows of a table that hold one of the wanted strings, ascending.

    >>> rows_named(["a", "b", "c"], {"c", "a"})
    array([0, 2])
    """
    return np.array([row for row, value in enumerate(table) if value in wanted], np.int64)


def recode(codes: I32, mapping: I32) -> I32:
    """`mapping[codes]` where a negative code stays -1. codes (B,), mapping (T,), result (B,) int32."""
    # One more row at the end, so that the code -1 finds -1 by numpy's own indexing from the end.
    result: I32 = np.append(mapping, np.int32(NONE))[codes]
    return result


def _joined(parts: list[tuple[I32, list[str]]]) -> tuple[I32, list[str]]:
    seen: dict[str, int] = {}
    assign = seen.setdefault
    codes = [
        recode(part, np.array([assign(value, len(seen)) for value in table], dtype=np.int32))
        for part, table in parts
    ]
    return np.concatenate(codes), list(seen)


def _used(codes: I32, table: list[str]) -> tuple[I32, list[str]]:
    """The same strings over a table without the entries that no event uses any longer."""
    used = np.zeros(len(table) + 1, dtype=bool)
    used[codes] = True  # -1 marks the extra last row
    used = used[:-1]
    if used.all():
        return codes, list(table)
    mapping = np.cumsum(used, dtype=np.int32) - np.int32(1)
    kept = np.flatnonzero(used).tolist()
    return recode(codes, mapping), [table[row] for row in kept]
