"""The test server as a process of its own, to be killed, frozen and made faulty."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from support import qdrant_server
from support.servers.freezing import freeze


class QdrantProcess:
    """A server program over one folder, on one port from its first start on; `url` names it."""

    def __init__(self, folder: Path | str, api_key: str | None = None) -> None:
        self._command = [sys.executable, qdrant_server.__file__, "--folder", str(folder)]
        if api_key is not None:
            self._command += ["--api-key", api_key]
        self._running: subprocess.Popen[str] | None = None
        self.port = 0
        self.url = ""

    def start(self) -> Self:
        """Start it, or start it again after `kill` or `stop`; returns when it listens."""
        self._running = subprocess.Popen(
            [*self._command, "--port", str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ready = self._line()
        self.url, self.port = ready["url"], ready["port"]
        return self

    def faults(self, **wanted: Any) -> dict[str, Any]:
        """Set faults; see `support.qdrant_faults.set_faults`. Without any: what is set, and the calls so far."""
        running = self._process()
        assert running.stdin is not None
        running.stdin.write(json.dumps(wanted) + "\n")
        running.stdin.flush()
        answer = self._line()
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def kill(self) -> None:
        """SIGKILL."""
        self._process().kill()
        self._gone()

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nothing answers."""
        freeze(self._process())

    def thaw(self) -> None:
        """SIGCONT."""
        self._process().send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not end it; nothing if it is not running."""
        if self._running is None:
            return
        self._running.send_signal(signal.SIGCONT)
        self._running.terminate()
        try:
            self._running.wait(20)
        except subprocess.TimeoutExpired:
            self._running.kill()
        self._gone()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _process(self) -> subprocess.Popen[str]:
        if self._running is None:
            raise RuntimeError("the server is not running")
        return self._running

    def _line(self) -> dict[str, Any]:
        running = self._process()
        assert running.stdout is not None
        line = running.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended with code {running.wait(10)}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _gone(self) -> None:
        running = self._process()
        running.wait()
        for stream in (running.stdin, running.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
        self._running = None
