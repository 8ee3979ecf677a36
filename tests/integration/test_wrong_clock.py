"""A machine whose clock is wrong: its fault, and no event's."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from streams.broker.config import BrokerConfig
from streams.ingest.intake import open_intake
from streams.settings import Settings
from streams.worker.daemon import Daemon, Summary
from support.data.streamed_logs import make_topics, send

pytestmark = pytest.mark.broker


def test_a_daemon_two_days_behind_applies_every_good_event(
    broker: BrokerConfig, topic_prefix: str, tmp_path: Path
) -> None:
    """Events of now, on a machine that takes now for the day after tomorrow, are applied; its clock is said to be behind."""
    make_topics(broker, topic_prefix)
    now = time.time()
    log: list[dict[str, Any]] = [
        {
            "user_id": f"u{n % 50}",
            "item_id": f"i{n % 70}",
            "timestamp": now - n,
            "scenario": "s",
            "action": "click",
        }
        for n in range(2000)
    ]
    send(broker, topic_prefix, log)
    settings = Settings.load(
        flags={
            "broker": {"url": broker.url},
            "topics": {"prefix": topic_prefix},
            "daemon": {"group": topic_prefix, "port": 0},
        }
    )

    async def drained() -> tuple[Summary, list[str]]:
        daemon = Daemon(
            settings,
            lambda metrics: open_intake(str(tmp_path / "store"), settings, create=True, metrics=metrics),
            drain=True,
            now=lambda: time.time() - 2 * 86400,
        )
        return await daemon.run(), daemon.readiness.warnings()

    summary, warnings = asyncio.run(drained())
    assert (summary.applied, summary.rejected) == (2000, 0)
    assert any("clock" in warning and "behind" in warning for warning in warnings)
