"""Folders, globs and partitions: which files are meant, in which order, and what their folders' names say."""

from __future__ import annotations

import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from streams.cli.commands import app
from streams.errors import LogError
from streams.event_log.log import open_logs
from streams.events.columns import concatenate
from streams.files.expand import expand
from streams.files.partitions import partitions_of
from support.data.event_rows import rows_of
from support.data.replayed import counts_in, replayed

NOW = 1_800_000_000.0


def line(user="ada", time=1793527200, item="i", **more):
    fields = {
        "user_id": user,
        "timestamp": time,
        "scenario": "shop",
        "item_id": item,
        "action": "click",
        **more,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}) + "\n"


def put(path, data=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def parquet(path, users, times, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {"user_id": users, "timestamp": pa.array(times, pa.int64()), "scenario": ["shop"] * len(users)}
    pq.write_table(pa.table({**table, "item_id": [f"i{t}" for t in times], **more}), path)


def names(root, *given):
    return [os.path.relpath(str(file), root) for file in expand(list(given))]


def events_of(*paths, **options):
    batches = list(open_logs(paths, now=NOW, **options))
    assert not any(batch.rejects for batch in batches)
    return rows_of(concatenate([batch.columns for batch in batches]))


def refusal(*paths, **options) -> str:
    with pytest.raises(LogError) as caught:
        open_logs(paths, now=NOW, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


@pytest.fixture
def lake(tmp_path):
    """A folder as warehouses export it."""
    root = tmp_path / "events"
    parquet(
        root / "dt=2026-11-01/action=click/part-00000.snappy.parquet",
        ["ada", "bob"],
        [1793527200, 1793527201],
    )
    parquet(root / "dt=2026-11-01/action=purchase/part-00000.snappy.parquet", ["ada"], [1793527300])
    parquet(root / "dt=2026-11-01/action=click/part-00001.snappy.parquet", pa.array([], pa.string()), [])
    parquet(
        root / "dt=2026-11-02/action=click/part-00000.snappy.parquet", ["ada"], [1793613600], device=["ios"]
    )
    parquet(root / "dt=2026-11-02/action=click/part-00001.snappy.parquet", pa.array([11]), [1793613700])
    put(root / "_SUCCESS")
    put(root / "dt=2026-11-01/action=click/part-00009.jsonl")
    put(root / "dt=2026-11-01/action=click/.part-00000.snappy.parquet.crc", b"crc")
    put(root / "dt=2026-11-01/action=click/part-00000.crc", b"crc")
    put(root / "_temporary/0/part-00000.parquet", b"half")
    put(root / ".hidden/part.csv", b"x")
    put(root / "README.md", "# what this is")
    return root


def test_a_folder_is_its_data_files(lake):
    """To the bottom; hidden names, markers and checksums are not data, empty parts have no rows; types may differ by file."""
    events = events_of(lake)
    assert [(user, item, action) for user, item, _, _, _, action, _ in events] == [
        ("ada", "i1793527200", 1),
        ("bob", "i1793527201", 1),
        ("ada", "i1793527300", 2),
        ("ada", "i1793613600", 1),
        ("11", "i1793613700", 1),
    ]


def test_what_is_left_out_is_said(lake):
    """How many files, and one of them by name."""
    with capture_logs() as logs:
        open_logs([lake], now=NOW)
    said = {entry["event"]: entry for entry in logs}
    assert said["files without a row"]["files"] == 2
    assert said["files left out of a folder, as no data by their names"]["first"] == "README.md"


def test_files_come_by_name_and_numbers_by_value(tmp_path):
    """part-10 after part-9; folder by folder; whatever order the filesystem has."""
    files = "b/x.csv a/part-10.csv a/part-9.jsonl a/part-9/z.csv a2/y.csv a10/y.csv part-0001 c.csv.gz"
    for name in files.split():
        put(tmp_path / name, "x")
    assert names(tmp_path, tmp_path) == [
        "a/part-9/z.csv",
        "a/part-9.jsonl",
        "a/part-10.csv",
        "a2/y.csv",
        "a10/y.csv",
        "b/x.csv",
        "c.csv.gz",
        "part-0001",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("dt=*/*/part-00000*", 3),
        ("**/*.parquet", 5),
        ("**/part-0000[1-9].*", 3),
        ("dt=2026-11-0?/action=click", 5),
        ("dt=2026-11-02", 2),
        ("dt=2026-11-02/**", 2),
        ("*", 6),
        ("**", 6),
        ("dt=2026-11-0[!1]/**/*.parquet", 2),
        ("_temporary/*/*", 1),
        ("./dt=2026-11-02/*", 2),
    ],
)
def test_globs(lake, monkeypatch, pattern, expected):
    """One name with * ? [abc], any number of folders with **; folders that match are searched; hidden names only by name."""
    assert len(expand([f"{lake}/{pattern}"])) == expected
    monkeypatch.chdir(lake)
    assert len(expand([pattern])) == expected


def test_a_file_with_the_name_of_a_glob_is_that_file(tmp_path):
    """Brackets stand in the names of browsers' copies."""
    put(tmp_path / "log [1].csv", "x")
    put(tmp_path / "log 1.csv", "x")
    assert names(tmp_path, tmp_path / "log [1].csv") == ["log [1].csv"]


def test_links_are_followed_and_circles_are_an_error(tmp_path):
    """A folder of links to days is a folder of days."""
    put(tmp_path / "store/day1/a.csv", "x")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "one").symlink_to(tmp_path / "store" / "day1")
    assert names(tmp_path, tmp_path / "links") == ["links/one/a.csv"]
    (tmp_path / "store" / "day1" / "up").symlink_to(tmp_path / "store")
    assert "link" in refusal(tmp_path / "store")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["_SUCCESS", "notes.md"], "no data files; it has notes.md"),
        (["a.csv", "b.xlsx"], "b.xlsx: is a workbook"),
        (["a.parquet", "_delta_log/0.json"], "Delta Lake table"),
        (["t/.hoodie/x", "t/a.parquet"], "Hudi table"),
        (["data/a.parquet", "metadata/v1.metadata.json"], "Iceberg table"),
        (["a.avro"], "an Avro file"),
        (["b.zip", "a.csv"], "archive"),
    ],
)
def test_folders_that_can_not_be_read_rightly_are_refused(tmp_path, files, said):
    """A table's folder has rows of older versions, and a kind that holds data can't be left out in silence."""
    for name in files:
        put(tmp_path / "f" / name, "x")
    assert said in refusal(tmp_path / "f")


