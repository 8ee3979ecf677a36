"""Which columns of a catalogue are recognised, refused and proposed; what a CSV's columns hold."""

from __future__ import annotations

import pytest

from streams.errors import LogError, MappingError
from streams.events.attributes import AttributeChoice
from streams.events.item_record import ItemDescription
from streams.files.catalogue_columns import parse_item_mapping, proposed_mapping
from streams.files.catalogue_file import open_catalogue
from support.data.log_files import write

KINDS = ["parquet", "csv", "jsonl"]


@pytest.mark.parametrize(
    ("columns", "proposal"),
    [
        ("item_id,name,price", "title=name"),
        ("item_id,product_name,short_description", "title=product_name,description=short_description"),
        ("sku,Name,Body,category", "item_id=sku,title=Name,description=Body,scenario=category"),
        ("Handle,Title,Body (HTML),Type", "item_id=Handle,title=Title,description=Body (HTML),scenario=Type"),
        ("item_id,colour", ""),
    ],
)
def test_usual_names_are_proposed(columns: str, proposal: str) -> None:
    """What shops call their columns is found, whatever the case and the signs between."""
    known = {"item_id": "item_id"} if "item_id" in columns else {}
    assert proposed_mapping(columns.split(","), known) == parse_item_mapping(proposal)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_a_known_text_is_refused_with_a_proposal(tmp_path, kind) -> None:
    """The columns are named, and what to map; whoever has no texts says so."""
    path = write(tmp_path / f"items.{kind}", [{"item_id": "a", "name": "Rake", "price": 5}])
    with pytest.raises(LogError) as caught:
        open_catalogue([path])
    assert "item_id, name, price" in str(caught.value) and "--items-map title=name" in str(caught.value)
    assert [row.attributes for batch in open_catalogue([path], allow_empty=True) for row in batch.rows] == [
        {"name": "Rake", "price": 5}
    ]
    mapped = open_catalogue([path], ItemDescription({"title": "name"}), needed=("title",))
    assert [row.title for batch in mapped for row in batch.rows] == ["Rake"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_ids_and_scenarios_alone_is_taken(tmp_path, kind) -> None:
    """Where no column may be a text nothing was overlooked."""
    path = write(tmp_path / f"items.{kind}", [{"item_id": "a", "scenario": "garden"}])
    assert not open_catalogue([path]).has_texts


def test_columns_of_a_csv_are_numbers_or_truth_values_as_a_whole(tmp_path) -> None:
    """A column is of numbers if each of its values is one; ids with zeros or too many digits stay texts."""
    path = tmp_path / "items.csv"
    path.write_text(
        "item_id,title,price,sale,code,ean,size,mixed,none,hidden\n"
        "1,A,5,true,007,1,40,1,,0\n"
        "2,B,-2.5e1,FALSE,1,99999999999999999,XL,true,,yes\n"
        "3,C,,,,,,,,\n"
    )
    rows = [row for batch in open_catalogue([path], batch_rows=1) for row in batch.rows]
    assert [row.item_id for row in rows] == ["1", "2", "3"]
    assert [row.attributes for row in rows] == [
        {
            "price": 5,
            "sale": True,
            "code": "007",
            "ean": "1",
            "size": "40",
            "mixed": "1",
            "hidden": False,
        },
        {
            "price": -25,
            "sale": False,
            "code": "1",
            "ean": "9" * 17,
            "size": "XL",
            "mixed": "true",
            "hidden": True,
        },
        {},
    ]


def test_named_attributes_alone_are_kept(tmp_path) -> None:
    """A choice keeps what it names, and what `recommend` goes by."""
    path = write(
        tmp_path / "items.csv", [{"item_id": "a", "title": "t", "price": 5, "brand": "x", "hidden": "true"}]
    )
    for choice, kept in {"none": {}, "price": {"price": 5, "hidden": True}}.items():
        opened = open_catalogue([path], ItemDescription({}, AttributeChoice.parse(choice)))
        assert [row.attributes for batch in opened for row in batch.rows] == [kept]


def test_a_mapping_is_of_known_fields() -> None:
    """A typing error is no attribute."""
    assert parse_item_mapping("title=name,price=Variant Price") == {"title": "name", "price": "Variant Price"}
    for wrong in ("titel=name", "name=title", "title", "title=", "title=a,title=b"):
        with pytest.raises(MappingError, match="--items-map"):
            parse_item_mapping(wrong)
