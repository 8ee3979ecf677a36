"""Bytes of a fetched batch -> columns and rejects. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.events.columns import EventColumns
from streams.events.description import ANY_TIME, Beside, EventDescription
from streams.events.event import (
    Reject,
)
from streams.events.record_reader import RecordValue
from streams.events.validate import RawEvents, assemble
from transfer.arrays import F64, I64


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The events of a batch that can be applied, and the records that can't, by position."""

    columns: EventColumns
    rejects: list[Reject]
    ignored: int = 0
    """records whose action the description ignores"""


def decode_events(
    values: Sequence[RecordValue],
    *,
    offsets: Sequence[int] | I64,
    action: int | None,
    source: str,
    now: float | F64,
    description: EventDescription = ANY_TIME,
    beside: Beside | None = None,
) -> Decoded:
    """Decode the records of one partition. Whatever one record holds, the others are decoded.

    Args:
        values: the records, JSON objects in UTF-8, or objects that were decoded already.
        offsets: (N,) of each record.
        action: code of the topic's action; None: each record names its own.
        source: name of the watermark that the offsets belong to.
        now: unix seconds against which "far in the future" is judged, for all records or (N,) for each.
        beside: what the description's paths that begin with @ stand for, one value a record.
    """
    read = description.read(values, beside)
    return judge_events(
        description.raw_events(read, np.asarray(offsets, np.int64), action), source, now, description
    )


def judge_events(raw: RawEvents, source: str, now: float | F64, description: EventDescription) -> Decoded:
    """The second half of `decode_events`, for those who look at the fields between; arguments as there."""
    columns, rejects = assemble(raw, source=source, now=now, limits=description.limits)
    return Decoded(columns, rejects, len(raw) - len(columns) - len(rejects))
