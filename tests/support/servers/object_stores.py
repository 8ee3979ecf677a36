"""Object stores on the loopback: real servers over the wire, each with what the environment must say to reach it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

SECRET = "a-secret-that-no-message-quotes"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's own, which stands in its manual."""


class ObjectStore:
    """A store that runs, with a bucket `logs`."""

    bucket = "logs"

    def __init__(self, scheme: str, port: int, environment: dict[str, str]) -> None:
        self.scheme = scheme
        self.port = port
        self.environment = environment

    def url(self, key: str) -> str:
        """Of an object."""
        return f"{self.scheme}://{self.bucket}/{key}"

    def put(self, key: str, data: bytes) -> str:
        """Write an object; its URL."""
        filesystem, bucket = self.filesystem()
        with filesystem.open_output_stream(f"{bucket}/{key}", compression=None) as out:
            out.write(data)
        return self.url(key)

    def put_folder(self, folder: Path, key: str) -> str:
        """All files of a folder, below a key; the URL of that."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{key}/{path.relative_to(folder)}", path.read_bytes())
        return self.url(key)

    def filesystem(self) -> tuple[Any, str]:
        """As the product opens it; the environment must be set."""
        from streams.files.filesystems import filesystem_of

        return filesystem_of(self.scheme, self.bucket)


@contextmanager
def s3_store() -> Iterator[ObjectStore]:
    """moto, in a process of its own."""
    with _process([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "{port}"]) as port:
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "a-key-id-of-tests",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }
        request = urllib.request.Request(f"http://127.0.0.1:{port}/logs", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        yield ObjectStore("s3", port, environment)


@contextmanager
def gs_store() -> Iterator[ObjectStore]:
    """gcp-storage-emulator, in a process of its own."""
    program = [
        sys.executable,
        "-m",
        "gcp_storage_emulator",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
    ]
    with _process([*program, "--in-memory", "--default-bucket", "logs"]) as port:
        yield ObjectStore("gs", port, {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"})


@contextmanager
def abfs_store(folder: Path) -> Iterator[ObjectStore]:
    """Azurite, which comes from npm: skipped without it. folder: for what it holds."""
    program = os.environ.get("DRIFTLINE_TEST_AZURITE") or shutil.which("azurite-blob")
    if program is None:
        pytest.skip("no azurite-blob on the path (npm install azurite; or name it in DRIFTLINE_TEST_AZURITE)")
    options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location", str(folder)]
    with _process([program, "--blobHost", "127.0.0.1", "--blobPort", "{port}", *options]) as port:
        said = [
            "DefaultEndpointsProtocol=http",
            "AccountName=devstoreaccount1",
            f"AccountKey={AZURITE_KEY}",
            f"BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1",
        ]
        store = ObjectStore("abfs", port, {"AZURE_STORAGE_CONNECTION_STRING": ";".join(said)})
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AZURE_STORAGE_CONNECTION_STRING", ";".join(said))
            filesystem, bucket = store.filesystem()
            filesystem.create_dir(bucket)
        yield store


@contextmanager
def _process(command: list[str]) -> Iterator[int]:
    """Run a server on a free port until it answers there; the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [word.format(port=port) for word in command]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{words[0]} did not start")
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(20)
