"""Secrets that would go over a network as they are."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from sinks.addresses import is_loopback
from streams.settings import Settings


def exposed_secrets(settings: Settings) -> Iterator[str]:
    """What is sent unencrypted to another machine, and what to set; the store's key is told of where it is used.

    >>> list(exposed_secrets(Settings()))
    []
    """
    broker, registry = settings.broker, settings.registry
    hosts = [address.rpartition(":")[0] for address in broker.addresses]
    away = next((host for host in hosts if not is_loopback(host)), None)
    if away is not None and broker.security_protocol == "SASL_PLAINTEXT":
        what = {"PLAIN": "the password", "OAUTHBEARER": "the access token"}.get(broker.sasl_mechanism)
        if what is not None:
            yield f"{what} of the broker goes to {away} unencrypted; set broker.security_protocol = SASL_SSL"
    if broker.uses_oauth and (host := _plain_host(broker.oauth_token_url or "")) is not None:
        yield f"broker.oauth_client_secret goes to {host} unencrypted; write https:// in broker.oauth_token_url"
    if registry.password is not None or registry.token is not None:
        for url in registry.urls:
            if (host := _plain_host(url)) is not None:
                yield f"the registry's password or token goes to {host} unencrypted; write https:// in registry.url"
                break


def _plain_host(url: str) -> str | None:
    parts = urlsplit(url)
    return (
        parts.hostname
        if parts.scheme == "http" and parts.hostname and not is_loopback(parts.hostname)
        else None
    )
