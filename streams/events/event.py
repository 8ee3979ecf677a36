"""The event: fields, limits, identity, and the reasons for rejecting one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from encoders.media_reference import MediaReference
from streams.events.likely_time import advice, likely_form
from streams.events.times import TimeForm, unscaled

MAX_USER_ID_BYTES: Final = 256
MAX_ITEM_ID_BYTES: Final = 512
MAX_SCENARIO_BYTES: Final = 200
MAX_EVENT_ID_BYTES: Final = 256
MAX_TEXT_CHARS: Final = 8192
"""A longer text is truncated, not rejected: the encoder reads less than this anyway."""
MAX_FUTURE_S: Final = 3600.0
"""How far ahead of now an event may be before its clock is called wrong; see `streams.settings.Settings.max_future_s`."""

RejectReason = Literal[
    "empty_record",
    "not_json",
    "nested_too_deep",
    "wrong_type",
    "missing_field",
    "attributes_too_large",
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
    "item_id_collision",
    "action_contradicts_topic",
    "processing_failed",
    "user_quarantined",
    "unreadable_record",
    "not_framed",
    "unknown_schema",
    "unusable_schema",
    "undecodable_record",
    "operation_refused",
    "several_events",
    "unreadable_key",
]
"""Why a record was rejected: a stable, bounded set, used as a metric label."""


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
    """One catalogue item, whole; "" where the catalogue says nothing."""

    item_id: str
    title: str = ""
    description: str = ""
    scenario: str = ""
    attributes: dict[str, Any] = {}
    """what it is filtered by: `sinks.attributes.Attributes`"""
    image: MediaReference | None = None
    audio: MediaReference | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was not applied: its position in the batch (or row number in the log) and why.

    `detail` is bounded and never quotes the record, which may hold personal data.
    """

    position: int
    reason: RejectReason
    detail: str


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """What event times are judged by."""

    earliest_s: float = 0.0
    """unix seconds; an event before has a wrong clock or unit"""
    max_future_s: float = MAX_FUTURE_S
    """how far ahead of the present an event may be"""
    form: TimeForm = "auto"
    """by which the times were read; to tell by which they might be meant"""


def reject_reason(
    event: Event,
    now: float,
    limits: TimeLimits = TimeLimits(),  # immutable
) -> tuple[RejectReason, str] | None:
    """Why this event can't be applied, or None. `now` in unix seconds.

    >>> reject_reason(Event("u", 1_700_000_000_000, "books", "b1"), now=1_700_000_000.0)[0]
    'timestamp_in_future'
    """
    return (
        _reject_user_id(event.user_id)
        or reject_timestamp(event.timestamp, now, limits)
        or _reject_scenario(event.scenario)
        or _reject_length(event.item_id, MAX_ITEM_ID_BYTES, "item_id_too_long", "item_id")
        or _reject_length(event.event_id, MAX_EVENT_ID_BYTES, "event_id_too_long", "event_id")
        or _reject_content(event.item_id, event.text)
    )


def reject_timestamp(
    timestamp: float,
    now: float,
    limits: TimeLimits = TimeLimits(),  # immutable
) -> tuple[RejectReason, str] | None:
    """Why this event time can't be used, or None.

    >>> reject_timestamp(1_700_000_000_000, 1.7e9)[1]
    'the event is 19656250 days ahead; these look like milliseconds: --time ms, or [events] time = "ms"'
    """
    if not math.isfinite(timestamp):
        return "timestamp_not_finite", "timestamp is not a finite number"
    if timestamp < max(0.0, limits.earliest_s):
        since = (
            f"{datetime.fromtimestamp(limits.earliest_s, UTC):%Y-%m-%d}" if limits.earliest_s > 0 else "1970"
        )
        return "timestamp_out_of_range", f"timestamp is before {since}{_meant(timestamp, now, limits)}"
    ahead = timestamp - now
    if ahead > limits.max_future_s:
        return "timestamp_in_future", f"the event is {_duration(ahead)} ahead{_meant(timestamp, now, limits)}"
    return None


def _meant(timestamp: float, now: float, limits: TimeLimits) -> str:
    """Which form the number would be a time of, if there is one."""
    number = unscaled(timestamp, limits.form)
    form = None if number is None else likely_form(number, now)
    return "" if form is None or form == limits.form else f"; {advice(form)}"


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


def _reject_user_id(user_id: str) -> tuple[RejectReason, str] | None:
    if is_blank(user_id):
        return "empty_user_id", "user_id is empty"
    return _reject_length(user_id, MAX_USER_ID_BYTES, "user_id_too_long", "user_id")


def _reject_scenario(scenario: str) -> tuple[RejectReason, str] | None:
    if is_blank(scenario):
        return "scenario_empty", "scenario is empty"
    return _reject_length(scenario, MAX_SCENARIO_BYTES, "scenario_too_long", "scenario")


def _reject_length(
    value: str | None, limit: int, reason: RejectReason, field: str
) -> tuple[RejectReason, str] | None:
    if value is None or fits(value, limit):
        return None
    return reason, f"{field} has {len(value.encode())} bytes, the limit is {limit}"


def _reject_content(item_id: str | None, text: str | None) -> tuple[RejectReason, str] | None:
    if item_id or not is_blank(text):
        return None
    return "no_item_and_no_text", "an event needs an item_id or a text"
