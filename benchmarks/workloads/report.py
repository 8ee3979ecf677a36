"""What every result says beside its figures."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

QUICK = {"port": 0, "session_timeout_s": 6.0, "heartbeat_s": 1.0, "rebalance_timeout_s": 6.0}
"""Of the daemon: a free port, and a group that one process joins soon."""


def bench_flags(broker_url: str, prefix: str, group: str, **daemon: Any) -> dict[str, Any]:
    """What `Settings.load` takes (settings themselves can't be sent to another process): as shipped but for the start."""
    return {
        "broker": {"url": broker_url},
        "topics": {"prefix": f"{prefix}-"},
        "daemon": {**QUICK, "group": f"{prefix}-{group}", **daemon},
        "log": {"level": "error", "format": "json"},
    }


def where(broker: str | None) -> dict[str, object]:
    """Device and versions."""
    return {
        **({} if broker is None else {"broker": broker}),
        "store": "embedded",
        "device": f"{_processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in ("qdrant-edge-py", "faust-streaming", "aiokafka", "numpy")
        },
    }


def median(values: Iterable[float], digits: int | None = None) -> float:
    """Median, rounded for reading."""
    return round(statistics.median(values), digits)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
