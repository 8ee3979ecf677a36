"""Dead letters: the record as it was, where it came from, why; and that any record has one that its topic takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.events.event import Reject
from streams.letters.letter import LEAST_BYTES, PARKED, letter, read_letter, size_of
from support.data.event_columns import NOW
from support.data.fetched import Fetched


def record_of(value: bytes | None, **fields: Any) -> Fetched:
    return Fetched(value, 17, **{"key": b"ada", "partition": 2, **fields})


REJECT = Reject(3, "not_json", "malformed")


def headers(made: dict[str, Any]) -> dict[str, bytes]:
    return dict(made["headers"])


def test_a_letter_has_bytes_position_and_reason() -> None:
    """Key, value and the record's own headers are unchanged, the rest is in the letter's headers."""
    made = letter(record_of(b"{nope", headers=(("trace", b"7"), ("reason", b"theirs"))), REJECT, "c1/t1/2")
    assert (made["key"], made["value"]) == (b"ada", b"{nope")
    assert headers(made) == {
        "reason": b"not_json",
        "detail": b"malformed",
        "source": b"c1/t1/2",
        "source-topic": b"clicks",
        "source-partition": b"2",
        "source-offset": b"17",
        "source-time": str(int(NOW * 1000)).encode(),
        "original.trace": b"7",
        "original.reason": b"theirs",
    }


def test_a_letter_is_read_as_it_was_written() -> None:
    """What the topic gives back tells the record's position, its headers and why; the letter's identity is the record's."""
    made = letter(record_of(b"{nope", headers=(("trace", b"7"),)), REJECT, "c1/t1/2")
    read = read_letter(0, 5, 99, made["key"], made["value"], made["headers"])
    assert (read.reason, read.source_topic, read.source_partition, read.source_offset) == (
        "not_json",
        "clicks",
        2,
        17,
    )
    assert read.headers == (("trace", b"7"),)
    assert read.identity("c1") == "letter/c1/t1/2/17"
    again = read_letter(1, 800, 100, made["key"], made["value"], made["headers"])
    assert again.identity("c1") == read.identity("c1")


@pytest.mark.parametrize("limit", [LEAST_BYTES, 2_000, 100_000, 1_048_588])
@pytest.mark.parametrize(
    "record",
    [
        record_of(b"x" * 18_000_000),
        record_of(b"v", key=b"k" * 3_000_000),
        record_of(b"x" * 900_000, key=b"k" * 900_000),
        record_of(b"v", headers=(("h" * 30_000, b"x"),)),
        record_of(b"v", headers=(("big", b"x" * 2_000_000),)),
        record_of(b"v", headers=tuple((f"h{i}", b"1") for i in range(200_000))),
        record_of(None, key=b"k" * 3_000_000),
        record_of(None, key=None, headers=(("big", b"x" * 2_000_000),)),
    ],
    ids=["value", "key", "both", "header name", "header", "headers", "tombstone", "nothing"],
)
def test_any_record_has_a_letter_of_any_size(record: Fetched, limit: int) -> None:
    """Whatever a record holds, its letter fits what the topic takes, and says what was cut."""
    made = letter(record, REJECT, "c1/t1/2", limit)
    assert size_of(made) <= limit
    read = read_letter(0, 0, 0, made["key"], made["value"], made["headers"])
    assert (read.reason, read.source_offset) == ("not_json", 17)
    assert ("truncated" in read.cuts) == (made["value"] != record.value and bool(record.value))
    assert ("truncated-key" in read.cuts) == (made["key"] != record.key)
    assert ("truncated-headers" in read.cuts) == (len(read.headers) < len(record.headers))
    assert read.value is None if record.value is None else record.value.startswith(read.value or b"")


@given(
    key=st.none() | st.binary(max_size=3000),
    value=st.none() | st.binary(max_size=3000),
    own=st.lists(st.tuples(st.text(max_size=40), st.binary(max_size=300)), max_size=12),
    limit=st.integers(LEAST_BYTES, 4000),
)
def test_a_letter_never_exceeds_its_limit(
    key: bytes | None, value: bytes | None, own: list[tuple[str, bytes]], limit: int
) -> None:
    """For any key, value, headers and limit; and nothing is cut that would fit beside what tells of cuts, 129 bytes."""
    record = record_of(value, key=key, headers=tuple(own))
    made = letter(record, REJECT, "c1/t1/2", limit)
    assert size_of(made) <= limit
    read = read_letter(0, 0, 0, made["key"], made["value"], made["headers"])
    if not read.cuts:
        assert (read.key, read.value, list(read.headers)) == (key, value, own)
    else:
        assert size_of(letter(record, REJECT, "c1/t1/2", 1 << 30)) + 129 > limit


def test_lengths_of_what_was_cut_are_told() -> None:
    """The headers of a cut letter say how long key and value were, and how many headers there were."""
    made = headers(
        letter(
            record_of(b"x" * 9000, key=b"k" * 8000, headers=(("a", b"1"), ("b", b"x" * 9000))),
            REJECT,
            limit=5000,
        )
    )
    assert (made["truncated"], made["truncated-key"], made["truncated-headers"]) == (b"9000", b"8000", b"2")


def test_a_record_of_nothing_is_a_letter_too() -> None:
    """A tombstone keeps having no value; a record without key and value, which the client can't send, says so."""
    assert letter(record_of(None), REJECT)["value"] is None
    made = letter(record_of(None, key=None), REJECT)
    assert made["value"] == b""
    assert read_letter(0, 0, 0, None, b"", made["headers"]).value is None


def test_a_parked_record_of_another_form_is_not_rewritten():
    """What is not Driftline's own JSON is kept as it is, as far as the topic takes it: nobody here knows what to leave out."""
    value = json.dumps({"before": None, "after": {"customer": 7}, "op": "c", "source": "x" * 4000}).encode()
    parked = Reject(0, PARKED, "waits")
    made = letter(record_of(value), parked, limit=6000, is_plain=False)
    assert made["value"] == value
    own = json.dumps(
        {"user_id": "u", "timestamp": 1.0, "scenario": "s", "item_id": "i", "more": "x" * 4000}
    ).encode()
    assert len(letter(record_of(own), parked, limit=6000)["value"]) < 200
