"""How to reach the broker: addresses, TLS, credentials; and the same for each of the Kafka clients in use."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sinks.secret import Secret

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
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="how it logs in, with a SASL protocol"
    )
    sasl_username: str | None = Field(None, description="user name, with a SASL protocol")
    sasl_password: Secret | None = Field(None, description="password, with a SASL protocol")
    ssl_cafile: Path | None = Field(
        None,
        description="PEM file of the authority that signed the broker's certificate; default: the system's authorities",
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
        if self.uses_sasl and (self.sasl_username is None or self.sasl_password is None):
            raise ValueError(f"{self.security_protocol} needs sasl_username and sasl_password")
        if not self.uses_sasl and (self.sasl_username is not None or self.sasl_password is not None):
            raise ValueError(
                f"credentials are given, but security_protocol {self.security_protocol} sends none; "
                "set SASL_SSL (or SASL_PLAINTEXT)"
            )
        return self

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
        """A verifying context, or None without TLS. Raises OSError where `ssl_cafile` can't be read."""
        if not self.uses_tls:
            return None
        return ssl.create_default_context(cafile=self.ssl_cafile)

    def kafka_python(self) -> dict[str, Any]:
        """Keyword arguments of every kafka-python client.

        Its reconnect backoff grows to 30 s by default: a client would come back half a minute after the
        broker did. Half a second is soon enough and no burden.
        """
        return {
            "bootstrap_servers": self.addresses,
            "reconnect_backoff_max_ms": 500,
            **self._security(),
        }

    def aiokafka(self) -> dict[str, Any]:
        """Keyword arguments of every aiokafka client."""
        return {"bootstrap_servers": self.addresses, **self._security()}

    def _security(self) -> dict[str, Any]:
        security: dict[str, Any] = {"security_protocol": self.security_protocol}
        if self.uses_tls:
            security["ssl_context"] = self.ssl_context()
        if self.uses_sasl and self.sasl_password is not None:
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
