"""The event: fields, limits, identity, and the reasons for which one is rejected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import msgspec
import numpy as np
import xxhash

from transfer.arrays import F64, I32, U8, U64

MAX_USER_ID_BYTES: Final = 256
MAX_ITEM_ID_BYTES: Final = 512
MAX_SCENARIO_BYTES: Final = 200
MAX_EVENT_ID_BYTES: Final = 256
MAX_TEXT_CHARS: Final = 8192
"""A longer text is truncated, not rejected: the encoder reads less than this anyway."""
MAX_FUTURE_S: Final = 3600.0
"""How far ahead of now an event may lie before its clock is called wrong; see `streams.settings.Settings.max_future_s`."""

Reason = Literal[
    "empty_record",
    "not_json",
    "nested_too_deep",
    "wrong_type",
    "missing_field",
    "empty_user_id",
    "user_id_too_long",
    "item_id_too_long",
    "empty_item_id",
    "event_id_too_long",
    "scenario_empty",
    "scenario_too_long",
    "no_item_and_no_text",
    "timestamp_not_finite",
    "timestamp_in_future",
    "timestamp_out_of_range",
    "unknown_action",
    "processing_failed",
    "user_quarantined",
    "unreadable_record",
]
"""Why a record was rejected: a stable, bounded set, used as a metric label."""
REASONS: Final[tuple[str, ...]] = get_args(Reason)


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One event as it travels in a topic; the action is the topic's. Unknown fields are ignored."""

    user_id: str
    timestamp: float
    scenario: str
    item_id: str | None = None
    text: str | None = None
    event_id: str | None = None
    dwell_s: float | None = None
    quantity: float | None = None
    value: float | None = None


class ItemRow(msgspec.Struct, omit_defaults=True):
    """One catalogue item; "" where the catalogue says nothing."""

    item_id: str
    title: str = ""
    description: str = ""
    scenario: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was not applied: its position in the batch (or row number in the log) and why.

    `detail` is bounded and never quotes the record, which may hold personal data.
    """

    position: int
    reason: Reason
    detail: str


def reject_reason(event: Event, now: float, max_future_s: float = MAX_FUTURE_S) -> tuple[Reason, str] | None:
    """Why this event can't be applied, or None. `now` in unix seconds.

    >>> reject_reason(Event("u", 1_700_000_000_000, "books", "b1"), now=1_700_000_000.0)
    ('timestamp_in_future', 'the event lies 19656250 days ahead; are these milliseconds?')
    """
    return (
        _reject_user_id(event.user_id)
        or reject_timestamp(event.timestamp, now, max_future_s)
        or _reject_scenario(event.scenario)
        or _reject_length(event.item_id, MAX_ITEM_ID_BYTES, "item_id_too_long", "item_id")
        or _reject_length(event.event_id, MAX_EVENT_ID_BYTES, "event_id_too_long", "event_id")
        or _reject_content(event.item_id, event.text)
    )


def reject_timestamp(
    timestamp: float, now: float, max_future_s: float = MAX_FUTURE_S
) -> tuple[Reason, str] | None:
    """Why this event time can't be used, or None."""
    if not math.isfinite(timestamp):
        return "timestamp_not_finite", "timestamp is not a finite number"
    if timestamp < 0:
        return "timestamp_out_of_range", "timestamp lies before 1970; expected unix seconds"
    ahead = timestamp - now
    if ahead > max_future_s:
        unit = "; are these milliseconds?" if timestamp > 10 * max(now, 1e9) else ""
        return "timestamp_in_future", f"the event lies {_duration(ahead)} ahead{unit}"
    return None


def _duration(seconds: float) -> str:
    if seconds >= 1e15:
        return "very far"
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def is_blank(text: str | None) -> bool:
    """Nothing in it to encode: None, "" or white space only."""
    return not text or text.isspace()


def fits(value: str, limit: int) -> bool:
    """At most `limit` bytes of UTF-8, without encoding what is plainly short or long enough."""
    if 4 * len(value) <= limit:
        return True
    return len(value) <= limit and len(value.encode()) <= limit


