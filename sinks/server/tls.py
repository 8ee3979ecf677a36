"""TLS with a server: whom a client trusts, and the certificate by which it is known; for gRPC and for HTTP."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

import grpc

from sinks.addresses import Address, is_loopback
from sinks.config import StoreConfig
from sinks.errors import StoreError


def rest_context(config: StoreConfig) -> ssl.SSLContext:
    """For HTTP.

    Raises:
        StoreError: `ca_file`, `client_cert_file` or `client_key_file` can't be used; says which, and why.
    """
    try:
        context = ssl.create_default_context(cafile=_expanded(config.ca_file))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"cannot read store.ca_file {config.ca_file}: {_why(error)}; it must be a PEM file"
        ) from None
    if config.client_cert_file is not None:
        try:
            context.load_cert_chain(
                config.client_cert_file.expanduser(), _expanded(config.client_key_file), password=lambda: ""
            )
        except (OSError, ValueError) as error:
            key = (
                ""
                if config.client_key_file is None
                else f" with store.client_key_file {config.client_key_file}"
            )
            raise StoreError(
                f"cannot use store.client_cert_file {config.client_cert_file}{key}: {_why(error)}; they must be a certificate "
                "and its private key as PEM, without a password"
            ) from None
    return context


def grpc_credentials(config: StoreConfig) -> grpc.ChannelCredentials:
    """For gRPC, which tells nothing of files that it can't use: they are tried before.

    Raises:
        StoreError: as `rest_context`.
    """
    rest_context(config)
    return grpc.ssl_channel_credentials(
        _content(config.ca_file),
        _content(config.client_key_file or config.client_cert_file),
        _content(config.client_cert_file),
    )


def require_tls(nodes: Sequence[Address], config: StoreConfig) -> None:
    """Refuse a client certificate that would not be shown.

    Raises:
        StoreError: the addresses are http.
    """
    if config.client_cert_file is not None and not all(address.tls for address in nodes):
        raise StoreError(
            "store.client_cert_file is given, and the store's address is http; write https://host:port"
        )


def exposed_key(nodes: Sequence[Address], config: StoreConfig) -> str | None:
    """The host to which the API key goes unencrypted over a network; None where it does not."""
    if config.api_key is None:
        return None
    return next(
        (address.host for address in nodes if not address.tls and not is_loopback(address.host)), None
    )


def _expanded(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser()


def _content(path: Path | None) -> bytes | None:
    return None if path is None else path.expanduser().read_bytes()


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unreadable").replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
