"""The addresses of a server, as a location writes them: one URL, or several of one cluster with commas between."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sinks.errors import StoreError

SCHEMES = ("http://", "https://")
_REST_PORT = 6333
_HOST_AND_PORT = re.compile(r"[^/\\]+:\d+")


@dataclass(frozen=True, slots=True)
class Address:
    """One node of a server."""

    host: str
    """in brackets where it is an IPv6 address"""
    port: int
    """of gRPC"""
    rest_port: int
    tls: bool

    @property
    def target(self) -> str:
        """For gRPC."""
        return f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.target}"


def is_server(location: str) -> bool:
    """Whether a location names a server, well or badly; a folder otherwise.

    >>> is_server("http://a:6333, http://b:6333"), is_server("./store,1")
    (True, False)
    """
    return any(part.strip().startswith(SCHEMES) for part in location.split(","))


def is_folder(location: str) -> bool:
    """Whether a location names a folder, by its form.

    >>> is_folder("./store"), is_folder("http://a:6333"), is_folder("qdrant:6333")
    (True, False, False)
    """
    return not (is_server(location) or "://" in location or _HOST_AND_PORT.fullmatch(location.strip()))


def is_loopback(host: str) -> bool:
    """Whether a connection stays on this machine.

    >>> is_loopback("localhost"), is_loopback("[::1]"), is_loopback("127.1.2.3"), is_loopback("qdrant")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def check_location(location: str) -> None:
    """Refuse what names neither a folder nor a server, before anything is made there. No message shows what may be a secret.

    Raises:
        StoreError: says what to write.
    """
    if is_server(location):
        addresses(location, None)
    elif "://" in location:
        # Only the scheme is shown: the rest may hold a password.
        scheme = location.partition("://")[0]
        raise StoreError(f"no store is known by {scheme!r}; name a folder, or http(s)://host:6333")
    elif not location.strip():
        raise StoreError("the store's location is empty; name a folder, or http(s)://host:6333")
    elif not is_folder(location):
        raise StoreError(
            "the store's location is a host and a port; write http(s)://host:6333 for a server, ./name for a folder"
        )
    elif any(ord(sign) < 32 or sign == "\x7f" for sign in location):
        raise StoreError("the store's location holds a line break or another control character")


def join_locations(locations: Sequence[str]) -> str:
    """One location that says what a list of them says.

    Raises:
        ValueError: several, and not all of them are URLs; or none at all.

    >>> join_locations(["http://a:6333", "http://b:6333"])
    'http://a:6333,http://b:6333'
    """
    if not locations:
        raise ValueError("an empty list names no store; give a folder, or the URLs of a server's nodes")
    if len(locations) > 1 and not all(location.strip().startswith(SCHEMES) for location in locations):
        raise ValueError("only a server has several addresses: each must be http(s)://host:port")
    return ",".join(location.strip() for location in locations)


def addresses(location: str, grpc_port: int | None) -> list[Address]:
    """The nodes that a server's location names, each once, in their order.

    Raises:
        StoreError: a URL that would not mean what it says, or nodes that differ in http and https. No message shows
            what may be a secret.

    >>> [str(address) for address in addresses("http://a:6333, http://b", None)]
    ['http://a:6334', 'http://b:6334']
    """
    found = [_address(part.strip(), grpc_port) for part in location.split(",")]
    if len({address.tls for address in found}) > 1:
        raise StoreError("the store's addresses must be all http or all https: one key goes to each of them")
    return list(dict.fromkeys(found))


def _address(url: str, grpc_port: int | None) -> Address:
    if not url.startswith(SCHEMES):
        # What stands there is not shown: it may be a password that has a comma in it.
        raise StoreError(
            "one of the store's addresses does not begin with http:// or https://; write "
            "http(s)://host:port, and commas between several"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise StoreError("the store's URL cannot be read; write http(s)://host:port") from error
    if parts.username is not None or parts.password is not None:
        raise StoreError("the store's URL holds a user or a password; give a key by store.api_key instead")
    if not host or parts.path.strip("/") or parts.query or parts.fragment:
        named = f" of {host}" if host else ""
        raise StoreError(f"the store's URL{named} must be http(s)://host:port and no more")
    if ":" in host:
        host = f"[{host}]"
    rest_port = port or _REST_PORT
    return Address(host, grpc_port or rest_port + 1, rest_port, parts.scheme == "https")
