"""Asks a Schema Registry for schemas. Blocking; thread-safe; keeps nothing.

Whose fault an answer is: a registry that does not answer, is overloaded, refuses us or is none at all is the registry's or the
settings' fault, so no record is rejected for it (`RegistryUnavailable`); only "there is no such schema", said as a registry
says it, is the record's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from streams.errors import RegistryUnavailable, SettingsError
from streams.wire.config import RegistryConfig
from streams.wire.framing import SchemaId

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES: Final = 8 << 20
"""A larger answer is no schema."""
CONNECT_S: Final = 3.0
_NO_SUBJECT, _NO_VERSION, _NO_SCHEMA = 40401, 40402, 40403
_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json"


class SchemaReference(msgspec.Struct, frozen=True):
    """A schema that another one uses under a name: of Avro a type's full name, of Protobuf an import's path."""

    name: str
    subject: str
    version: int


class RegisteredSchema(msgspec.Struct, frozen=True, rename={"kind": "schemaType", "text": "schema"}):
    """A schema as the registry has it."""

    text: str
    kind: str = "AVRO"
    """AVRO, PROTOBUF or JSON"""
    references: tuple[SchemaReference, ...] | None = None


class _Fault(msgspec.Struct):
    error_code: int = 0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


class RegistryClient:
    """A client of the registry at the settings' addresses."""

    def __init__(self, config: RegistryConfig) -> None:
        """Connects to nothing yet.

        Raises:
            SettingsError: no address is set, or a certificate can't be read.
        """
        if not config.urls:
            raise SettingsError("avro and protobuf need a Schema Registry: set registry.url")
        if config.username is not None and config.password is None:
            raise SettingsError(
                "registry.username is given and no password: set registry.password, or DRIFTLINE_REGISTRY__PASSWORD"
            )
        self._config = config
        self._client = _client(config)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check(self) -> None:
        """Return if the registry answers and knows us.

        Raises:
            RegistryUnavailable: it does not answer.
            SettingsError: it does not take the credentials.
        """
        answer = self._ask("/schemas/types")
        if answer.status == 401:
            raise SettingsError(
                f"the Schema Registry at {self.place} does not take the credentials (401); "
                "check registry.username and registry.password, or registry.token"
            )

    def schema(self, wanted: SchemaId) -> RegisteredSchema | None:
        """The schema with an id or GUID; None: the registry has none.

        Raises:
            RegistryUnavailable: it does not say.
        """
        kind = "ids" if isinstance(wanted, int) else "guids"
        return self._schema(f"/schemas/{kind}/{wanted}")

    def version(self, reference: SchemaReference) -> RegisteredSchema | None:
        """The schema that a reference means; None: the registry has none.

        Raises:
            RegistryUnavailable: it does not say.
        """
        # deleted=true: what refers to a version outlives its deletion.
        subject = quote(reference.subject, safe="")
        return self._schema(f"/subjects/{subject}/versions/{reference.version}?deleted=true")

    @property
    def place(self) -> str:
        """Where the registry is, as one may say it."""
        return ", ".join(map(_place, self._config.urls))

    def _schema(self, path: str) -> RegisteredSchema | None:
        answer = self._ask(path)
        if answer.status == 200:
            try:
                return msgspec.json.decode(answer.body, type=RegisteredSchema)
            except msgspec.MsgspecError:
                raise RegistryUnavailable(
                    f"what answers at {self.place} is no Schema Registry: it sends no schema; check registry.url"
                ) from None
        if answer.status == 404 and _fault(answer) in (_NO_SUBJECT, _NO_VERSION, _NO_SCHEMA):
            return None
        raise RegistryUnavailable(_refusal(self.place, answer.status))

    def _ask(self, path: str) -> _Answer:
        """The first answer that is one; else why the last address gave none."""
        trouble = ""
        for url in self._config.urls:
            try:
                answer = self._get(url + path)
            except _Silent as error:
                trouble = f"the Schema Registry at {_place(url)} does not answer: {error}"
                continue
            if answer.status < 500 and answer.status != 429:
                return answer
            trouble = _refusal(_place(url), answer.status)
        raise RegistryUnavailable(trouble)

    def _get(self, url: str) -> _Answer:
        import httpx

        try:
            with self._client.stream("GET", url) as response:
                body = b""
                for part in response.iter_bytes():
                    body += part
                    if len(body) > MAX_ANSWER_BYTES:
                        raise _Silent(f"its answer is larger than {MAX_ANSWER_BYTES >> 20} MiB")
        except httpx.TimeoutException:
            raise _Silent(f"nothing within {self._config.timeout_s:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise _Silent(_reason(error)) from None
        return _Answer(response.status_code, body)


class _Silent(Exception):
    """One address gave no answer, and why."""


def _client(config: RegistryConfig) -> httpx.Client:
    import httpx

    headers = {"Accept": _ACCEPT}
    auth: Any = None
    if config.token is not None:
        headers["Authorization"] = f"Bearer {config.token.get_secret_value()}"
    elif config.username is not None and config.password is not None:
        auth = httpx.BasicAuth(config.username, config.password.get_secret_value())
    verify: Any = False  # of plain HTTP there is nothing to verify
    if any(url.startswith("https://") for url in config.urls):
        verify = config.ssl_context()
    timeout = httpx.Timeout(config.timeout_s, connect=min(CONNECT_S, config.timeout_s))
    # Not followed: a redirect would carry the credentials elsewhere, and a registry sends none.
    return httpx.Client(headers=headers, auth=auth, verify=verify, timeout=timeout, follow_redirects=False)


def _fault(answer: _Answer) -> int:
    try:
        return msgspec.json.decode(answer.body, type=_Fault).error_code
    except msgspec.MsgspecError:
        return 0


def _refusal(place: str, status: int) -> str:
    what = {
        401: "it does not take the credentials; check registry.username and registry.password, or registry.token",
        403: "these credentials may not read schemas",
        404: "no Schema Registry is at this address; check the path of registry.url",
        429: "it asks to be asked later",
    }.get(status, "it fails" if status >= 500 else "check registry.url")
    return f"the Schema Registry at {place} answers {status}: {what}"


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"


def _reason(error: Exception) -> str:
    text = str(error.__cause__ or error) or type(error).__name__
    return text.splitlines()[0][:200]
