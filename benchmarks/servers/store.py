"""The server that a benchmark stores in: a Qdrant that is given, else the small server of the tests, in its own process."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REAL = os.environ.get("DRIFTLINE_TEST_QDRANT", "")
API_KEY = os.environ.get("DRIFTLINE_TEST_QDRANT_API_KEY")
SERVER = Path(__file__).parents[2] / "tests" / "support" / "qdrant_server.py"


@dataclass(frozen=True, slots=True)
class StoreServer:
    """Where it is, what it is in words, and its process, where it is ours."""

    url: str
    words: str
    pid: int | None

    def flags(self) -> dict[str, Any]:
        """Settings of `[store]` for a store that nobody else has."""
        key = {"api_key": API_KEY} if REAL and API_KEY else {}
        return {"prefix": f"bench-{secrets.token_hex(4)}-", **key}

    def cpu_s(self) -> float:
        """Processor time that it has taken so far; nan where it is not ours."""
        if self.pid is None:
            return float("nan")
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running_store(folder: Path) -> Iterator[StoreServer]:
    """A server; one that we start has its data in `folder` and ends with the context."""
    if REAL:
        yield StoreServer(REAL, "Qdrant", None)
        return
    command = [sys.executable, str(SERVER), "--folder", str(folder / "qdrant")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        url = json.loads(running.stdout.readline())["url"]
        try:
            yield StoreServer(url, "the tests' own", running.pid)
        finally:
            running.terminate()
