"""A record as aiokafka fetches it, as far as it is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from support.data.event_columns import NOW


@dataclass(frozen=True)
class Fetched:
    value: bytes | None
    offset: int
    key: bytes | None = b"k"
    topic: str = "clicks"
    partition: int = 0
    timestamp: int = int(NOW * 1000)
    timestamp_type: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()
    refused: str = ""

    @property
    def n_bytes(self) -> int:
        return len(self.key or b"") + len(self.value or b"")