def test_files_named_twice_are_refused(lake):
    """By whatever way."""
    assert "given twice" in refusal(lake, lake / "dt=2026-11-02")
    assert "given twice" in refusal(
        f"{lake}/**/*.parquet", f"{lake}/dt=2026-11-02/action=click/part-00001.snappy.parquet"
    )


def test_partitions_are_columns(lake):
    """By their name, as text, for any field; dates are times."""
    table = pa.table({"who": ["ada"], "item_id": ["i"], "where": ["shop"]})
    folder = lake.parent / "other/day=2026-11-03/kind=click/shop=b%C3%BCcher%2Fneu"
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "x.parquet")
    put(folder.parent / "shop=__HIVE_DEFAULT_PARTITION__/y.jsonl", '{"who": "bob", "item_id": "j"}\n')
    mapping = {"user_id": "who", "timestamp": "day", "action": "kind", "scenario": "shop"}
    batches = list(open_logs([lake.parent / "other"], mapping, now=NOW))
    columns = concatenate([batch.columns for batch in batches])
    assert [(row[0], row[2], row[4], row[5]) for row in rows_of(columns)] == [
        ("ada", "bücher/neu", 1793664000.0, 1)
    ]
    (reject,) = [reject for batch in batches for reject in batch.rejects]
    assert (reject.reason, reject.detail) == ("missing_field", "scenario is missing or null")


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_column_of_the_file_itself_comes_first(tmp_path, kind):
    """The folder tells the day, the file the second."""
    row = {"user_id": "u", "timestamp": 1793527200, "scenario": "s", "item_id": "i", "action": "click"}
    from support.data.log_files import write

    folder = tmp_path / "timestamp=2026-11-05" / "item_id=9"
    folder.mkdir(parents=True)
    write(folder / f"x.{kind}", [row])
    assert [(event[1], event[4]) for event in events_of(tmp_path)] == [("i", 1793527200.0)]


def test_the_folders_of_the_path_that_was_named_count(lake):
    """A day named alone has its day."""
    day = lake / "dt=2026-11-01/action=purchase"
    assert [event[5] for event in events_of(day)] == [2]
    assert [event[5] for event in events_of(*sorted(day.iterdir()))] == [2]


def test_partition_values():
    """Decoded from URLs; a deeper folder wins; other names are none."""
    path = "a=1/x=y=z/=3/9=4/a=%E2%82%AC 5/b=__HIVE_DEFAULT_PARTITION__/c=/file=1.csv"
    assert partitions_of(path) == {"a": "€ 5", "x": "y=z", "b": None, "c": ""}


