"""Factorised fields, of a fetched batch or of a log alike -> valid EventColumns and rejects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from streams.events.action_map import IGNORED_ACTION, UNKNOWN_ACTION
from streams.events.columns import (
    EventColumns,
    EventFields,
    factorise_optional,
    recode,
    take_events,
    with_used_tables,
)
from streams.events.event import (
    MAX_EVENT_ID_BYTES,
    MAX_ITEM_ID_BYTES,
    MAX_SCENARIO_BYTES,
    MAX_TEXT_CHARS,
    MAX_USER_ID_BYTES,
    Event,
    Reject,
    RejectReason,
    TimeLimits,
    fits,
    is_blank,
    reject_reason,
)
from streams.events.keys import event_keys
from streams.events.proposal import likely_actions
from transfer.arrays import F32, F64, I32, Bool
from transfer.codes import NONE
from transfer.config import ACTIONS


@dataclass(frozen=True, slots=True, eq=False)
class RawEvents(EventFields):
    """Fields of B events as read, not yet judged; -1 = absent, also of users and scenarios."""

    event_ids: Sequence[str | None] | None
    """(B,) event id or None of each event; None where the input has no such field"""
    rejects: Mapping[int, tuple[RejectReason, str]] = field(default_factory=dict)
    """rows that the reader could not make sense of, and why"""
    action_names: tuple[I32, Sequence[str]] | None = None
    """(B,) codes and table of the actions as they were read, to name the unknown ones"""
    known_actions: Sequence[str] = ACTIONS
    """names of our actions, by code"""
    measures: Mapping[str, F64] = field(default_factory=dict)
    """by name of `transfer.weigh.MEASURES`, those that were asked for: (B,), NaN where there is none"""
    weight: F32 | None = None
    """(B,) what they make of each event's weight; None: 1 for all"""


def assemble(
    raw: RawEvents,
    *,
    source: str,
    now: float | F64,
    limits: TimeLimits = TimeLimits(),  # noqa: B008  # immutable
) -> tuple[EventColumns, list[Reject]]:
    """Judge the events by the limits of `streams.events.event`, normalise their texts and compute their keys.

    now: unix seconds, for all events or (B,) for each.

    Returns the columns of the valid events, whose tables hold what these use and nothing else, and a reject for each other one
    but those whose action is ignored; positions are rows of `raw`.
    """
    columns = EventColumns(
        **{each.name: getattr(raw, each.name) for each in fields(EventFields)},
        key=np.zeros(len(raw), np.uint64),
        source=np.zeros(len(raw), np.int32),
        sources=[source],
        weight=raw.weight,
    )
    event_ids = raw.event_ids
    rejects: list[Reject] = []
    present = np.broadcast_to(np.asarray(now, np.float64), raw.time.shape)
    ignored = raw.action == IGNORED_ACTION
    for row in np.flatnonzero(_suspicious(raw, present, limits) & ~ignored).tolist():
        found = _judge(raw, row, float(present[row]), limits)
        if found is not None:
            rejects.append(Reject(row, *found))
    if rejects or not len(columns) or ignored.any():
        keep = ~ignored
        keep[[reject.position for reject in rejects]] = False
        columns = take_events(columns, keep)
        if event_ids is not None:
            event_ids = [event_ids[row] for row in np.flatnonzero(keep).tolist()]
    else:
        # A reader's tables may say more than its rows, such as the dictionary of a whole file.
        columns = with_used_tables(columns)
    columns = _with_normal_texts(columns)
    return replace(columns, key=event_keys(columns, event_ids, raw.known_actions)), rejects


def _suspicious(raw: RawEvents, now: F64, limits: TimeLimits) -> Bool:
    """(B,) whatever `_judge` could reject: strings looked at once per distinct value, times as an array."""
    suspicious: Bool = ~((raw.time >= max(0.0, limits.earliest_s)) & (raw.time <= now + limits.max_future_s))
    suspicious[list(raw.rejects)] = True
    suspicious |= raw.action == UNKNOWN_ACTION
    suspicious |= _judged(raw.users, MAX_USER_ID_BYTES, blank_is_bad=True, absent_is_bad=True)[raw.user]
    suspicious |= _judged(raw.scenarios, MAX_SCENARIO_BYTES, blank_is_bad=True, absent_is_bad=True)[
        raw.scenario
    ]
    suspicious |= _judged(raw.items, MAX_ITEM_ID_BYTES, blank_is_bad=False, absent_is_bad=False)[raw.item]
    no_item = np.flatnonzero(raw.item == NONE)
    if len(no_item):
        has_no_text = np.array([is_blank(text) for text in raw.texts] + [True])
        suspicious[no_item] |= has_no_text[raw.text[no_item]]
    if raw.event_ids is not None:
        event_ids = [event_id or "" for event_id in raw.event_ids]
        suspicious |= _judged(event_ids, MAX_EVENT_ID_BYTES, blank_is_bad=False, absent_is_bad=False)[:-1]
    return suspicious


def _judge(raw: RawEvents, row: int, now: float, limits: TimeLimits) -> tuple[RejectReason, str] | None:
    """The one place that words a rejection, `reject_reason`, for one row."""
    if row in raw.rejects:
        return raw.rejects[row]
    for name, code in (("user_id", raw.user[row]), ("scenario", raw.scenario[row])):
        if code == NONE:
            return "missing_field", f"{name} is missing or null"
    if raw.action[row] == UNKNOWN_ACTION:
        return "unknown_action", _unknown_action(raw, row)
    item, text = raw.item[row], raw.text[row]
    event = Event(
        user_id=raw.users[raw.user[row]],
        timestamp=float(raw.time[row]),
        scenario=raw.scenarios[raw.scenario[row]],
        item_id=None if item == NONE else raw.items[item],
        text=None if text == NONE else raw.texts[text],
        event_id=None if raw.event_ids is None else raw.event_ids[row],
    )
    return reject_reason(event, now, limits)


def _unknown_action(raw: RawEvents, row: int) -> str:
    """With the record's own value, which is no personal data."""
    known = ", ".join(raw.known_actions)
    if raw.action_names is None or raw.action_names[0][row] == NONE:
        return f"there is no action; actions are {known}"
    codes, table = raw.action_names
    name = table[codes[row]]
    meant = likely_actions([name], {}, raw.known_actions).get(name)
    hint = f"; is it a {meant}: --action-map {name[:40]}={meant}?" if meant and name.isprintable() else ""
    return f"action {name[:40]!r} is none of {known}{hint}"


def _with_normal_texts(columns: EventColumns) -> EventColumns:
    """Blank texts become absent, long ones are cut; cut texts may become equal, hence one code again."""
    if not any(len(text) > MAX_TEXT_CHARS or is_blank(text) for text in columns.texts):
        return columns
    mapping, texts = factorise_optional(
        None if is_blank(text) else text[:MAX_TEXT_CHARS] for text in columns.texts
    )
    return replace(columns, text=recode(columns.text, mapping), texts=texts)


def _judged(table: Sequence[str], limit: int, *, blank_is_bad: bool, absent_is_bad: bool) -> Bool:
    """(T + 1,) whether a table's strings are too long, or blank where that is bad; the last is code -1."""
    bad = np.zeros(len(table) + 1, bool)
    bad[-1] = absent_is_bad
    # Only what may be too long is measured in bytes: 4 of them are the most that a character has.
    if 4 * max(map(len, table), default=0) > limit:
        bad[:-1] = [not fits(value, limit) for value in table]
    if blank_is_bad and (not all(table) or any(map(str.isspace, table))):
        bad[:-1] |= [is_blank(value) for value in table]
    return bad
