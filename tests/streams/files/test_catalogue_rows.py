"""Which row of an item counts, over batches and files, in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinks.points import item_key
from streams.errors import LogError
from streams.events.event import ItemRow
from streams.files.catalogue_file import open_catalogue
from streams.files.catalogue_rows import CatalogueRows

ROW = st.fixed_dictionaries(
    {
        "item_id": st.sampled_from(["a", "b", "c", "d", "", "x" * 600]),
        "title": st.sampled_from(["", " ", "one", "two"]),
        "scenario": st.sampled_from(["", "s"]),
        "price": st.integers(0, 9),
    }
)


def lines(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(rows: CatalogueRows, wanted=None) -> list[ItemRow]:
    return [row for _, batch in rows.batches(wanted) for row in batch]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=1, max_size=3), batch=st.integers(1, 5)
)
def test_the_last_row_with_a_text_counts(tmp_path: Path, files: list[list[dict]], batch: int) -> None:
    """Whatever the order, the batches and the files: of each item one row, whole, in the order of the files."""
    paths = [lines(tmp_path / f"{n}.jsonl", rows) for n, rows in enumerate(files)]
    wanted: dict[str, dict] = {}
    read = [row for rows in files for row in rows]
    good = [row for row in read if 0 < len(row["item_id"]) < 600]
    for row in good:
        before = wanted.get(row["item_id"])
        if before is None or row["title"].strip() or not before["title"].strip():
            wanted.pop(row["item_id"], None)
            wanted[row["item_id"]] = row
    with CatalogueRows(open_catalogue(paths, batch_rows=batch)) as rows:
        found = rows_of(rows)
        assert {row.item_id: row for row in found} == {
            row["item_id"]: ItemRow(
                row["item_id"], row["title"], "", row["scenario"], {"price": row["price"]}
            )
            for row in wanted.values()
        }
        assert [row.item_id for row in found] == list(wanted)
        assert (rows.read, rows.rejected) == (len(read), len(read) - len(good))
        assert rows.repeated == len(good) - len(wanted)
        assert rows.keys.tolist() == [item_key(row.item_id) for row in found]
        assert (rows.texts != 0).tolist() == [bool(row.title.strip()) for row in found]
        some = np.arange(len(found)) % 2 == 0
        assert rows_of(rows, some) == found[::2]
        assert rows_of(rows) == found


def test_rows_of_more_items_than_a_batch_are_all_there(tmp_path: Path) -> None:
    """Rows are numbered through, and the first of each distinct text is found."""
    many = [{"item_id": f"i{n}", "title": f"text {n % 700}"} for n in range(12_000)]
    with CatalogueRows(open_catalogue([lines(tmp_path / "i.jsonl", many)])) as rows:
        assert [first for first, _ in rows.batches()] == [0, 5000, 10_000]
        assert [row.title for row in rows_of(rows, rows.text_rows(1000))] == [f"text {n}" for n in range(700)]
        chosen = [row.title for row in rows_of(rows, rows.text_rows(100))]
        assert len(chosen) == len(set(chosen)) == 100 and chosen == sorted(
            chosen, key=lambda one: int(one[5:])
        )


def test_variants_of_a_product_do_not_empty_it(tmp_path: Path) -> None:
    """A shop's export with one row a variant, of which the first alone has title and description, is one item a product."""
    path = tmp_path / "products.csv"
    path.write_text(
        "Handle,Title,Body (HTML),Vendor,Variant SKU,Variant Price\n"
        'jacket,Soft jacket,"<p>Warm &amp; <b>soft</b></p>",Acme,007-S,20.50\n'
        "jacket,,,,007-M,22\n"
        "scarf,Scarf,,Acme,008,5\n"
    )
    with pytest.raises(LogError) as caught:
        open_catalogue([path])
    assert "--items-map 'item_id=Handle,title=Title,description=Body (HTML)'" in str(caught.value)
    mapping = {"item_id": "Handle", "title": "Title", "description": "Body (HTML)", "price": "Variant Price"}
    from streams.events.item_record import ItemDescription

    with CatalogueRows(open_catalogue([path], ItemDescription(mapping), needed=tuple(mapping))) as rows:
        assert rows_of(rows) == [
            ItemRow(
                "jacket",
                "Soft jacket",
                "Warm & soft",
                "",
                {"Vendor": "Acme", "Variant SKU": "007-S", "price": 20.5},
            ),
            ItemRow("scarf", "Scarf", "", "", {"Vendor": "Acme", "Variant SKU": "008", "price": 5}),
        ]
        assert (rows.repeated, rows.rejected) == (1, 0)


def test_rejected_rows_are_told_apart_by_whether_they_name_their_item(tmp_path: Path) -> None:
    """An item whose row is wrong is still known to be in the catalogue; a row without an id is not."""
    path = tmp_path / "i.jsonl"
    path.write_text(
        '{"item_id":"a","title":"t"}\n{"item_id":"b","title":[1]}\n{"title":"t"}\nx\n{"item_id":"c"}\n'
    )
    with CatalogueRows(open_catalogue([path])) as rows:
        assert [row.item_id for row in rows_of(rows)] == ["a", "c"]
        assert (rows.rejected, rows.unnamed) == (3, 2)
        assert rows.refused_keys.tolist() == [item_key("b")]
        assert [reject.position for reject in rows.first_rejects] == [1, 2, 3]
