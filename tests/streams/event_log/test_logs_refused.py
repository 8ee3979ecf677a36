"""A file cut short or of another schema is refused before anything is read from any file."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.errors import LogError, SettingsError
from streams.event_log.log import open_logs
from support.data.log_files import log_rows, write

NOW = 1_700_000_000.0


def refusal(*paths, **options) -> str:
    with pytest.raises(LogError) as caught:
        open_logs(paths, now=NOW, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


@pytest.mark.parametrize("kind", ["parquet", "csv", "csv.gz", "jsonl.gz"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.77, 0.99, -3])
def test_a_file_cut_anywhere_is_refused_by_name(tmp_path, kind, share):
    """Wherever the cut falls within a line, the file is named and nothing of it is used."""
    path = write(tmp_path / f"log.{kind}", log_rows(200))
    data = path.read_bytes()
    cut = share if share < 0 else int(len(data) * share)
    while data[:cut].endswith(b"\n"):  # a CSV cut just between two lines looks whole
        cut += 3
    path.write_bytes(data[:cut])
    good = write(tmp_path / "good.csv", log_rows(3))
    assert str(path) in refusal(good, path)


@pytest.mark.parametrize("end", range(2, 30, 3))
def test_json_lines_cut_within_the_last_line_are_refused(tmp_path, end):
    """The last line must be whole; the message names it."""
    path = write(tmp_path / "log.jsonl", log_rows(20))
    path.write_bytes(path.read_bytes()[:-end])
    message = refusal(path)
    assert str(path) in message
    assert "line 20" in message


def test_a_csv_row_that_is_too_short_is_named(tmp_path):
    """The row number and both counts are reported, and not what the row holds."""
    path = tmp_path / "log.csv"
    path.write_text("user_id,timestamp,scenario,item_id,action\nann,1,s,i,click\nbob,2,s\n")
    message = refusal(path)
    assert str(path) in message
    assert "row 3" in message
    assert "3 columns, expected 5" in message
    assert "bob" not in message


def test_a_csv_that_ends_inside_a_value_is_refused(tmp_path):
    """A last line without its end may hold half a value; the column is named."""
    path = tmp_path / "log.csv"
    path.write_text("user_id,timestamp,scenario,action,item_id\nu,1,s,click,item-1\nu,2,s,click,item-2")
    message = refusal(path)
    assert str(path) in message
    assert "'item_id'" in message
    assert "row 3" in message


def test_a_csv_that_ends_inside_quotes_is_refused(tmp_path):
    """A text cut just after one of its own line ends is seen by its open quote."""
    path = tmp_path / "log.csv"
    path.write_text('user_id,timestamp,scenario,action,text\nu,1,s,click,"a\nb"\nu,2,s,click,"cut\n')
    message = refusal(path)
    assert str(path) in message
    assert "quote" in message


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("column", ["user_id", "timestamp", "scenario", "action"])
def test_a_missing_column_is_named(tmp_path, kind, column):
    """File and column are reported, and how to name another."""
    rows = [{name: value for name, value in row.items() if name != column} for row in log_rows(5)]
    path = write(tmp_path / f"log.{kind}", rows)
    message = refusal(write(tmp_path / "good.csv", log_rows(2)), path)
    assert str(path) in message
    assert repr(column) in message
    assert f"--map {column}=" in message
    assert "dwell_s" in message, "the columns that are there are listed"


def test_a_log_without_actions_asks_for_one(tmp_path):
    """The way out is reported: one action for all rows."""
    rows = [{name: value for name, value in row.items() if name != "action"} for row in log_rows(5)]
    message = refusal(write(tmp_path / "log.csv", rows))
    assert "browse, click, purchase" in message


def test_a_log_of_neither_items_nor_texts_is_refused(tmp_path):
    """One of both is needed."""
    rows = [{k: v for k, v in row.items() if k not in ("item_id", "text")} for row in log_rows(5)]
    message = refusal(write(tmp_path / "log.parquet", rows))
    assert "'item_id'" in message
    assert "'text'" in message


def test_a_mapped_column_that_is_not_there_is_named(tmp_path):
    """A typing error in --map is reported with file, column and field."""
    path = write(tmp_path / "log.parquet", log_rows(5))
    message = refusal(path, description={"scenario": "departmnt"})
    assert str(path) in message
    assert "'departmnt'" in message
    assert "scenario" in message


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("user_id", pa.array([True])),
        ("item_id", pa.array([b"12"], pa.binary(2))),
        ("scenario", pa.array([{"a": 1}])),
        ("timestamp", pa.array([True])),
        ("timestamp", pa.array([b"12"], pa.binary(2))),
        ("text", pa.array([True])),
    ],
)
def test_a_column_of_a_wrong_type_is_named_with_its_type(tmp_path, column, values):
    """Another schema is refused before its first row."""
    table = pa.table(
        {
            "user_id": ["u"],
            "timestamp": [1.0],
            "scenario": ["s"],
            "item_id": ["i"],
            "text": ["t"],
            "action": ["click"],
        }
    )
    table = table.set_column(table.schema.get_field_index(column), column, values)
    pq.write_table(table, tmp_path / "log.parquet")
    message = refusal(tmp_path / "log.parquet")
    assert repr(column) in message
    assert str(values.type) in message


def test_other_things_than_logs_are_refused(tmp_path):
    """A wrong path, a folder, an empty or foreign file, one file twice: each has its message."""
    assert "no such file" in refusal(tmp_path / "nothing.csv")
    assert "no data files" in refusal(tmp_path)
    (tmp_path / "empty.csv").write_bytes(b"")
    assert "is empty" in refusal(tmp_path / "empty.csv")
    (tmp_path / "log.xlsx").write_bytes(b"PK")
    assert "workbook" in refusal(tmp_path / "log.xlsx")
    (tmp_path / "log").write_bytes(b"x")
    assert "no column 'user_id'" in refusal(tmp_path / "log")
    (tmp_path / "log.parquet").write_bytes(b"user_id,timestamp\n")
    assert "Parquet" in refusal(tmp_path / "log.parquet")
    (tmp_path / "array.json").write_text('[{"user_id": "u"}]')
    assert "JSON array" in refusal(tmp_path / "array.json")
    (tmp_path / "blank.jsonl").write_text("\n\n")
    assert "is empty" in refusal(tmp_path / "blank.jsonl")
    (tmp_path / "plain.csv.gz").write_bytes(b"user_id,timestamp\n")
    assert "plain.csv.gz" in refusal(tmp_path / "plain.csv.gz")
    twice = write(tmp_path / "log.csv", log_rows(2))
    assert "twice" in refusal(twice, tmp_path / "." / "log.csv")
    with pytest.raises(SettingsError, match="actions are browse"):
        open_logs([twice], {"action": {"constant": "stare"}}, now=NOW)
    (tmp_path / "double.csv").write_text("user_id,user_id,timestamp,scenario,item_id,action\n")
    assert "'user_id'" in refusal(tmp_path / "double.csv")


def test_damage_inside_a_parquet_file_is_named_when_it_is_met(tmp_path):
    """Bytes that changed on the disk are an error of that file, never silently other events."""
    rows = log_rows(4000)
    path = tmp_path / "log.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd", write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[200:400] = bytes(200)
    path.write_bytes(data)
    log = open_logs([path], now=NOW)
    with pytest.raises(LogError, match=r"log\.parquet"):
        list(log)


def test_a_damaged_gz_is_refused(tmp_path):
    """A checksum that does not fit is found before anything is used."""
    path = write(tmp_path / "log.jsonl.gz", log_rows(50))
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF
    path.write_bytes(data)
    assert "damaged" in refusal(path)
    data = bytearray(gzip.compress(b"x" * 1000))
    data[15] ^= 0xFF
    path.write_bytes(data)
    assert "log.jsonl.gz" in refusal(path)
