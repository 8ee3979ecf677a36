"""How to reach the broker: addresses, TLS, credentials; and the same for each of the Kafka clients in use."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sinks.secret import Secret
from streams.broker.oauth import AccessTokens, TokenSource, for_aiokafka, for_kafka_python, tokens_from
from streams.client_context import client_context, require_plain_url

DEFAULT_PORT = 9092
_HOST = re.compile(r"[\w.-]+|\[[0-9A-Fa-f:.%\w]+\]")


class BrokerConfig(BaseModel):
    """A Kafka-compatible broker: address and credentials."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    url: str = Field(
        f"127.0.0.1:{DEFAULT_PORT}",
        description="one or several `host[:port]` with commas between; `kafka://` before them is fine",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="whether the connection is encrypted and whether it logs in"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "PLAIN", description="how it logs in, with a SASL protocol"
    )
    sasl_username: str | None = Field(None, description="user name, with a SASL protocol")
    sasl_password: Secret | None = Field(None, description="password, with a SASL protocol")
    ssl_cafile: Path | None = Field(
        None,
        description="PEM file of the authority that signed the broker's certificate; default: the system's authorities",
    )
    ssl_certfile: Path | None = Field(
        None,
        description="PEM file of this client's certificate (and those up to its authority), for mutual TLS",
    )
    ssl_keyfile: Path | None = Field(
        None, description="PEM file of its private key; default: it stands in ssl_certfile"
    )
    ssl_key_password: Secret | None = Field(None, description="password of the private key, if it has one")
    oauth_token_url: str | None = Field(
        None, description="with OAUTHBEARER, where tokens come from, by client credentials (RFC 6749, 4.4)"
    )
    oauth_client_id: str | None = Field(None, description="this client's name there")
    oauth_client_secret: Secret | None = Field(None, description="and its secret")
    oauth_scope: str | None = Field(None, description="scope that is asked for")
    oauth_cafile: Path | None = Field(
        None,
        description="PEM file of the authority that signed that endpoint's certificate; default: the system's",
    )
    oauth_extensions: dict[str, str] = Field(
        {}, description="SASL extensions sent with a token, such as logicalCluster of Confluent Cloud"
    )
    isolation: Literal["read_committed", "read_uncommitted"] = Field(
        "read_committed", description="read_uncommitted also reads what open and aborted transactions wrote"
    )

    @field_validator("url", mode="before")
    @classmethod
    def _normal_url(cls, url: object) -> object:
        if isinstance(url, (list, tuple)):
            url = ",".join(str(part) for part in url)
        if not isinstance(url, str):
            return url
        if "@" in url:
            # Not shown, in whole or in part: there is a password in it.
            raise ValueError(
                "the broker's URL holds a user or a password; write host:port, and the credentials in sasl_username and "
                "sasl_password"
            )
        return ",".join(_address(part) for part in url.replace(";", ",").split(",") if part.strip())

    @field_validator("url")
    @classmethod
    def _some_url(cls, url: str) -> str:
        if not url:
            raise ValueError("broker url is empty; give host:port")
        return url

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.uses_oauth:
            return self._oauth_credentials()
        if self.uses_sasl and (self.sasl_username is None or self.sasl_password is None):
            raise ValueError(f"{self.security_protocol} needs sasl_username and sasl_password")
        if not self.uses_sasl and (self.sasl_username is not None or self.sasl_password is not None):
            raise ValueError(
                f"credentials are given, but security_protocol {self.security_protocol} sends none; "
                "set SASL_SSL (or SASL_PLAINTEXT)"
            )
        if any(
            value is not None
            for value in (self.oauth_token_url, self.oauth_client_id, self.oauth_client_secret)
        ):
            raise ValueError(
                'oauth_ settings are given, and not used; set sasl_mechanism = "OAUTHBEARER" and security_protocol = "SASL_SSL"'
            )
        return self

    def _oauth_credentials(self) -> Self:
        if self.oauth_token_url is None or self.oauth_client_id is None or self.oauth_client_secret is None:
            raise ValueError("OAUTHBEARER needs oauth_token_url, oauth_client_id and oauth_client_secret")
        if self.sasl_username is not None or self.sasl_password is not None:
            raise ValueError("OAUTHBEARER sends no sasl_username and sasl_password; leave them out")
        return self

    @model_validator(mode="after")
    def _certificates(self) -> Self:
        if not self.uses_tls and (self.ssl_certfile is not None or self.ssl_keyfile is not None):
            raise ValueError(
                f"a client certificate is given, but security_protocol {self.security_protocol} sends none; set SSL or SASL_SSL"
            )
        if self.ssl_certfile is None and (self.ssl_keyfile is not None or self.ssl_key_password is not None):
            raise ValueError("a private key is given without its certificate; set ssl_certfile")
        return self

    @field_validator("oauth_token_url")
    @classmethod
    def _endpoint(cls, url: str | None) -> str | None:
        if url is not None:
            require_plain_url(url, "the token endpoint's URL", "oauth_client_id and oauth_client_secret")
        return url

    @property
    def uses_oauth(self) -> bool:
        return self.uses_sasl and self.sasl_mechanism == "OAUTHBEARER"

    @property
    def uses_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL")

    @property
    def uses_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    @property
    def addresses(self) -> list[str]:
        """Each `host:port`.

        >>> BrokerConfig(url="kafka://a:1,b").addresses
        ['a:1', 'b:9092']
        """
        return self.url.split(",")

    @property
    def faust_urls(self) -> list[str]:
        """Each `kafka://host:port`."""
        return [f"kafka://{address}" for address in self.addresses]

    def ssl_context(self) -> ssl.SSLContext | None:
        """A verifying context, or None without TLS.

        Raises:
            SettingsError: `ssl_cafile`, `ssl_certfile` or `ssl_keyfile` can't be used; says which, and why.
        """
        if not self.uses_tls:
            return None
        return client_context(
            "broker", self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile, self.ssl_key_password
        )

    def tokens(self) -> AccessTokens | None:
        """The access tokens by which clients log in; None where they do so otherwise."""
        if not self.uses_oauth:
            return None
        assert self.oauth_token_url and self.oauth_client_id and self.oauth_client_secret, "validated"
        cafile = None if self.oauth_cafile is None else str(self.oauth_cafile.expanduser())
        return tokens_from(
            TokenSource(
                self.oauth_token_url,
                self.oauth_client_id,
                self.oauth_client_secret.get_secret_value(),
                self.oauth_scope,
                cafile,
            )
        )

    def kafka_python(self) -> dict[str, Any]:
        """Keyword arguments of every kafka-python client.

        Its reconnect backoff grows to 30 s by default: a client would come back half a minute after the
        broker did. Half a second is soon enough and no burden.
        """
        return {
            "bootstrap_servers": self.addresses,
            "reconnect_backoff_max_ms": 500,
            **self._security(for_kafka_python),
        }

    def aiokafka(self) -> dict[str, Any]:
        """Keyword arguments of every aiokafka client."""
        return {"bootstrap_servers": self.addresses, **self._security(for_aiokafka)}

    def _security(self, provider: Callable[[AccessTokens, Mapping[str, str]], Any]) -> dict[str, Any]:
        security: dict[str, Any] = {"security_protocol": self.security_protocol}
        if self.uses_tls:
            security["ssl_context"] = self.ssl_context()
        if (tokens := self.tokens()) is not None:
            security["sasl_mechanism"] = self.sasl_mechanism
            security["sasl_oauth_token_provider"] = provider(tokens, self.oauth_extensions)
        elif self.uses_sasl and self.sasl_password is not None:
            security["sasl_mechanism"] = self.sasl_mechanism
            security["sasl_plain_username"] = self.sasl_username
            security["sasl_plain_password"] = self.sasl_password.get_secret_value()
        return security


def _address(part: str) -> str:
    address = part.strip().removeprefix("kafka://").rstrip("/")
    host, colon, port = address.rpartition(":")
    if address.endswith("]") or not colon:  # no port; an IPv6 address ends with its bracket
        host, port = address, str(DEFAULT_PORT)
    if "://" in address:
        raise ValueError(
            f"the broker's address begins with {address.partition('://')[0]!r}; give host:port, and encryption and login by "
            "security_protocol"
        )
    if not _HOST.fullmatch(host) or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{part.strip()!r} is not a broker address; give host:port")
    return f"{host}:{port}"
