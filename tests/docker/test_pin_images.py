"""docker/pin_images.py against a registry that speaks its API."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.checks.dashboard import DOCKER

PROGRAM = DOCKER / "pin_images.py"


class _Registry(BaseHTTPRequestHandler):
    """Digests of any tag, by its name, for who has fetched a token; `moved` tags have another one now."""

    moved: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()

    def do_HEAD(self) -> None:
        _, _, *name, kind, tag = self.path.split("/")
        image = "/".join(name)
        if self.headers.get("authorization") != f"Bearer token-for-{image}":
            self.send_response(401)
            realm = f"http://{self.headers['host']}/token"
            self.send_header("www-authenticate", f'Bearer realm="{realm}",service="r",scope="{image}"')
        elif kind != "manifests" or image in self.gone or "index" not in self.headers["accept"]:
            self.send_response(404)
        else:
            self.send_response(200)
            self.send_header("docker-content-digest", digest(image, tag, image in self.moved))
        self.end_headers()

    def do_GET(self) -> None:
        scope = self.path.rpartition("scope=")[2].replace("%2F", "/")
        body = json.dumps({"token": f"token-for-{scope}"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


def digest(image: str, tag: str, moved: bool = False) -> str:
    return "sha256:" + hashlib.sha256(f"{image}:{tag}:{moved}".encode()).hexdigest()


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()
    _Registry.moved = _Registry.gone = frozenset()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in (*DOCKER.glob("Dockerfile.*"), DOCKER / "compose.yaml"):
        shutil.copy(file, tmp_path / file.name)
    return tmp_path


def pin(folder: Path, registry: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), "--folder", str(folder), "--mirror", registry, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_every_image_gets_the_digest_of_its_tag(folder: Path, registry: str) -> None:
    """In Dockerfiles and compose file alike, but for what is built here; said twice it changes nothing."""
    done = pin(folder, registry)
    assert done.returncode == 0, done.stderr
    compose = (folder / "compose.yaml").read_text("utf-8")
    assert (
        f"qdrant/qdrant:v1.19.0-unprivileged@{digest('qdrant/qdrant', 'v1.19.0-unprivileged')}\n" in compose
    )
    assert "image: driftline:cpu\n" in compose
    python = f"python:3.11.15-slim-bookworm@{digest('library/python', '3.11.15-slim-bookworm')}"
    assert (folder / "Dockerfile.cpu").read_text("utf-8").count(python) == 2
    before = {file: file.read_bytes() for file in folder.iterdir()}
    assert pin(folder, registry).returncode == 0 and pin(folder, registry, "--check").returncode == 0
    assert before == {file: file.read_bytes() for file in folder.iterdir()}


def test_a_tag_that_was_moved_is_noticed_and_pinned_anew(folder: Path, registry: str) -> None:
    """--check says it and leaves the files; without it the new digest is written."""
    pin(folder, registry)
    _Registry.moved = frozenset(["grafana/grafana"])
    before = (folder / "compose.yaml").read_bytes()
    assert pin(folder, registry, "--check").returncode == 1
    assert (folder / "compose.yaml").read_bytes() == before
    assert pin(folder, registry).returncode == 0
    assert digest("grafana/grafana", "12.4.4", moved=True) in (folder / "compose.yaml").read_text("utf-8")


def test_a_registry_that_knows_not_all_of_them_changes_nothing(folder: Path, registry: str) -> None:
    """All digests are known before the first file is written."""
    _Registry.gone = frozenset(["apache/kafka"])
    before = {file: file.read_bytes() for file in folder.iterdir()}
    done = pin(folder, registry)
    assert done.returncode == 2 and "apache/kafka" in done.stderr and "nothing was written" in done.stderr
    assert before == {file: file.read_bytes() for file in folder.iterdir()}
    assert pin(folder, "http://127.0.0.1:9").returncode == 2
