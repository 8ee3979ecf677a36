"""Settings of the Schema Registry."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sinks.secret import Secret
from streams.client_context import client_context, require_plain_url

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class RegistryConfig(BaseModel):
    """A Schema Registry with Confluent's interface: address and credentials."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    url: str = Field(
        "",
        description="one or several `http[s]://host[:port][/path]` with commas between, the next one is asked where one is "
        "away; needed where a format is avro or protobuf",
    )
    username: str | None = Field(None, description="user name, or the API key of a hosted registry")
    password: Secret | None = Field(
        None, description="password, or the API secret; better DRIFTLINE_REGISTRY__PASSWORD than a file"
    )
    token: Secret | None = Field(None, description="bearer token, in place of user name and password")
    ssl_cafile: Path | None = Field(
        None,
        description="PEM file of the authority that signed the registry's certificate; default: the system's authorities",
    )
    ssl_certfile: Path | None = Field(
        None, description="PEM file of a client certificate, with its chain, where the registry asks for one"
    )
    ssl_keyfile: Path | None = Field(
        None, description="PEM file of its private key; default: it is in ssl_certfile"
    )
    ssl_key_password: Secret | None = Field(None, description="password of the private key, if it has one")
    timeout_s: float = Field(10.0, gt=0, description="a request that takes longer is tried again")
    cached_schemas: int = Field(1000, ge=1, description="schemas that are kept, compiled, in memory")

    @field_validator("url", mode="before")
    @classmethod
    def _one_text(cls, url: object) -> object:
        return ",".join(map(str, url)) if isinstance(url, (list, tuple)) else url

    @field_validator("url")
    @classmethod
    def _plain_urls(cls, url: str) -> str:
        return ",".join(_normal_url(part.strip()) for part in url.split(",") if part.strip())

    @field_validator("username")
    @classmethod
    def _stripped(cls, name: str | None) -> str | None:
        return None if name is None else name.strip()

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        # A user name without a password is refused where it is used: who reads a store needs no password of a registry.
        if self.password is not None and self.username is None:
            raise ValueError("a password needs a username")
        if self.token is not None and self.username is not None:
            raise ValueError("give a token or a user name with a password, not both")
        if self.ssl_certfile is None and (self.ssl_keyfile is not None or self.ssl_key_password is not None):
            raise ValueError("a private key is given without its certificate; set ssl_certfile")
        return self

    @property
    def urls(self) -> list[str]:
        """Each address, without a slash at its end.

        >>> RegistryConfig(url="http://a:8081/, https://b/apis/ccompat/v7").urls
        ['http://a:8081', 'https://b/apis/ccompat/v7']
        """
        return [part for part in self.url.split(",") if part]

    @property
    def shows_credentials(self) -> bool:
        """Whether a password or token goes over the network as plain HTTP.

        >>> RegistryConfig(url="http://r:8081", token="t").shows_credentials
        True
        """
        hosts = [urlsplit(url).hostname or "" for url in self.urls if url.startswith("http://")]
        secret = self.password is not None or self.token is not None
        return secret and any(host not in _LOOPBACK for host in hosts)

    def ssl_context(self) -> ssl.SSLContext:
        """A verifying context.

        Raises:
            SettingsError: a file can't be used; says which, and why.
        """
        return client_context(
            "registry", self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile, self.ssl_key_password
        )


def _normal_url(url: str) -> str:
    # Never quoted: what is wrong with it may be a password.
    require_plain_url(url, "a registry's URL", "registry.username and registry.password")
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise ValueError("a registry's URL has no ? and no #")
    return url.rstrip("/")
