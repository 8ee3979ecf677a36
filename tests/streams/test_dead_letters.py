"""Dead letters: the record as it was, where it came from, why."""

from __future__ import annotations

from typing import Any

from streams.dead_letters import MAX_VALUE_BYTES, letter
from streams.event import Reject
from support.fetched import Fetched


def headers(record: Fetched) -> dict[str, bytes]:
    made: dict[str, Any] = letter(record, Reject(3, "not_json", "malformed"))
    return dict(made["headers"])


def test_a_letter_has_bytes_position_and_reason() -> None:
    """Key and value are unchanged, the rest is in the headers."""
    record = Fetched(b"{nope", 17, key=b"ada", topic="clicks", partition=2)
    made = letter(record, Reject(3, "not_json", "malformed"))
    assert (made["key"], made["value"]) == (b"ada", b"{nope")
    assert headers(record) == {
        "reason": b"not_json",
        "detail": b"malformed",
        "source-topic": b"clicks",
        "source-partition": b"2",
        "source-offset": b"17",
    }


def test_what_the_broker_would_not_take_is_cut_and_says_so() -> None:
    """A record at the broker's limit leaves room for headers: it is cut, and its length kept."""
    big = Fetched(b"x" * 1_048_000, 1)
    assert len(letter(big, Reject(0, "wrong_type", ""))["value"]) < MAX_VALUE_BYTES
    assert headers(big)["truncated"] == b"1048000"
    wide = Fetched(b"v", 1, key=b"k" * 1_000_000)
    assert headers(wide)["truncated-key"] == b"1000000"
    assert len(letter(wide, Reject(0, "wrong_type", ""))["key"]) == 1024


def test_a_tombstone_is_a_letter_too() -> None:
    """A record without a value keeps having none."""
    assert letter(Fetched(None, 1), Reject(0, "empty_record", ""))["value"] is None
