"""Records of the items topic -> catalogue rows."""

from __future__ import annotations

import json

import pytest

from streams.events.attributes import AttributeChoice
from streams.events.decode_items import decode_items
from streams.events.encode import item_record
from streams.events.event import MAX_TEXT_CHARS, ItemRow
from streams.events.item_record import ItemDescription


def item(**fields) -> bytes:
    return json.dumps({"item_id": "i1", **fields}).encode()


def test_an_item_record_becomes_a_row():
    """Absent and null fields are empty, further ones are attributes."""
    values = [
        item(title="A", description="B", scenario="books", price=3),
        item(item_id="i2", title=None),
        item(item_id="i3"),
    ]
    decoded = decode_items(values, keys=[b"i1", None, b"i3"])
    assert decoded.rows == [ItemRow("i1", "A", "B", "books", {"price": 3}), ItemRow("i2"), ItemRow("i3")]
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
        item(item_id=5.5),
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


@pytest.mark.parametrize(
    ("item_id", "text"), [("007", "007"), (7, "7"), (7.0, "7"), (-1, "-1"), (2**60, str(2**60))]
)
def test_ids_are_texts_or_whole_numbers(item_id, text):
    """An id that a producer writes as a number is the same item as its decimal text."""
    assert decode_items([item(item_id=item_id)], keys=[None]).rows[0].item_id == text


@pytest.mark.parametrize("item_id", [True, 7.5, 2.0**60, ["a"], {"a": 1}])
def test_what_is_no_id_is_rejected(item_id):
    """Nothing else is taken for an id."""
    (reject,) = decode_items([item(item_id=item_id)], keys=[None]).rejects
    assert reject.reason == "wrong_type" and "item_id" in reject.detail


def test_further_fields_become_typed_attributes():
    """Numbers, booleans, short texts and lists of them are kept; long texts, objects and nulls are not."""
    kept = {"price": 19.9, "stock": 3, "sale": True, "brand": "acme", "tags": ["a", 1, False]}
    value = item(**kept, about="x" * 300, maker={"name": "acme"}, nothing=None, empty="", odd=[{"a": 1}])
    decoded = decode_items([value], keys=[None])
    assert decoded.rejects == [] and decoded.rows[0].attributes == kept


def test_attributes_have_a_bound():
    """An item whose attributes take more than 4 KB is rejected with the name of the largest, and none below it is."""
    fits = {f"a{n}": "x" * 250 for n in range(15)}
    assert decode_items([item(**fits)], keys=[None]).rows[0].attributes == fits
    (reject,) = decode_items([item(**fits, large=["y" * 200] * 3)], keys=[None]).rejects
    assert reject.reason == "attributes_too_large" and "large" in reject.detail and "yy" not in reject.detail


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"hidden": "TRUE"}, {"hidden": True}),
        ({"hidden": 0}, {"hidden": False}),
        ({"available_from": "2026-03-01"}, {"available_from": "2026-03-01T00:00:00Z"}),
        ({"available_from": "2026-03-01T00:00:00+02:00"}, {"available_from": "2026-02-28T22:00:00Z"}),
        ({"available_until": 1793527200.5}, {"available_until": "2026-11-01T10:00:00.500000Z"}),
        ({"available_until": 20261101}, {"available_until": "2026-11-01T00:00:00Z"}),
        ({"available_until": "2026-11-01 10:00:00 UTC"}, {"available_until": "2026-11-01T10:00:00Z"}),
        ({"available_from": None, "hidden": ""}, {}),
    ],
)
def test_what_recommend_goes_by_has_one_form(given, kept):
    """`hidden` is a boolean and availability a time in UTC, however they are written."""
    assert decode_items([item(**given)], keys=[None]).rows[0].attributes == kept


@pytest.mark.parametrize(
    "given",
    [
        {"hidden": "maybe"},
        {"available_from": "soon"},
        {"available_until": 1793527200000},
        {"available_until": [1]},
    ],
)
def test_unreadable_availability_is_rejected(given):
    """An item that says something about its availability that nobody can read is not shown by mistake."""
    (reject,) = decode_items([item(**given)], keys=[None]).rejects
    assert reject.reason == "wrong_type" and next(iter(given)) in reject.detail


def test_a_description_maps_fields_and_chooses_attributes():
    """Fields have other names or lie in objects; attributes are all, none or named ones, and those that `recommend` reads."""
    fields = {"item_id": "sku", "title": "names.en", "price": "offer.price"}
    record = {
        "sku": 1,
        "names": {"en": "Rake"},
        "title": "not this",
        "offer": {"price": 9},
        "brand": "acme",
        "hidden": 1,
    }

    def row(choice: str) -> ItemRow:
        description = ItemDescription(fields, AttributeChoice.parse(choice))
        values = [json.dumps(record).encode(), record]
        one, other = (decode_items([value], keys=[None], description=description).rows[0] for value in values)
        assert one == other
        return one

    assert row("all") == ItemRow("1", "Rake", attributes={"price": 9, "brand": "acme", "hidden": True})
    assert row("none") == ItemRow("1", "Rake")
    assert row("brand").attributes == {"brand": "acme", "hidden": True}


def test_markup_is_read_as_its_words():
    """A title or description in HTML is encoded and shown as its words."""
    html = (
        "<div><p>Soft &amp; <b>wa</b>rm</p><script>evil()</script><!-- no --><ul><li>wool<li>silk</ul></div>"
    )
    row = decode_items([item(title="Salt &amp; Pepper", description=html)], keys=[None]).rows[0]
    assert (row.title, row.description) == ("Salt & Pepper", "Soft & warm wool silk")
    plain = "if a < b and c > d; vector<int> & R&D;"
    assert decode_items([item(title=plain)], keys=[None]).rows[0].title == plain


def test_a_row_becomes_the_record_that_is_that_row():
    """What is sent of a row to the topic is read back as the same row."""
    row = ItemRow(
        "i1", "Rake", "", "garden", {"price": 9.5, "tags": ["a"], "available_from": "2026-03-01T00:00:00Z"}
    )
    key, value = item_record(row)
    assert decode_items([value], keys=[key]).rows == [row]
