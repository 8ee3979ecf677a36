"""Fields of log rows as they were read, before defaults are filled in and before any row is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streams.event_log.content import Digests, row_digests
from streams.event_log.positions import RowPositions, whole_numbers
from streams.events.action_map import UNKNOWN_ACTION
from streams.events.columns import Coded, factorise_optional, recode
from streams.events.ids import RowRejects
from streams.events.validate import RawEvents
from streams.files.rows import Rows
from streams.files.values import coded, seconds, strings
from transfer.arrays import F64, I32
from transfer.codes import NONE
from transfer.config import ACTIONS


@dataclass(frozen=True, slots=True, eq=False)
class LogRows:
    """B rows."""

    count: int
    user: Coded
    item: Coded
    scenario: Coded
    text: Coded
    action: Coded
    event_id: Coded | None
    """None where the log has no such column"""
    time: F64
    """(B,) unix seconds, NaN where `rejects` tells why"""
    rejects: RowRejects
    """rows that could not be read, and why"""
    positions: RowPositions | None
    """None where the log does not tell them"""

    def digests(self) -> Digests:
        """(B, 2) what each row says (`streams.event_log.content`)."""
        absent = np.full(self.count, NONE, np.int32), list[str]()
        fields = (self.user, self.scenario, self.item, self.text, self.action, self.event_id or absent)
        return row_digests(self.time, fields)

    def raw_events(
        self, first_offset: int, default_action: str | None, default_scenario: str | None
    ) -> RawEvents:
        """As events to be judged, offsets from `first_offset` on."""
        item, items = _optional(self.item)
        text, texts = _optional(self.text)
        action, actions = _optional(self.action)
        scenario, scenarios = self.scenario
        if default_scenario is not None:
            scenario, scenarios = _filled(scenario, scenarios, default_scenario)
        event_ids = None
        if self.event_id is not None:
            codes, table = self.event_id
            lookup: list[str | None] = [*table, None]
            event_ids = [lookup[code] for code in codes.tolist()]
        return RawEvents(
            user=self.user[0],
            users=self.user[1],
            item=item,
            items=items,
            scenario=scenario,
            scenarios=scenarios,
            text=text,
            texts=texts,
            time=self.time,
            action=coded(action, actions, _action_code, _action_code(default_action)),
            action_names=(action, actions),
            offset=np.arange(first_offset, first_offset + self.count, dtype=np.int64),
            event_ids=event_ids,
            rejects=self.rejects,
        )


def read_rows(rows: Rows, fields: Mapping[str, str]) -> LogRows:
    """Decode the columns. fields: field -> column; see `streams.event_log.log`."""
    rejects: RowRejects = dict(rows.rejects)

    def text_of(name: str) -> Coded:
        if name not in fields:
            return np.full(rows.count, NONE, np.int32), []
        return strings(rows.columns[fields[name]], fields[name], rejects)

    user, item, scenario, text = text_of("user_id"), text_of("item_id"), text_of("scenario"), text_of("text")
    action = text_of("action")
    event_id = text_of("event_id") if "event_id" in fields else None
    time = seconds(rows.columns[fields["timestamp"]], fields["timestamp"], rejects)
    return LogRows(
        rows.count, user, item, scenario, text, action, event_id, time, rejects, _positions(rows, fields)
    )


def _positions(rows: Rows, fields: Mapping[str, str]) -> RowPositions | None:
    if "topic" not in fields:
        return None
    ignored: RowRejects = {}  # a row that does not tell where it comes from is still an event
    topic, topics = strings(rows.columns[fields["topic"]], fields["topic"], ignored)
    has_position = topic != NONE
    numbers = []
    for name in ("partition", "offset"):
        codes, table = strings(rows.columns[fields[name]], fields[name], ignored)
        values, valid = whole_numbers(table, codes)
        has_position &= valid
        numbers.append(values)
    return RowPositions(np.where(has_position, topic, np.int32(NONE)), topics, numbers[0], numbers[1])


def _optional(field: Coded) -> Coded:
    codes, table = field
    mapping, kept = factorise_optional(table)  # "" is absent
    return recode(codes, mapping), kept


def _filled(codes: I32, table: list[str], default: str) -> Coded:
    """The same codes with `default` where there is none."""
    if default not in table:
        table = [*table, default]
    return np.where(codes == NONE, np.int32(table.index(default)), codes), table


def _action_code(action: str | None) -> int:
    return ACTIONS.index(action) if action in ACTIONS else UNKNOWN_ACTION
