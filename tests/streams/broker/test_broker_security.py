"""Client certificates and access tokens: what is refused before anything connects, and how tokens are fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streams.broker.config import BrokerConfig
from streams.broker.oauth import AccessTokens, TokenSource
from streams.errors import BrokerError, BrokerUnavailable, SettingsError
from support.certificates import Authority
from support.servers.token_endpoint import TokenEndpoint

TOKENS = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "OAUTHBEARER",
    "oauth_token_url": "https://id/token",
    "oauth_client_id": "c",
    "oauth_client_secret": "hunter2",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"oauth_client_secret": None}, "needs oauth_token_url"),
        ({"sasl_username": "u", "sasl_password": "p"}, "sends no sasl_username"),
        ({"sasl_mechanism": "PLAIN"}, "needs sasl_username"),
        ({"security_protocol": "PLAINTEXT"}, "OAUTHBEARER"),
        ({"oauth_token_url": "https://u:hunter2@id/token"}, "holds a user"),
        ({"oauth_token_url": "id/token"}, "must be https"),
        ({"oauth_token_url": "https://id:x/token"}, "can't be read"),
    ],
)
def test_half_given_tokens_are_refused(changed: dict[str, Any], says: str) -> None:
    """What is missing or would not be sent, without a secret in the message."""
    with pytest.raises(ValidationError) as raised:
        BrokerConfig(**{**TOKENS, **changed})
    texts = [problem["msg"] for problem in raised.value.errors(include_input=False)]
    assert says in texts[0] and "hunter2" not in texts[0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ssl_certfile": "c"}, "sends none"),
        ({"security_protocol": "SSL", "ssl_keyfile": "k"}, "without its certificate"),
        ({"security_protocol": "SSL", "ssl_key_password": "hunter2"}, "without its certificate"),
    ],
)
def test_half_given_certificates_are_refused(given: dict[str, Any], says: str) -> None:
    """As credentials are."""
    with pytest.raises(ValidationError, match=says):
        BrokerConfig(**given)


def test_files_that_are_no_certificates_are_named(authority: Authority, tmp_path: Path) -> None:
    """One line each, that says which file and why; a key's password is never asked for on the terminal."""
    key, certificate = authority.issue("client")
    locked, its = authority.issue("locked", "key-s3cret")
    (tmp_path / "text.pem").write_text("no certificate")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"ssl_cafile": tmp_path / "none.pem"}, "ssl_cafile .*none.pem: No such file"),
        ({"ssl_cafile": tmp_path / "text.pem"}, "ssl_cafile .*text.pem: it is no PEM file"),
        ({"ssl_cafile": tmp_path}, "ssl_cafile"),
        ({"ssl_certfile": tmp_path / "text.pem"}, "ssl_certfile .*text.pem: it is no PEM file"),
        ({"ssl_certfile": certificate}, "ssl_certfile"),
        ({"ssl_certfile": certificate, "ssl_keyfile": locked}, "password"),
        ({"ssl_certfile": its, "ssl_keyfile": locked, "ssl_key_password": "other"}, "another password"),
        ({"ssl_certfile": its, "ssl_keyfile": key}, "another certificate's"),
    ]
    for given, says in cases:
        with pytest.raises(SettingsError, match=says):
            BrokerConfig(security_protocol="SSL", **given).ssl_context()
    for name, secret in ((key, None), (locked, "key-s3cret")):
        config = BrokerConfig(
            security_protocol="SSL",
            ssl_certfile=certificate if name is key else its,
            ssl_keyfile=name,
            ssl_key_password=secret,  # type: ignore[arg-type]
        )
        assert config.ssl_context() is not None and "s3cret" not in repr(config)


def source(endpoint: TokenEndpoint, **changed: str) -> TokenSource:
    given = {"url": endpoint.url, "client_id": endpoint.client_id, "client_secret": endpoint.secret}
    return TokenSource(**{**given, **changed})


def test_a_token_is_used_until_it_nears_its_end() -> None:
    """Many ask, few are fetched."""
    now = [0.0]
    with TokenEndpoint(lifetime_s=100) as endpoint:
        tokens = AccessTokens(source(endpoint, scope="kafka"), lambda: now[0])
        first = tokens.token()
        now[0] = 79.0
        assert tokens.token() == first and len(endpoint.asked) == 1
        now[0] = 81.0
        tokens.token()
        assert len(endpoint.asked) == 2
        assert endpoint.asked[0] == {"grant_type": "client_credentials", "scope": "kafka"}


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (
            (401, b'{"error": "invalid_client", "error_description": "hunter2"}'),
            BrokerError,
            "401 invalid_client",
        ),
        ((400, b"hunter2"), BrokerError, "refuses: 400"),
        ((400, b'{"error": "hunter2 <b>"}'), BrokerError, "refuses: 400;"),
        ((302, b""), BrokerError, "refuses: 302"),
        ((503, b""), BrokerUnavailable, "not ready: 503"),
        ((429, b""), BrokerUnavailable, "not ready: 429"),
        ((200, b"<html>"), BrokerError, "something else"),
        ((200, b'{"access_token": 5}'), BrokerError, "something else"),
        ((200, b'{"access_token": "a b\\n"}'), BrokerError, "something else"),
        ((200, b'{"access_token": "a", "expires_in": "soon"}'), BrokerError, "something else"),
        ((200, b'{"access_token": "a", "expires_in": -1}'), BrokerError, "something else"),
    ],
)
def test_answers_that_are_no_token(answer: tuple[int, bytes], kind: type[Exception], says: str) -> None:
    """Refused for good, or to be tried again; no word of an answer is shown that may repeat what was sent."""
    with TokenEndpoint() as endpoint:
        endpoint.answers = [answer]
        tokens = AccessTokens(source(endpoint))
        with pytest.raises(kind, match=says) as raised:
            tokens.token()
        assert "hunter2" not in str(raised.value) and len(endpoint.asked) == 1
        assert tokens.token(), "the next one is asked for anew"


def test_an_endpoint_that_is_away_is_waited_for() -> None:
    """No answer is not a refusal."""
    with TokenEndpoint() as endpoint:
        url = endpoint.url
    with pytest.raises(BrokerUnavailable, match="does not answer"):
        AccessTokens(TokenSource(url, "c", "hunter2")).token()
    assert "hunter2" not in repr(TokenSource(url, "c", "hunter2"))
