"""Structured logs: JSON lines for machines, and no flood from a library while a broker is away."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from streams.cli.logging_setup import RepeatLimit, set_up_logs
from streams.settings_sections import LogConfig


def test_lines_are_json_with_level_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    """Our events and the libraries' lines come in one format."""
    set_up_logs(LogConfig(format="json"))
    structlog.get_logger("streams.test").info("written", users=3)
    logging.getLogger("somebody").warning("a %s line", "plain")
    structlog.get_logger("streams.test").debug("hidden")
    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (first["event"], first["users"], first["level"]) == ("written", 3, "info")
    assert (second["event"], second["logger"]) == ("a plain line", "somebody")
    assert first["timestamp"] < second["timestamp"]


def test_repeats_are_held_back_and_counted() -> None:
    """Of thousands of equal lines in ten seconds one is shown."""
    now = [0.0]
    limit = RepeatLimit(10.0, lambda: now[0])

    said: list[str] = []

    def shown(message: str, *args: object) -> bool:
        record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, message, args, None)
        through = limit.filter(record)
        said.append(record.getMessage())
        return through

    assert [shown("no broker at %s", n) for n in range(50)] == [True] + [False] * 49
    assert shown("something else")
    now[0] = 11.0
    assert shown("no broker at %s", 1)
    assert said[-1] == "no broker at 1 (and 49 more like it)"
    assert shown("100% busy") and not shown("100% busy")
    now[0] = 22.0
    assert shown("100% busy")
    assert said[-1] == "100% busy (and 1 more like it)"


def test_a_kafka_clients_error_is_told_without_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """What failed is in the line; others' tracebacks stay."""
    set_up_logs(LogConfig(format="json"))
    for name in ("kafka.net.transport", "somebody"):
        try:
            raise ConnectionResetError("cut %s off")
        except ConnectionResetError:
            logging.getLogger(name).exception("receiving from %s", "a broker")
    client, other = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert client["event"] == "receiving from a broker (ConnectionResetError: cut %s off)"
    assert "exception" not in client and "Traceback" in other["exception"]
