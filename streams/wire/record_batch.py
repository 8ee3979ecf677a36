"""Records as they were fetched, and what stands beside their values: keys, headers, times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from streams.events.ids import id_text
from streams.wire.keys import UnreadableKey, key_at, key_id, read_keys
from streams.wire.unframed import RecordHeaders, SchemaSource

KEY: Final = "@key"
HEADER: Final = "@header."
TIMESTAMP: Final = "@timestamp"
TOPIC: Final = "@topic"


@dataclass(frozen=True, slots=True, eq=False)
class RecordBatch:
    """N records of one topic or file, in order."""

    values: Sequence[Any]
    """bytes, None, or what was decoded already"""
    keys: Sequence[bytes | None]
    headers: Sequence[RecordHeaders]
    times_ms: Sequence[float | None]
    topic: str = ""
    unreadable: Mapping[int, str] = field(default_factory=dict)
    """position -> why the record was not unpacked; it has neither key nor value"""

    @classmethod
    def fetched(cls, records: Sequence[Any], topic: str) -> Self:
        """Of Kafka records, whichever client fetched them."""
        return cls(
            [record.value for record in records],
            [record.key for record in records],
            [record.headers or () for record in records],
            [record.timestamp for record in records],
            topic,
            # What another client fetched has no such word; it unpacks all or raises.
            {row: told for row, record in enumerate(records) if (told := getattr(record, "refused", ""))},
        )

    @classmethod
    def lines(cls, values: Sequence[Any]) -> Self:
        """Of a file, where nothing stands beside a value."""
        n = len(values)
        return cls(values, [None] * n, [()] * n, [None] * n)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Sequence[int]) -> Self:
        """Some of those that were unpacked."""
        return type(self)(
            [self.values[row] for row in rows],
            [self.keys[row] for row in rows],
            [self.headers[row] for row in rows],
            [self.times_ms[row] for row in rows],
            self.topic,
        )

    def absent(self) -> list[int]:
        """Positions of the records that have no value: tombstones, in a compacted topic."""
        return [row for row, value in enumerate(self.values) if value is None and row not in self.unreadable]

    def beside(
        self, paths: Iterable[str], schemas: SchemaSource | None
    ) -> dict[str, list[str | float | None]]:
        """By path that begins with @: what it leads to, one value a record, None where there is nothing.

        Raises:
            RegistryUnavailable: a key's schema is not known, and the registry does not say; call again.
        """
        wanted = list(paths)
        keys = (
            read_keys(self.keys, self.headers, schemas)
            if any(path == KEY or path.startswith(f"{KEY}.") for path in wanted)
            else []
        )
        return {path: self._beside(path, keys) for path in wanted}

    def _beside(self, path: str, keys: Sequence[Any]) -> list[str | float | None]:
        if path == TIMESTAMP:
            return [None if time is None or time < 0 else time / 1000 for time in self.times_ms]
        if path == TOPIC:
            return [self.topic or None] * len(self)
        if path.startswith(HEADER):
            name = path.removeprefix(HEADER)
            return [_header(headers, name) for headers in self.headers]
        read: Callable[[Any], str | None] = _whole_key if path == KEY else _field_of(path)
        return [read(key) for key in keys]


def _header(headers: RecordHeaders, name: str) -> str | None:
    for found, content in reversed(headers):
        if found == name and content is not None:
            return content.decode("utf-8", "replace")
    return None


def _whole_key(key: Any) -> str | None:
    try:
        return None if key is None else key_id(key, "auto", ())
    except UnreadableKey:
        return None


def _field_of(path: str) -> Callable[[Any], str | None]:
    below = path.removeprefix(f"{KEY}.")
    return lambda key: id_text(key_at(key, below)) if isinstance(key, Mapping) else None
