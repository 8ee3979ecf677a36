"""URLs are fetched by the rules of `[media]`, from a real server on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from encoders.media import MediaUnusable
from encoders.media_config import MediaConfig
from encoders.media_urls import MediaUrls

BODY = b"GIF89a of a server"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://internal.example/secret")
        elif self.path == "/round":
            self.send_response(302)
            self.send_header("Location", "/round")
        elif self.path == "/moved":
            self.send_response(301)
            self.send_header("Location", "/a.gif")
        elif self.path == "/a.gif":
            self.send_response(200)
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            while True:
                try:
                    self.wfile.write(b"x" * 10_000)
                except OSError:
                    return
        elif self.path == "/drip":
            try:
                for _ in range(200):
                    self.wfile.write(b"H")
                    time.sleep(0.05)
            except OSError:
                pass
            return
        else:
            self.send_response(404)
        self.end_headers()
        if self.path == "/a.gif":
            self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def result(url: str, urls: MediaUrls) -> str:
    try:
        urls.fetch(url)
    except MediaUnusable as error:
        return error.result
    return "ok"


def allowing(host: str = "localhost", **settings: object) -> MediaUrls:
    """As configured, but private addresses are public here."""
    config = MediaConfig.model_validate({"urls": True, "hosts": (host,), **settings})
    return MediaUrls(config, lambda address: True)


def test_an_allowed_host_is_fetched_and_redirects_stay_with_it(server: str) -> None:
    """A redirect is judged like any URL: to another host it is refused, in a circle it ends."""
    urls = allowing()
    assert urls.fetch(f"{server}/a.gif") == urls.fetch(f"{server}/moved") == BODY
    assert result(f"{server}/away", urls) == "refused"
    assert result(f"{server}/round", urls) == "not_found"
    assert result(f"{server}/nothing", urls) == "not_found"


def test_nothing_is_fetched_by_default_nor_from_other_hosts(server: str) -> None:
    """Off by default; a host is allowed by its whole name; credentials and other schemes are refused."""
    url = f"{server}/a.gif"
    assert result(url, MediaUrls(MediaConfig())) == "refused"
    assert result(url, allowing("example.com")) == "refused"
    assert result(url.replace("localhost", "localhost.evil.example"), allowing()) == "refused"
    assert result(url.replace("//", "//user:password@"), allowing()) == "refused"
    assert result(url.replace("http", "ftp", 1), allowing()) == "refused"


def test_a_private_address_is_refused_whatever_its_name(server: str) -> None:
    """An allowed name that leads to this machine or its network is refused before a byte is sent."""
    config = MediaConfig(urls=True, hosts=("localhost",))
    assert result(f"{server}/a.gif", MediaUrls(config)) == "refused"


def test_size_and_time_are_bounded(server: str) -> None:
    """An endless body ends at the limit, a server that drips at the deadline."""
    assert result(f"{server}/endless", allowing(max_bytes=100_000)) == "too_large"
    began = time.monotonic()
    assert result(f"{server}/drip", allowing(url_timeout_s=0.5)) == "not_found"
    assert time.monotonic() - began < 3


def test_hosts_are_names_alone() -> None:
    """A pattern, an address with a port or a URL in media.hosts is refused at the start."""
    for host in ("*.example.com", "example.com:80", "http://example.com", ""):
        with pytest.raises(ValueError, match="no host"):
            MediaConfig(urls=True, hosts=(host,))
    with pytest.raises(ValueError, match="needs hosts"):
        MediaConfig(urls=True)
