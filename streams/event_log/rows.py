"""Rows of a log as they were read, before defaults are filled in and before any row is judged."""

from __future__ import annotations

from dataclasses import dataclass

from streams.event_log.content import Digests, row_digests
from streams.event_log.positions import RowPositions
from streams.events.columns import Coder
from streams.events.record_fields import RecordFields
from transfer.arrays import F64


@dataclass(frozen=True, slots=True, eq=False)
class LogRows:
    """B rows."""

    fields: RecordFields
    positions: RowPositions | None
    """None where the log does not tell them"""

    @property
    def count(self) -> int:
        """How many there are."""
        return self.fields.count

    @property
    def time(self) -> F64:
        """(B,) unix seconds, NaN where there is none."""
        return self.fields.time

    def digests(self) -> Digests:
        """(B, 2) what each row says (`streams.event_log.content`)."""
        event_id = Coder()
        if self.fields.event_ids is None:
            event_id.add_absent(self.count)
        else:
            event_id.add_nullable(self.fields.event_ids)
        named = ("user_id", "scenario", "item_id", "text", "action")
        return row_digests(self.time, [*map(self.fields.coded, named), event_id.result()])
