"""Another address for a server: a program that passes bytes on, to be killed and frozen like a node of a cluster.

    python tests/support/servers/tcp_proxy.py --to PORT [--port N]

prints its port when it listens.
"""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

HERE = "127.0.0.1"


class TcpProxy:
    """The program as a process; `port` stays the same from its first start on."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._running: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Of a Qdrant server behind it: the HTTP port is by custom one below the gRPC port."""
        return f"http://{HERE}:{self.port - 1}"

    def start(self) -> Self:
        """Start it, or start it again after `kill`; returns when it listens."""
        self._running = subprocess.Popen(
            [sys.executable, str(Path(__file__)), "--to", str(self._to), "--port", str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._running.stdout is not None
        self.port = int(self._running.stdout.readline())
        return self

    def kill(self) -> None:
        """SIGKILL: its connections break, new ones are refused."""
        self._process().kill()
        self._gone()

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nothing passes."""
        self._process().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._process().send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it; nothing if it is not running."""
        if self._running is not None:
            self.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _process(self) -> subprocess.Popen[str]:
        if self._running is None:
            raise RuntimeError("the proxy is not running")
        return self._running

    def _gone(self) -> None:
        running = self._process()
        running.wait()
        if running.stdout is not None:
            running.stdout.close()
        self._running = None


def forward(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(port: int, to: int) -> None:
    with socket.create_server((HERE, port)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            client, _ = listener.accept()
            try:
                server = socket.create_connection((HERE, to))
            except OSError:
                client.close()
                continue
            for ends in ((client, server), (server, client)):
                threading.Thread(target=forward, args=ends, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    serve(options.port, options.to)


if __name__ == "__main__":
    main()
