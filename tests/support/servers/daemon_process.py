"""The real daemon in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from support.servers.freezing import freeze

QUICK = {
    "DRIFTLINE_DAEMON__SESSION_TIMEOUT_S": "3",
    "DRIFTLINE_DAEMON__HEARTBEAT_S": "0.5",
    "DRIFTLINE_DAEMON__REBALANCE_TIMEOUT_S": "3",
    "DRIFTLINE_DAEMON__COMMIT_INTERVAL_S": "0.5",
    "DRIFTLINE_DAEMON__METADATA_AGE_S": "2",
    "DRIFTLINE_LOG__FORMAT": "json",
}
"""Settings that let a test wait for seconds where production waits for minutes."""


def driftline(
    *arguments: str, timeout: float = 120.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [str(program()), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **QUICK, "COLUMNS": "200", **environment},
        check=False,
    )


def program() -> Path:
    """The installed `driftline` beside this interpreter."""
    return Path(sys.executable).with_name("driftline")


class DaemonProcess:
    """`driftline run` in the background; stopped at the end of the context, if it still runs."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self._log = folder / f"daemon-{time.monotonic_ns()}.log"
        self._out = folder / f"daemon-{time.monotonic_ns()}.out"
        self._command = [str(program()), "run", "--metrics-port", "0", "--json", *arguments]
        self._environment = {**os.environ, **QUICK, **environment}

    def __enter__(self) -> DaemonProcess:
        with self._log.open("wb") as log, self._out.open("wb") as out:
            self.process = subprocess.Popen(self._command, stdout=out, stderr=log, env=self._environment)
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        """What it wrote to standard error so far."""
        return self._log.read_text(errors="replace")

    @property
    def summary(self) -> dict[str, Any]:
        """The line of JSON that it ended with."""
        found: dict[str, Any] = json.loads(self._out.read_text())
        return found

    @property
    def listens(self) -> bool:
        """Whether the HTTP part is there."""
        return '"event": "listening"' in self.log

    def url(self, path: str, wait_s: float = 30.0) -> str:
        """Address of its HTTP part, once it listens."""
        self.until(lambda: self.listens, wait_s, "the HTTP part listens")
        port = re.search(r'"port": (\d+)', self.log)
        assert port is not None
        return f"http://127.0.0.1:{port[1]}{path}"

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        try:
            with urllib.request.urlopen(self.url(path), timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:  # refused, reset: did it end?
            try:
                self.process.wait(1)
            except subprocess.TimeoutExpired:
                pass
            else:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.log}") from None
            raise

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of a metric that have these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.split("{")[0] == name and all(f'{k}="{v}"' in sample for k, v in labels.items()):
                total += float(value)
        return total

    def until(self, condition: Any, wait_s: float, what: str) -> None:
        """Wait for a condition; an early end of the daemon is an error with its log."""
        end = time.monotonic() + wait_s
        while not condition():
            assert self.process.poll() is None, (
                f"ended with {self.process.returncode} before {what}:\n{self.log}"
            )
            assert time.monotonic() < end, f"not within {wait_s} s: {what}\n{self.log[-3000:]}"
            time.sleep(0.05)

    def until_ready(self, wait_s: float = 60.0) -> None:
        """Wait until /ready answers 200."""
        self.until(lambda: self.get("/ready")[0] == 200, wait_s, "it is ready")

    def until_events(self, count: int, wait_s: float = 60.0) -> None:
        """Wait until so many events have an outcome."""
        self.until(
            lambda: self.metric("driftline_events_total") >= count, wait_s, f"{count} events are through"
        )

    def stop(self, wait_s: float = 30.0) -> int:
        """SIGTERM, and its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(wait_s)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """SIGSTOP: it is there, and does nothing until `thaw`."""
        freeze(self.process)

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def wait(self, wait_s: float = 90.0) -> int:
        """Until it ends by itself; its exit status."""
        return self.process.wait(wait_s)
