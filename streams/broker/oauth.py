"""Access tokens for a broker (SASL OAUTHBEARER), by client credentials: RFC 6749, 4.4."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from streams.errors import BrokerError, BrokerUnavailable

TIMEOUT_S: Final = 10.0
_MOST_BYTES = 1 << 20
_LIFETIME_S = 300.0
"""Of a token whose endpoint tells none."""
_RENEWED_AT = 0.8
"""Part of its lifetime after which a token is asked for again."""


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where tokens come from."""

    url: str
    client_id: str
    client_secret: str
    scope: str | None = None
    cafile: str | None = None

    def __repr__(self) -> str:
        return f"TokenSource({self.url!r})"


class AccessTokens:
    """Tokens of one source: one is used until it nears its end. Thread-safe."""

    def __init__(self, source: TokenSource, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def token(self) -> str:
        """A token that is valid for a while yet.

        Raises:
            BrokerUnavailable: the endpoint does not answer; try again.
            BrokerError: it refuses, or answers something else than a token.
        """
        with self._lock:
            if not self._token or self._clock() >= self._until:
                asked_at = self._clock()
                self._token, lifetime_s = self._fetch()
                self._until = asked_at + _RENEWED_AT * lifetime_s
            return self._token

    def _fetch(self) -> tuple[str, float]:
        source = self._source
        content = {"grant_type": "client_credentials"} | ({"scope": source.scope} if source.scope else {})
        user = ":".join(
            urllib.parse.quote(part, safe="") for part in (source.client_id, source.client_secret)
        )
        request = urllib.request.Request(
            source.url,
            data=urllib.parse.urlencode(content).encode(),
            headers={
                "Authorization": f"Basic {base64.b64encode(user.encode()).decode()}",
                "Accept": "application/json",
            },
        )
        try:
            with self._opener().open(request, timeout=TIMEOUT_S) as answer:
                return _token_of(answer.read(_MOST_BYTES), source.url)
        except urllib.error.HTTPError as error:
            why = _reason(error)
            if error.code >= 500 or error.code == 429:
                raise BrokerUnavailable(f"the token endpoint {source.url} is not ready: {why}") from None
            raise BrokerError(
                f"the token endpoint {source.url} refuses: {why}; check broker.oauth_client_id, oauth_client_secret "
                "and oauth_scope"
            ) from None
        except ssl.SSLCertVerificationError:
            raise BrokerError(_untrusted(source.url)) from None
        except OSError as error:
            cause = getattr(error, "reason", error)
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise BrokerError(_untrusted(source.url)) from None
            raise BrokerUnavailable(
                f"the token endpoint {source.url} does not answer ({type(cause).__name__})"
            ) from None

    def _opener(self) -> urllib.request.OpenerDirector:
        handlers: list[urllib.request.BaseHandler] = [_Unmoved()]
        if self._source.url.startswith("https:"):
            context = ssl.create_default_context(cafile=self._source.cafile)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        return urllib.request.build_opener(*handlers)


@lru_cache(maxsize=16)
def tokens_from(source: TokenSource) -> AccessTokens:
    """The tokens of a source, shared by all clients of the process."""
    return AccessTokens(source)


def for_kafka_python(tokens: AccessTokens, extensions: Mapping[str, str]) -> Any:
    """A token provider as kafka-python wants it."""
    from kafka.net.sasl.oauth import AbstractTokenProvider

    class Provider(AbstractTokenProvider):  # type: ignore[misc]
        def token(self) -> str:
            return _as_connection_error(tokens)

        def extensions(self) -> dict[str, str]:
            return dict(extensions)

    return Provider()


def for_aiokafka(tokens: AccessTokens, extensions: Mapping[str, str]) -> Any:
    """A token provider as aiokafka wants it."""
    from aiokafka.abc import AbstractTokenProvider

    class Provider(AbstractTokenProvider):  # type: ignore[misc]
        async def token(self) -> str:
            return await asyncio.to_thread(_as_connection_error, tokens)

        def extensions(self) -> dict[str, str]:
            return dict(extensions)

    return Provider()


class _Unmoved(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer of its own: the secret goes nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _as_connection_error(tokens: AccessTokens) -> str:
    """Both clients take an OSError for a connection that failed, and try again."""
    try:
        return tokens.token()
    except (BrokerError, BrokerUnavailable) as error:
        raise ConnectionError(str(error)) from None


def _token_of(content: bytes, url: str) -> tuple[str, float]:
    try:
        answer = json.loads(content)
        token, lifetime_s = answer["access_token"], float(answer.get("expires_in") or _LIFETIME_S)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BrokerError(f"the token endpoint {url} answers something else than a token") from None
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token) or not lifetime_s > 0:
        raise BrokerError(f"the token endpoint {url} answers something else than a token")
    return token, lifetime_s


def _reason(error: urllib.error.HTTPError) -> str:
    """The status, and the endpoint's own word for it; no more of what it says, which may repeat what was sent."""
    try:
        word = json.loads(error.read(_MOST_BYTES))["error"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        word = ""
    known = isinstance(word, str) and re.fullmatch(r"[a-z_]{1,40}", word)
    return f"{error.code} {word}" if known else str(error.code)


def _untrusted(url: str) -> str:
    return f"the certificate of the token endpoint {url} is not trusted; set broker.oauth_cafile"
