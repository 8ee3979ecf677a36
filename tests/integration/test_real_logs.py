"""A real log through real topics and the daemon, against a replay of the same file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.broker.config import BrokerConfig
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.checks.states import assert_same_states
from support.servers.daemon_process import driftline

LOG = Path(__file__).parents[3] / "shared" / "data" / "jd_appliances" / "events.parquet"

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(not LOG.exists(), reason="the real data are not beside the project"),
]


def test_sessions_of_a_shop_by_stream_equal_their_replay(
    broker: BrokerConfig, topic_prefix: str, tmp_path: Path
) -> None:
    """78,040 events of three actions, re-driven and consumed, give the states of a replay."""
    arguments = ["--broker", broker.url, "--prefix", topic_prefix, "--json"]
    sent = driftline("redrive", str(LOG), *arguments)
    assert sent.returncode == 0 and json.loads(sent.stdout)["sent"] == 78_040, sent.stderr
    live = ["--store", str(tmp_path / "live"), "--group", topic_prefix, "--metrics-port", "0", "--drain"]
    done = driftline("run", *arguments, *live)
    assert done.returncode == 0 and json.loads(done.stdout)["applied"] == 78_040, done.stderr
    replayed = driftline("replay", str(LOG), "--store", str(tmp_path / "replayed"), "--json")
    assert json.loads(replayed.stdout)["applied"] == 78_040
    settings = Settings.load()
    with (
        open_for_reading(str(tmp_path / "live"), settings) as a,
        open_for_reading(str(tmp_path / "replayed"), settings) as b,
    ):
        assert assert_same_states(a.store, b.store, a.interest, tolerance=1e-4) == 1866
