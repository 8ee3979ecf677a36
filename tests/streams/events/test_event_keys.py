"""The identity of an event, by which duplicates are found."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streams.events.event import MAX_TEXT_CHARS, Event
from support.data.event_columns import event_key

CLICK = Event("u1", 1_700_000_000.25, "books", item_id="b1")


def test_same_event_id_is_the_same_event_whatever_else_it_says():
    """An event id alone tells duplicates."""
    one = Event("u1", 1.0, "books", item_id="b1", event_id="e1")
    other = Event("u1", 2.0, "games", text="chess", event_id="e1")
    assert event_key(one, 0) == event_key(other, 2)
    assert event_key(one, 0) != event_key(Event("u1", 1.0, "books", item_id="b1", event_id="e2"), 0)


@pytest.mark.parametrize(
    ("other", "action"),
    [
        (Event("u1", 1_700_000_000.25, "books", item_id="b2"), 1),
        (Event("u1", 1_700_000_000.5, "books", item_id="b1"), 1),
        (Event("u1", 1_700_000_000.25, "games", item_id="b1"), 1),
        (Event("u1", 1_700_000_000.25, "books", item_id="b1", text="good"), 1),
        (Event("u1", 1_700_000_000.25, "books", text="b1"), 1),
        (CLICK, 2),
    ],
    ids=["item", "time", "scenario", "text", "text instead of item", "action"],
)
def test_without_an_event_id_any_difference_makes_another_event(other, action):
    """Item, text, time, action and scenario tell events apart."""
    assert event_key(CLICK, 1) != event_key(other, action)


def test_what_the_state_does_not_use_is_no_difference():
    """Optional numbers, empty ids and blank texts do not make another event."""
    same = Event("u1", 1_700_000_000.25, "books", item_id="b1", text="  ", event_id="", dwell_s=3.0)
    assert event_key(CLICK, 1) == event_key(same, 1)


def test_texts_that_are_cut_alike_are_alike():
    """The key is that of the text as it is used."""
    long = "x" * MAX_TEXT_CHARS
    assert event_key(Event("u", 1.0, "s", text=long + "a"), 0) == event_key(
        Event("u", 1.0, "s", text=long), 0
    )


def test_key_is_the_same_in_every_process():
    """Keys outlive the process that made them."""
    program = (
        "from streams.events.decode import decode_events;"
        """record = b'{"user_id":"u1","timestamp":1700000000.25,"scenario":"books","item_id":"b1"}';"""
        "found = decode_events([record], offsets=[0], action=1, source='test', now=1700000000.0);"
        "print(found.columns.key[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": _root()},
    )
    assert int(done.stdout) == event_key(CLICK, 1) == 10645705509456450844


def _root() -> str:
    import streams

    return str(streams.__path__[0]).removesuffix("/streams")
