"""What makes an event invalid, and how that is said."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from streams.events.event import Event, RejectReason, TimeLimits, reject_reason

NOW = 1_700_000_000.0


def reason_of(**fields) -> str | None:
    event = Event(**{"user_id": "u1", "timestamp": NOW, "scenario": "books", "item_id": "b1", **fields})
    found = reject_reason(event, NOW)
    if found is None:
        return None
    assert found[0] in get_args(RejectReason)
    assert len(found[1]) < 200
    return found[0]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"user_id": ""}, "empty_user_id"),
        ({"user_id": " \t"}, "empty_user_id"),
        ({"user_id": "u" * 257}, "user_id_too_long"),
        ({"user_id": "ü" * 129}, "user_id_too_long"),
        ({"user_id": "u" * 1_000_000}, "user_id_too_long"),
        ({"item_id": "i" * 513}, "item_id_too_long"),
        ({"event_id": "e" * 257}, "event_id_too_long"),
        ({"scenario": ""}, "scenario_empty"),
        ({"scenario": "s" * 201}, "scenario_too_long"),
        ({"item_id": None}, "no_item_and_no_text"),
        ({"item_id": "", "text": " \n"}, "no_item_and_no_text"),
        ({"timestamp": math.nan}, "timestamp_not_finite"),
        ({"timestamp": math.inf}, "timestamp_not_finite"),
        ({"timestamp": -math.inf}, "timestamp_not_finite"),
        ({"timestamp": NOW + 86401}, "timestamp_in_future"),
        ({"timestamp": 1e300}, "timestamp_in_future"),
        ({"timestamp": -1.0}, "timestamp_out_of_range"),
    ],
)
def test_an_event_outside_the_limits_is_rejected_with_its_reason(fields, reason):
    """Each limit has one stable reason."""
    assert reason_of(**fields) == reason


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"user_id": "u" * 256},
        {"user_id": "ü" * 128},
        {"item_id": None, "text": "a question"},
        {"item_id": "", "text": "a question"},
        {"text": "x" * 100_000},
        {"timestamp": NOW + 3599},
        {"timestamp": 0.0},
        {"scenario": "本" * 66},
    ],
)
def test_an_event_within_the_limits_is_accepted(fields):
    """Limits are inclusive, a long text is no reason, and old events are welcome."""
    assert reason_of(**fields) is None


def test_milliseconds_are_recognised():
    """The commonest mistake with times is named."""
    found = reject_reason(Event("u", NOW * 1000, "books", "b1"), NOW)
    assert found is not None
    assert found[0] == "timestamp_in_future"
    assert "these look like milliseconds: --time ms" in found[1]


def test_the_limit_of_the_future_can_be_set():
    """How far ahead an event may be is a setting."""
    ahead = Event("u", NOW + 7200, "books", "b1")
    assert reject_reason(ahead, NOW, TimeLimits(max_future_s=3600)) is not None
    assert reject_reason(ahead, NOW, TimeLimits(max_future_s=7201)) is None
