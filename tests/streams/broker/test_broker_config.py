"""Addresses and credentials of a broker."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streams.broker.config import BrokerConfig


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("broker", ["broker:9092"]),
        ("kafka://broker:19092/", ["broker:19092"]),
        ("a:1, b:2,c", ["a:1", "b:2", "c:9092"]),
        ("kafka://a:1;kafka://b:2", ["a:1", "b:2"]),
        (["a:1", "kafka://b"], ["a:1", "b:9092"]),
        ("[::1]:9093,[::1]", ["[::1]:9093", "[::1]:9092"]),
    ],
)
def test_addresses_are_understood_in_the_usual_forms(url, addresses):
    """One or many, with or without scheme and port."""
    config = BrokerConfig(url=url)
    assert config.addresses == addresses
    assert config.kafka_python()["bootstrap_servers"] == addresses
    assert config.aiokafka()["bootstrap_servers"] == addresses
    assert config.faust_urls == [f"kafka://{address}" for address in addresses]


@pytest.mark.parametrize("url", ["", ":9092", "host:port", "host:0", "http://host:1", "a:1,:2", "host:99999"])
def test_what_is_no_address_is_refused(url):
    """A typing error shows before anything connects."""
    with pytest.raises(ValidationError):
        BrokerConfig(url=url)


def test_passwords_do_not_show():
    """A configuration can be logged."""
    config = BrokerConfig(security_protocol="SASL_SSL", sasl_username="u", sasl_password="hunter2")
    assert "hunter2" not in repr(config) + str(config) + config.model_dump_json()
    for options in (config.kafka_python(), config.aiokafka()):
        assert options["sasl_plain_password"] == "hunter2"
        assert options["ssl_context"].check_hostname


def test_half_given_credentials_are_refused():
    """Credentials that would not be sent, or are missing, are an error that says what to set."""
    with pytest.raises(ValidationError, match="needs sasl_username"):
        BrokerConfig(security_protocol="SASL_SSL", sasl_username="u")
    with pytest.raises(ValidationError, match="SASL_SSL"):
        BrokerConfig(sasl_username="u", sasl_password="p")
    with pytest.raises(ValidationError, match="no_such_key"):
        BrokerConfig(no_such_key=1)
