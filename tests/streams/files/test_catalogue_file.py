"""Catalogue files of every kind -> item rows."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.errors import LogError
from streams.events.event import MAX_TEXT_CHARS, ItemRow
from streams.events.item_record import ItemDescription
from streams.files.catalogue_file import open_catalogue
from support.data.log_files import KINDS, write

ROWS = [
    {
        "item_id": f"i{i}",
        "title": f"Title {i}" if i % 3 else None,
        "description": f'Line 1,\n"line" {i}' if i % 2 else None,
        "scenario": "bücher" if i % 4 else None,
        "price": i / 2,
    }
    for i in range(20)
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_catalogue_is_read_whatever_its_kind(tmp_path, kind):
    """Null fields are empty, further columns are attributes of the same types, the order is the file's."""
    catalogue = open_catalogue([write(tmp_path / f"items.{kind}", ROWS)], batch_rows=6)
    batches = list(catalogue)
    assert catalogue.total_rows == 20
    assert [len(batch.rows) for batch in batches] == [6, 6, 6, 2]
    assert [row for batch in batches for row in batch.rows] == [
        ItemRow(
            row["item_id"],
            row["title"] or "",
            row["description"] or "",
            row["scenario"] or "",
            {"price": row["price"]},
        )
        for row in ROWS
    ]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_an_item_id_is_enough(tmp_path, kind):
    """Items need no text; numeric ids are their decimal text; several files are one catalogue."""
    paths = [write(tmp_path / f"{name}.{kind}", [{"sku": n}]) for n, name in enumerate("ab")]
    rows = [row for batch in open_catalogue(paths, ItemDescription({"item_id": "sku"})) for row in batch.rows]
    assert rows == [ItemRow("0"), ItemRow("1")]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_bad_rows_are_rejected_by_number(tmp_path, kind):
    """A row without an id costs itself only; a long description is cut."""
    rows = [
        {"item_id": "a", "title": "x", "scenario": "s", "description": "d" * 10_000},
        {"item_id": None, "title": "x", "scenario": "s", "description": ""},
        {"item_id": "i" * 600, "title": "x", "scenario": "s", "description": ""},
        {"item_id": "b", "title": "x", "scenario": "s" * 300, "description": ""},
        {"item_id": "c", "title": "x", "scenario": "s", "description": ""},
    ]
    batches = list(open_catalogue([write(tmp_path / f"items.{kind}", rows)], batch_rows=2))
    found = [row for batch in batches for row in batch.rows]
    assert [row.item_id for row in found] == ["a", "c"]
    assert len(found[0].description) == MAX_TEXT_CHARS
    assert [(r.position, r.reason) for batch in batches for r in batch.rejects] == [
        (1, "empty_item_id"),
        (2, "item_id_too_long"),
        (3, "scenario_too_long"),
    ]


def test_a_catalogue_of_another_schema_is_refused(tmp_path):
    """File and column are named before anything is read."""
    path = write(tmp_path / "items.csv", [{"id": "a", "title": "t"}])
    for mapping in ({}, {"item_id": "sku"}, {"item_id": "id", "scenario": "shelf"}):
        with pytest.raises(LogError) as caught:
            open_catalogue([path], ItemDescription(mapping or {}), needed=tuple(mapping or {}))
        assert str(path) in str(caught.value)
        assert repr(list(mapping.values())[-1] if mapping else "item_id") in str(caught.value)
    pq.write_table(pa.table({"item_id": ["a"], "title": [True]}), tmp_path / "items.parquet")
    with pytest.raises(LogError, match=r"'title' is of type bool"):
        open_catalogue([tmp_path / "items.parquet"])


@pytest.mark.parametrize("kind", ["parquet", "csv", "csv.gz", "jsonl", "jsonl.gz"])
def test_a_catalogue_cut_short_is_refused(tmp_path, kind):
    """Nothing of a cut file is used."""
    path = write(tmp_path / f"items.{kind}", ROWS)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(LogError, match=str(path)):
        open_catalogue([path])


def test_no_files_are_an_error():
    """An empty list of files is a mistake, not an empty catalogue."""
    with pytest.raises(LogError, match="no catalogue files"):
        open_catalogue([])