def test_equal_bytes_in_other_partitions_are_other_rows(tmp_path):
    """Two files that differ in nothing but the name of their folder are two logs, and a replay of both again is none."""
    for action in ("click", "purchase"):
        parquet(tmp_path / f"lake/action={action}/part.parquet", ["ada"], [1693527200])
    files = [path.read_bytes() for path in sorted((tmp_path / "lake").rglob("*.parquet"))]
    assert files[0] == files[1]
    store = str(tmp_path / "store")
    assert replayed(store, tmp_path / "lake").applied == 2
    assert counts_in(store) == {"ada": 2}
    assert replayed(store, tmp_path / "lake").applied == 0


def test_a_folder_that_grows_by_days_is_continued(tmp_path):
    """The same folder each day applies the new files; so does its copy under another name."""
    store = str(tmp_path / "store")
    for day in range(1, 4):
        put(
            tmp_path / f"lake/dt=2026-11-0{day}/x.jsonl",
            line(time=1693527200 + day) + line("bob", 1693527300 + day),
        )
        assert replayed(store, tmp_path / "lake").applied == 2
    (tmp_path / "lake").rename(tmp_path / "moved")
    assert replayed(store, tmp_path / "moved").applied == 0
    assert counts_in(store) == {"ada": 3, "bob": 3}


@pytest.mark.parametrize(
    "empty", [b"", b"\n \n", gzip.compress(b"", mtime=0), b"\xef\xbb\xbf", b"user_id,timestamp\n"]
)
def test_an_hour_without_events_is_left_out(tmp_path, empty):
    """Empty, packed, or nothing but a header; alone it is an error."""
    put(tmp_path / "hour-00.jsonl", line(time=1793527200))
    put(tmp_path / ("hour-01.csv" if b"user" in empty else "hour-01.jsonl"), empty)
    put(tmp_path / "hour-02.jsonl", line(time=1793527202))
    assert len(events_of(*sorted(tmp_path.iterdir()))) == 2
    assert "is empty" in refusal(tmp_path / "hour-01.jsonl") if b"user" not in empty else True


def test_folders_of_nothing_but_empty_files_are_an_error(tmp_path):
    """There is no log."""
    for hour in range(3):
        put(tmp_path / f"{hour}.jsonl")
    assert "have no rows" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("array.json", '[{"user_id": "u"}]', "jq -c '.[]'"),
        ("pretty.json", json.dumps({"user_id": "u", "timestamp": 1}, indent=2), "over several lines"),
        ("pretty.jsonl", '{\n"user_id": "u"\n}\n', "over several lines"),
        ("log.xml", "<?xml version='1.0'?><a/>", "is XML"),
        ("log.tar.gz", gzip.compress(b"\0" * 257 + b"ustar" + b"\0" * 600, mtime=0), "archive"),
        ("log.parquet.gz", gzip.compress(b"PAR1" + bytes(50), mtime=0), "unpack it"),
        ("log.xz", b"\xfd7zXZ\0" + bytes(30), "xz"),
        ("log.orc", b"ORC" + bytes(30), "ORC"),
    ],
)
def test_other_kinds_are_named(tmp_path, name, data, said):
    """What it is, and what to do."""
    assert said in refusal(put(tmp_path / name, data))


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("part-00000", bytes),
        ("log.txt", bytes),
        ("000000_0", gzip.compress),
        ("export-000000000000", gzip.compress),
    ],
)
def test_files_whose_names_tell_nothing_are_known_by_their_bytes(tmp_path, name, pack):
    """As Hive and BigQuery call them."""
    put(tmp_path / name, pack((line() + line("bob")).encode()))
    assert [event[0] for event in events_of(tmp_path / name)] == ["ada", "bob"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_json_lines_of_any_unicode(tmp_path, encoding):
    """With and without a byte order mark, packed or not; the first line counts like the others."""
    text = line("zoë") + line("bob") + line("eve")
    for name, pack in (("a.jsonl", bytes), ("b.jsonl.gz", gzip.compress)):
        put(tmp_path / name, pack(text.encode(encoding)))
        assert [event[0] for event in events_of(tmp_path / name)] == ["zoë", "bob", "eve"]


def test_every_command_takes_a_folder(lake, tmp_path):
    """What takes a log or a catalogue takes a folder of either, and an encoding."""
    put(tmp_path / "items/a.csv", "item_id;title\ni1793527200;schöne Dinge\n".encode("latin-1"))
    put(tmp_path / "items/b.jsonl", '{"item_id": "i1793613600", "title": "more"}\n')
    runner = CliRunner()
    store = str(tmp_path / "store")
    for command in (
        ["items", str(tmp_path / "items"), "--store", store, "--encoding", "cp1252", "--json"],
        ["replay", str(lake), "--store", store, "--json"],
        ["profile", f"{lake}/**/*.parquet", "--json"],
    ):
        done = runner.invoke(app, command)
        assert done.exit_code == 0, done.output
