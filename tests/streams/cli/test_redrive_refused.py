"""`redrive` refuses what it can't send before it asks a broker for anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.data.streamed_logs import rows, write_lines
from support.servers.daemon_process import driftline

NOBODY = ("--broker", "127.0.0.1:1")
ENVELOPED = """
[topics.events.rows]
topic = "rows"
action = "purchase"
description = {{ envelope = "{envelope}" }}

[topics.events.taps]
topic = "taps"
action = "click"
"""


def test_a_log_without_an_event_fails_with_the_reasons(tmp_path: Path) -> None:
    """Exit 1 and what is wrong with the rows, no topics made and no success told."""
    path = write_lines(tmp_path / "log.jsonl", [{**row, "scenario": ""} for row in rows(60)])
    done = driftline("redrive", str(path), *NOBODY)
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert "none of the 60 rows is an event" in told
    assert "60 x scenario_empty" in told


@pytest.mark.parametrize("first", ["click", "purchase"])
def test_an_action_that_no_topic_can_take_is_refused_before_anything_is_sent(
    tmp_path: Path, first: str
) -> None:
    """Exit 2 and the topic's name, wherever in the log such an event stands."""
    log = [row for row in rows(60) if row["action"] != "browse"]
    log.sort(key=lambda row: row["action"] != first)
    path = write_lines(tmp_path / "log.jsonl", log)
    config = tmp_path / "driftline.toml"
    config.write_text(ENVELOPED.format(envelope="debezium"))
    done = driftline("redrive", str(path), *NOBODY, "--config", str(config))
    assert done.returncode == 2, done.stderr
    assert "topic 'rows' (rows)" in " ".join(done.stderr.split())


def test_where_no_topic_can_be_written_the_reason_is_a_topics(tmp_path: Path) -> None:
    """The envelope is named, and not an action that the log does not have."""
    path = write_lines(tmp_path / "log.jsonl", [row for row in rows(60) if row["action"] == "purchase"])
    config = tmp_path / "driftline.toml"
    config.write_text(ENVELOPED.format(envelope="debezium").split("[topics.events.taps]")[0])
    done = driftline("redrive", str(path), *NOBODY, "--config", str(config))
    assert done.returncode == 2, done.stderr
    assert "debezium" in done.stderr
