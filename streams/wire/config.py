"""Settings of the Schema Registry."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sinks.secret import Secret


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
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            raise ValueError("ssl_keyfile needs ssl_certfile, the certificate that it is the key of")
        return self

    @property
    def urls(self) -> list[str]:
        """Each address, without a slash at its end.

        >>> RegistryConfig(url="http://a:8081/, https://b/apis/ccompat/v7").urls
        ['http://a:8081', 'https://b/apis/ccompat/v7']
        """
        return [part for part in self.url.split(",") if part]

    def ssl_context(self) -> ssl.SSLContext:
        """A verifying context. Raises OSError where a file can't be read."""
        context = ssl.create_default_context(cafile=self.ssl_cafile)
        if self.ssl_certfile is not None:
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        return context


def _normal_url(url: str) -> str:
    # Never quoted: what is wrong with it may be a password.
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("it is no URL; give http://host:port or https://host") from None
    if "@" in parts.netloc:
        raise ValueError(
            "user information in the URL is refused; set registry.username and registry.password"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("it is no URL of a registry; give http://host:port or https://host")
    if parts.query or parts.fragment:
        raise ValueError("a registry's URL has no ? and no #")
    return url.rstrip("/")
