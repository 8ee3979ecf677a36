"""Columns of pictures and sounds in catalogues of every kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encoders.media_reference import MediaReference
from streams.errors import LogError
from streams.events.event import ItemRow
from streams.events.item_record import ItemDescription
from streams.files.catalogue_file import open_catalogue
from streams.files.catalogue_rows import CatalogueRows

BOTH = ItemDescription(media=("image", "audio"))


def rows_of(path: Path, description: ItemDescription = BOTH) -> list[ItemRow]:
    """As they come out of the temporary file."""
    with CatalogueRows(open_catalogue([path], description)) as rows:
        return [row for _, batch in rows.batches() for row in batch]


def parquet(folder: Path, images: pa.Array) -> Path:
    path = folder / "items.parquet"
    pq.write_table(pa.table({"item_id": [f"i{n}" for n in range(len(images))], "image": images}), path)
    return path


STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["a.png", None, " "], pa.string(), ["a.png", None, None]),
        (["a.png", None, ""], pa.large_string(), ["a.png", None, None]),
        (["a.png", "b.png", "a.png"], pa.dictionary(pa.int32(), pa.string()), ["a.png", "b.png", "a.png"]),
        ([b"\x89PNG", None, b""], pa.binary(), [b"\x89PNG", None, None]),
        (
            [{"bytes": b"\xff\xd8", "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}, None],
            STRUCT,
            [b"\xff\xd8", "b.jpg", None],
        ),
    ],
)
def test_parquet_holds_paths_bytes_or_both(
    tmp_path: Path, values: list[Any], kind: pa.DataType, expected: list[Any]
) -> None:
    """Strings are paths beside the file, bytes the content; of a struct the bytes count, else its path."""
    found = rows_of(parquet(tmp_path, pa.array(values, kind)))
    assert [row.image and (row.image.data or row.image.text) for row in found] == expected
    assert {row.image.folder for row in found if row.image} == {str(tmp_path)}


def test_csv_and_json_name_paths(tmp_path: Path) -> None:
    """Also under another name, and in an object with a path."""
    (tmp_path / "items.csv").write_text("item_id,title,Image Src\na,A,x.png\nb,B,\n")
    mapped = ItemDescription({"image": "Image Src"}, media=("image",))
    found = rows_of(tmp_path / "items.csv", mapped)
    assert [row.image for row in found] == [MediaReference("x.png", str(tmp_path)), None]
    lines = [
        {"item_id": "a", "image": "x.png", "audio": {"path": "y.wav"}},
        {"item_id": "b", "image": 7, "audio": ["z"]},
        {"item_id": "c", "image": {"path": "p.png", "size": 3}},
    ]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    first, second, third = rows_of(tmp_path / "items.jsonl")
    assert first.image == MediaReference("x.png", str(tmp_path))
    assert first.audio == MediaReference("y.wav", str(tmp_path))
    assert second.image is second.audio is None
    assert third.image == MediaReference("p.png", str(tmp_path))
    assert not any(row.attributes for row in (first, second, third))


def test_a_catalogue_of_pictures_alone_is_one(tmp_path: Path) -> None:
    """It needs no texts, where pictures are encoded; without an encoder it has no content."""
    path = parquet(tmp_path, pa.array(["a.png"]))
    assert len(rows_of(path)) == 1
    with pytest.raises(LogError, match="no text is recognised"):
        rows_of(path, ItemDescription())


def test_a_column_of_numbers_is_refused(tmp_path: Path) -> None:
    """It names the column, its type and what may stand there."""
    with pytest.raises(LogError, match=r"'image' is of type int64; expected paths, bytes"):
        rows_of(parquet(tmp_path, pa.array([1, 2])))