def _reject_user_id(user_id: str) -> tuple[Reason, str] | None:
    if is_blank(user_id):
        return "empty_user_id", "user_id is empty"
    return _reject_length(user_id, MAX_USER_ID_BYTES, "user_id_too_long", "user_id")


def _reject_scenario(scenario: str) -> tuple[Reason, str] | None:
    if is_blank(scenario):
        return "scenario_empty", "scenario is empty"
    return _reject_length(scenario, MAX_SCENARIO_BYTES, "scenario_too_long", "scenario")


def _reject_length(value: str | None, limit: int, reason: Reason, field: str) -> tuple[Reason, str] | None:
    if value is None or fits(value, limit):
        return None
    return reason, f"{field} has {len(value.encode())} bytes, the limit is {limit}"


def _reject_content(item_id: str | None, text: str | None) -> tuple[Reason, str] | None:
    if item_id or not is_blank(text):
        return None
    return "no_item_and_no_text", "an event needs an item_id or a text"


_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def event_keys(
    *,
    event_ids: Sequence[str | None] | None,
    item: I32,
    items: Sequence[str],
    text: I32,
    texts: Sequence[str],
    scenario: I32,
    scenarios: Sequence[str],
    time: F64,
    action: U8,
) -> U64:
    """Identity of each event for duplicates: (B,) uint64, never 0.

    With an event id: XXH3-64 of it. Without one: the XXH3-64 of item, text and scenario, the bits of the
    time and the action, each folded in by the finaliser of SplitMix64 (Steele, Lea and Flood 2014), so that
    strings are hashed once per distinct value. The user is no part of it: keys are compared within a user.
    `event_ids` is None where no event has one; "" counts as none. Code columns and tables as in
    EventColumns; texts already truncated.
    """
    if event_ids is not None and all(event_ids):
        keys = _hashes(event_ids)[:-1]  # type: ignore[arg-type]  # no None among them
        keys[keys == 0] = 1
        return keys
    keys = np.zeros(len(time), np.uint64)
    keys = mixed_bits(keys ^ _hashes(items)[item])
    keys = mixed_bits(keys ^ _hashes(texts)[text])
    keys = mixed_bits(keys ^ _hashes(scenarios)[scenario])
    keys = mixed_bits(keys ^ (time + 0.0).view(np.uint64))  # + 0.0: minus zero is the same moment as zero
    keys = mixed_bits(keys ^ action.astype(np.uint64))
    if event_ids is not None:
        known = [row for row, event_id in enumerate(event_ids) if event_id]
        keys[known] = _hashes([event_id for event_id in event_ids if event_id])[:-1]
    keys[keys == 0] = 1
    return keys


def event_key(event: Event, action: int) -> int:
    """`event_keys` of one event.

    >>> click = Event("u", 1.0, "books", "b1", event_id="e1")
    >>> event_key(click, 1) == xxhash.xxh3_64_intdigest(b"e1")
    True
    """
    text = None if is_blank(event.text) else event.text
    items, texts = [event.item_id or ""], [(text or "")[:MAX_TEXT_CHARS]]
    keys = event_keys(
        event_ids=[event.event_id],
        item=np.array([0 if event.item_id else -1], np.int32),
        items=items,
        text=np.array([0 if text else -1], np.int32),
        texts=texts,
        scenario=np.zeros(1, np.int32),
        scenarios=[event.scenario],
        time=np.array([event.timestamp], np.float64),
        action=np.array([action], np.uint8),
    )
    return int(keys[0])


def _hashes(table: Sequence[str]) -> U64:
    """(T + 1,) XXH3-64 of each string; the last row is what the code -1 finds."""
    # Joined digests, not their integers: no Python integer is made of each. A digest is big-endian.
    digests = b"".join(map(xxhash.xxh3_64_digest, map(str.encode, table))) + bytes(8)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def mixed_bits(state: U64) -> U64:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of each number depends on all of its bits."""
    state = state + _STEP
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    mixed: U64 = state ^ (state >> np.uint64(31))
    return mixed
