"""Fetching pictures and sounds by URL: listed hosts alone, no private address, bounded in bytes and time."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from encoders.media import MediaUnusable
from encoders.media_config import MediaConfig

_MOST_REDIRECTS: Final = 3
_MOST_URL_CHARS: Final = 8192


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet: no private, local, reserved or multicast one.

    >>> is_public("8.8.8.8"), is_public("10.0.0.1"), is_public("169.254.169.254"), is_public("::ffff:127.0.0.1")
    (True, False, False, False)
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (inner is None or is_public(str(inner)))


class MediaUrls:
    """Fetches by the rules of `[media]`. Thread-safe."""

    def __init__(self, config: MediaConfig, may_connect: Callable[[str], bool] = is_public) -> None:
        """may_connect: whether an IP address may be spoken to."""
        self._config = config
        self._may_connect = may_connect

    def fetch(self, url: str) -> bytes:
        """The body.

        Raises:
            MediaUnusable: refused (URLs are off, or the host is none of those allowed), too_large, or not_found (also: no
                answer in time).
        """
        deadline = time.monotonic() + self._config.url_timeout_s
        for _ in range(1 + _MOST_REDIRECTS):
            parts = self._allowed(url)
            try:
                answer = self._answer(parts, deadline)
            except MediaUnusable:
                raise
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise MediaUnusable("not_found", f"can't be fetched ({type(error).__name__})") from error
            if isinstance(answer, bytes):
                return answer
            url = urljoin(url, answer)
        raise MediaUnusable("not_found", f"more than {_MOST_REDIRECTS} redirects")

    def _allowed(self, url: str) -> SplitResult:
        if not self._config.urls:
            raise MediaUnusable("refused", "a URL, and none is fetched (media.urls)")
        try:
            parts = urlsplit(url)
            host, _ = (parts.hostname or "").rstrip("."), parts.port
        except ValueError as error:
            raise MediaUnusable("refused", "no URL") from error
        if len(url) > _MOST_URL_CHARS or parts.scheme not in ("http", "https") or parts.username is not None:
            raise MediaUnusable("refused", "no URL that is fetched")
        if host not in self._config.hosts:
            raise MediaUnusable("refused", "a host that is not in media.hosts")
        return parts

    def _answer(self, parts: SplitResult, deadline: float) -> bytes | str:
        """The body, or where it has gone."""
        host = str(parts.hostname)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        # The address that was judged is the one that is spoken to: a name may be another one a moment later.
        sock = self._connected(host, port, deadline)
        connection = http.client.HTTPConnection(host, port)
        try:
            if parts.scheme == "https":
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
            connection.sock = sock
            with _ended_at(sock, deadline):
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("GET", target, headers={"Accept-Encoding": "identity"})
                response = connection.getresponse()
                moved = response.status in (301, 302, 303, 307, 308) and response.getheader("Location")
                if moved:
                    return moved
                if response.status != 200:
                    raise MediaUnusable("not_found", f"status {response.status}")
                return self._body(response)
        finally:
            connection.close()
            sock.close()

    def _connected(self, host: str, port: int, deadline: float) -> socket.socket:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found:
            if self._may_connect(str(address[0])):
                one = socket.socket(family, kind, protocol)
                try:
                    one.settimeout(_left(deadline))
                    one.connect(address)
                    return one
                except BaseException:
                    one.close()
                    raise
        raise MediaUnusable("refused", "an address that is not public")

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        most = self._config.max_bytes
        if int(response.getheader("Content-Length") or 0) > most:
            raise MediaUnusable("too_large", f"more than {most:,} bytes")
        body = response.read(most + 1)
        if len(body) > most:
            raise MediaUnusable("too_large", f"more than {most:,} bytes")
        return body


@contextmanager
def _ended_at(sock: socket.socket, deadline: float) -> Iterator[None]:
    """Within it the connection is shut down at the deadline: a timeout of a socket is one of each wait, and a server may send
    a byte at a time."""
    timer = threading.Timer(_left(deadline), _shut, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
        if time.monotonic() >= deadline:
            raise TimeoutError  # what came may be a part
    finally:
        timer.cancel()


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
