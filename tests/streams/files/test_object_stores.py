"""Logs and catalogues that lie in an object store: the same rows as on this machine, and one line for what goes wrong."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import urllib.request

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from streams.cli.commands import app
from streams.errors import LogError
from streams.event_log.log import open_logs
from streams.events.columns import concatenate
from streams.files.catalogue_file import open_catalogue
from streams.files.expand import expand
from streams.files.tabular_file import fingerprint
from support.data.event_rows import rows_of
from support.data.log_files import log_rows, write
from support.servers.object_stores import SECRET, abfs_store, gs_store, s3_store

NOW = 1_700_000_000.0


@pytest.fixture(scope="module", params=["s3", "gs", "abfs"])
def server(request, tmp_path_factory):
    """Each of the stores, for all tests of this file."""
    folder = tmp_path_factory.mktemp("azurite")
    with {"s3": s3_store, "gs": gs_store, "abfs": lambda: abfs_store(folder)}[request.param]() as store:
        yield store


@pytest.fixture
def store(server, monkeypatch):
    """The store, with the environment that leads to it and nothing else of the kind."""
    for name in ("AWS_ENDPOINT_URL", "STORAGE_EMULATOR_HOST", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def s3(monkeypatch):
    """An S3 of the test's own."""
    with s3_store() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        yield store


def refusal(*paths) -> str:
    with pytest.raises(LogError) as caught:
        open_logs(paths, now=NOW)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    assert SECRET not in message
    return message


def events_of_log(*paths):
    batches = list(open_logs(paths, now=NOW, batch_rows=37))
    assert not any(batch.rejects for batch in batches)
    return rows_of(concatenate([batch.columns for batch in batches]))


@pytest.mark.parametrize("kind", ["parquet", "csv", "csv.gz", "jsonl", "jsonl.zst", "jsonl.bz2"])
def test_a_log_is_the_same_wherever_it_lies(store, tmp_path, kind):
    """Rows, order and fingerprint of a file are those of its copy in a store."""
    local = write(tmp_path / f"log.{kind}", log_rows(90))
    remote = store.put(f"kinds/{kind}/log.{kind}", local.read_bytes())
    assert events_of_log(remote) == events_of_log(local)
    assert fingerprint([remote]) == fingerprint([local])


def test_a_catalogue_may_lie_there_too(store, tmp_path):
    """Item rows from a store."""
    local = write(tmp_path / "items.jsonl", [{"item_id": f"i{n}", "title": f"t{n}"} for n in range(30)])
    remote = store.put("items.jsonl", local.read_bytes())
    found = [[row for batch in open_catalogue([where]) for row in batch.rows] for where in (local, remote)]
    assert found[0] == found[1]
    assert len(found[0]) == 30


def test_folders_and_globs_of_a_store(store, tmp_path):
    """The same files in the same order as in a folder of this machine; partitions are columns."""
    rows = [{key: value for key, value in row.items() if key != "action"} for row in log_rows(40)]
    for number in (9, 10, 2):
        for action in ("click", "purchase"):
            folder = tmp_path / "events" / f"hour={number}" / f"action={action}"
            folder.mkdir(parents=True)
            write(folder / f"part-{number}.parquet", rows[number : number + 5])
            (folder / "_SUCCESS").touch()
            (folder / ".part.crc").write_bytes(b"x")
    remote = store.put_folder(tmp_path / "events", "lake/events")
    local = [str(file).removeprefix(str(tmp_path / "events")) for file in expand([tmp_path / "events"])]
    assert [file.rpartition("hour=")[2][:2].strip("/") for file in local] == ["2", "2", "9", "9", "10", "10"]
    assert [str(file).removeprefix(remote) for file in expand([remote])] == local
    assert [str(file).removeprefix(remote) for file in expand([f"{remote}/hour=*/**/*.parquet"])] == local
    assert [str(file).removeprefix(remote) for file in expand([f"{remote}/hour=[29]"])] == local[:4]
    assert events_of_log(remote) == events_of_log(tmp_path / "events")
    assert {row[5] for row in events_of_log(f"{remote}/hour=9/action=purchase")} == {2}


def test_what_is_not_there_is_said(store):
    """A wrong key, a wrong bucket and a glob that matches nothing are one line each, without the library's words."""
    store.put("there.csv", b"x\n")
    assert refusal(store.url("nothing.csv")) == f"{store.url('nothing.csv')}: no such file or folder"
    assert (
        refusal(f"{store.scheme}://nowhere-at-all/x.csv")
        == f"{store.scheme}://nowhere-at-all: no such bucket"
    )
    assert "no file matches" in refusal(store.url("nothing/*.csv"))
    assert "no column 'user_id'" in refusal(store.url("there.csv"))


def test_an_object_that_changes_on_the_way_is_an_error(store, tmp_path):
    """What was checked is what is read: another object under the name, of the same size even, ends the reading."""
    rows = log_rows(60)
    remote = store.put("changing/log.jsonl", write(tmp_path / "a.jsonl", rows).read_bytes())
    log = open_logs([remote], now=NOW, batch_rows=10)
    assert sum(batch.rows for batch in log) == 60
    rows[30]["user_id"] = "ü9"
    store.put("changing/log.jsonl", write(tmp_path / "b.jsonl", rows).read_bytes())
    with pytest.raises(LogError, match="has changed since it was checked"):
        list(log)
    store.put("changing/log.jsonl", write(tmp_path / "b.jsonl", rows[:20]).read_bytes())
    with pytest.raises(LogError, match="has changed since it was checked"):
        list(log)


