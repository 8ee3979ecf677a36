"""Records of the items topic -> catalogue rows."""

from __future__ import annotations

import json

from streams.events.decode import decode_items
from streams.events.event import MAX_TEXT_CHARS, ItemRow


def item(**fields) -> bytes:
    return json.dumps({"item_id": "i1", **fields}).encode()


def test_an_item_record_becomes_a_row():
    """Absent and null fields are empty, unknown ones ignored."""
    values = [
        item(title="A", description="B", scenario="books", price=3),
        item(item_id="i2", title=None),
        item(item_id="i3"),
    ]
    decoded = decode_items(values, keys=[b"i1", None, b"i3"])
    assert decoded.rows == [ItemRow("i1", "A", "B", "books"), ItemRow("i2"), ItemRow("i3")]
    assert decoded.deletes == []
    assert decoded.rejects == []


def test_the_last_word_on_an_item_holds():
    """An item that is changed, deleted or brought back within a batch ends as its last record says."""
    decoded = decode_items(
        [item(title="old"), None, item(item_id="i2"), None, item(item_id="i3", title="a"), item(title="new")],
        keys=[b"i1", b"i1", b"i2", b"i2", b"i3", b"i1"],
    )
    assert decoded.rows == [ItemRow("i3", "a"), ItemRow("i1", "new")]
    assert decoded.deletes == ["i2"]


def test_bad_item_records_are_rejected_with_reasons():
    """Each bad record has its reason; the others are kept."""
    values = [
        b"x",
        item(item_id=""),
        item(item_id="i" * 600),
        item(item_id=5),
        b'{"title":"no id"}',
        item(scenario="s" * 300),
        None,
        None,
        b"\xff",
        item(),
    ]
    keys = [None] * 6 + [None, b"\xff", b"k", b"i1"]
    decoded = decode_items(values, keys=keys)
    assert decoded.rows == [ItemRow("i1")]
    assert [(r.position, r.reason) for r in decoded.rejects] == [
        (0, "not_json"),
        (1, "empty_item_id"),
        (2, "item_id_too_long"),
        (3, "wrong_type"),
        (4, "missing_field"),
        (5, "scenario_too_long"),
        (6, "empty_item_id"),
        (7, "not_json"),
        (8, "not_json"),
    ]


def test_long_descriptions_are_cut():
    """A description of any length is taken."""
    decoded = decode_items([item(description="x" * 100_000)], keys=[b"i1"])
    assert len(decoded.rows[0].description) == MAX_TEXT_CHARS
