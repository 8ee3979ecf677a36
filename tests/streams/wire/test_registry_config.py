"""Settings of the Schema Registry."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streams.wire.config import RegistryConfig


def test_newlines_around_a_secret_are_left_out():
    """A secret from a file may end with a newline; what is sent is the secret."""
    config = RegistryConfig(url="http://r:8081", username="key\n", password="s3cret\r\n")
    assert config.username == "key"
    assert config.password is not None and config.password.get_secret_value() == "s3cret"
    token = RegistryConfig(url="http://r:8081", token="abc\n").token
    assert token is not None and token.get_secret_value() == "abc"


@pytest.mark.parametrize(
    "url", ["http://bob:hunter2@r:8081", "https://a:1,http://hunter2@r", "http://r:hunter2"]
)
def test_user_information_in_the_url_is_refused_without_quoting_it(url: str):
    """A password that someone put into the URL stands in no message."""
    with pytest.raises(ValidationError) as refused:
        RegistryConfig(url=url)
    told = [problem["msg"] for problem in refused.value.errors()]
    assert told and not any("hunter2" in message for message in told)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "r:8081"},
        {"url": "ftp://r"},
        {"url": "http://r?x=1"},
        {"url": "http://r", "password": "p"},
        {"url": "http://r", "username": "u", "password": "p", "token": "t"},
        {"url": "http://r", "ssl_keyfile": "key.pem"},
    ],
)
def test_what_can_not_be_meant_is_refused(wrong: dict[str, str]):
    """Settings that contradict each other are an error before anything is asked."""
    with pytest.raises(ValidationError):
        RegistryConfig(**wrong)