def test_an_object_that_changes_while_it_is_read_is_an_error(store, tmp_path):
    """Also one that is replaced after its first rows were read."""
    rows = log_rows(60)
    remote = store.put("replaced/log.csv", write(tmp_path / "a.csv", rows).read_bytes())
    batches = iter(open_logs([remote], now=NOW, batch_rows=10))
    next(batches)
    store.put("replaced/log.csv", write(tmp_path / "b.csv", [*rows, *rows]).read_bytes())
    with pytest.raises(LogError, match="has changed since it was checked"):
        list(batches)


def test_an_object_without_a_last_line_end_is_whole(store):
    """Objects appear when they are complete, so that no value of theirs can be cut."""
    remote = store.put(
        "whole.csv", b"user_id,timestamp,scenario,action,item_id\nu,1,s,click,a\nu,2,s,click,b"
    )
    assert [row[1] for row in events_of_log(remote)] == ["a", "b"]


def test_a_log_that_moves_into_a_store_is_continued(s3, tmp_path):
    """A replay from S3 applies nothing of a log that was replayed from this machine, and of one that grew the new rows."""
    rows = log_rows(50)
    runner = CliRunner()
    local = write(tmp_path / "log.jsonl", rows[:30])

    def replay(path):
        done = runner.invoke(app, ["replay", str(path), "--store", str(tmp_path / "store"), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert replay(local)["applied"] == 30
    moved = s3.put("moved/log.jsonl.gz", gzip.compress(local.read_bytes()))
    assert replay(moved)["applied"] == 0
    grown = s3.put("moved/log.jsonl", write(tmp_path / "all.jsonl", rows).read_bytes())
    assert replay(grown)["applied"] == 20


def test_credentials_that_are_refused_are_one_line(s3, monkeypatch):
    """A key that the store does not know is a matter of permission, said without the key."""
    s3.put("secret.csv", b"user_id\n")
    request = urllib.request.Request(
        f"http://127.0.0.1:{s3.port}/moto-api/reset-auth",
        data=b"0",
        method="POST",
        headers={"Content-Type": "text/plain"},
    )
    urllib.request.urlopen(request, timeout=30).close()
    message = refusal("s3://logs/secret.csv")
    assert "no permission" in message
    assert "a-key-id-of-tests" not in message


def test_a_store_that_is_away_is_one_line(s3, monkeypatch):
    """Nobody listens there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert "does not answer" in refusal("s3://logs/x.csv")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://key:topsecret@logs/x.csv", "holds a user or password"),
        ("s3://logs/x.csv?X-Amz-Signature=topsecret", "holds a query"),
        ("abfs://logs:topsecret@account.dfs.core.windows.net/x.csv", "holds a user or password"),
        ("https://example.com/x.csv?sig=topsecret", "https://"),
        ("s3://", "names no bucket"),
        ("file://other-host/x.csv", "another machine"),
    ],
)
def test_urls_that_hold_secrets_are_refused_and_not_quoted(url, said):
    """Credentials belong into the environment, and URLs stand in logs."""
    message = refusal(url)
    assert said in message
    assert "topsecret" not in message


def test_a_file_url_is_a_file_of_this_machine(tmp_path):
    """With its names percent-encoded, as URLs are."""
    path = write(tmp_path / "a log.csv", log_rows(5))
    assert events_of_log(f"file://{tmp_path}/a%20log.csv") == events_of_log(path)
    assert "given twice" in refusal(path, f"file://{tmp_path}/a%20log.csv")


READ = """
import sys
from streams.event_log.log import open_logs
from streams.files.tabular_file import fingerprint
def peak():
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024
list(open_logs(sys.argv[1:2], now=1_700_000_000.0))  # a small one, so that all libraries are loaded
before = peak()
rows = sum(batch.rows for batch in open_logs(sys.argv[2:], now=1_700_000_000.0))
fingerprint(sys.argv[2:])
print(rows, peak() - before)
"""


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_memory_does_not_follow_the_size_of_an_object(s3, tmp_path, kind):
    """An object is read in ranges: one of 150 MB takes a part of that."""
    texts = [random.Random(n).randbytes(2000).hex() for n in range(40)]
    rows = [
        {"user_id": f"u{n}", "timestamp": 1, "scenario": "s", "action": "click", "text": texts[n % 40]}
        for n in range(400)
    ]
    small = s3.put(f"small.{kind}", write(tmp_path / f"small.{kind}", rows[:5]).read_bytes())
    if kind == "parquet":
        table = pa.Table.from_pylist(rows * 90)
        pq.write_table(table, tmp_path / "large.parquet", compression="none", use_dictionary=["user_id"])
        data = (tmp_path / "large.parquet").read_bytes()
    else:
        head, _, body = write(tmp_path / f"large.{kind}", rows).read_bytes().partition(b"\n")
        data = head + b"\n" + body * 90
    assert len(data) > 130 << 20
    remote = s3.put(f"large.{kind}", data)
    del data
    done = subprocess.run(
        [sys.executable, "-c", READ, small, remote], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    count, mib = map(int, done.stdout.split())
    assert count >= 35_900
    assert mib < 125
