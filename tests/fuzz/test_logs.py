"""Log files that are damaged: read as far as they are right, or refused in one line that names the file."""

from __future__ import annotations

import bz2
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.errors import StreamsError
from streams.event_log.log import open_logs
from streams.files.catalogue_file import open_catalogue
from support.data.mutated import mutated

NOW = 1.8e9
JSON = (
    b'{"user_id": "u1", "timestamp": 1764043200.5, "scenario": "garden", "item_id": "a", "action": "click"}\n'
    b'{"user_id": "u2", "timestamp": 1764043201, "scenario": "garden", "item_id": "b", "action": "browse", "x": {"y": 1}}\n'
)
CSV = (
    b"user_id,timestamp,scenario,item_id,action\nu1,1764043200.5,garden,a,click\n"
    b'u2,2026-11-01 10:00:00 UTC,"gar\nden ""x""",b,purchase\nu3,1764043201,garden,c,browse\n'
)
TABLE = pa.table(
    {
        "user_id": pa.array(["u1", "u2", None, "u1"]).dictionary_encode(),
        "timestamp": pa.array([1764043200, 1764043201, 1764043202, None], pa.timestamp("s")),
        "scenario": ["garden"] * 4,
        "item_id": pa.array([1, 2, 3, 4]),
        "action": ["click"] * 4,
    }
)


def _parquet(**options: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(TABLE, out, **options)
    return out.getvalue()


SEEDS = {
    "log.jsonl": [JSON],
    "log.csv": [
        CSV,
        CSV.replace(b",", b";"),
        b"\xef\xbb\xbf" + CSV,
        CSV.decode().encode("utf-16"),
        b"# made by x\n" + CSV,
    ],
    "log.tsv": [CSV.replace(b",", b"\t")],
    "log.jsonl.gz": [gzip.compress(JSON, mtime=0)],
    "log.csv.bz2": [bz2.compress(CSV)],
    "log.parquet": [_parquet(), _parquet(compression="zstd", use_dictionary=False, data_page_version="2.0")],
}
slow = settings(
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ]
)


@pytest.mark.parametrize("name", sorted(SEEDS))
@slow
@given(data=st.data())
def test_a_damaged_log_is_read_or_refused_in_one_line(name: str, data: st.DataObject, tmp_path: Path) -> None:
    """Whatever was cut out of it or put into it: every row is an event, ignored or a reject, else the file is named."""
    file = tmp_path / name
    file.write_bytes(data.draw(mutated(SEEDS[name])))
    try:
        log = open_logs([file], now=NOW)
        for batch in log:
            assert len(batch.columns) + len(batch.rejects) <= batch.rows
            assert all(reject.detail and len(reject.detail) < 500 for reject in batch.rejects)
    except StreamsError as error:
        assert name in str(error) and "\n" not in str(error)


@pytest.mark.parametrize("name", sorted(SEEDS))
@slow
@given(data=st.data())
def test_a_damaged_catalogue_is_read_or_refused_in_one_line(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    """The same of a catalogue; the log's files have the columns of one."""
    file = tmp_path / name
    file.write_bytes(data.draw(mutated(SEEDS[name])).replace(b"action", b"title"))
    try:
        for batch in open_catalogue([file]):
            assert all(row.item_id for row in batch.rows)
    except StreamsError as error:
        assert name in str(error) and "\n" not in str(error)
