"""A secret that goes over a network as it is is warned of, without showing it."""

from __future__ import annotations

from typing import Any

import pytest

from streams.cli.exposed import exposed_secrets
from streams.settings import Settings

PLAIN = {"sasl_username": "u", "sasl_password": "hunter2"}
TOKENS = {"sasl_mechanism": "OAUTHBEARER", "oauth_client_id": "c", "oauth_client_secret": "hunter2"}


@pytest.mark.parametrize(
    ("sections", "warnings"),
    [
        ({"broker": {"url": "kafka", "security_protocol": "SASL_PLAINTEXT", **PLAIN}}, 1),
        ({"broker": {"url": "127.0.0.1,[::1]", "security_protocol": "SASL_PLAINTEXT", **PLAIN}}, 0),
        ({"broker": {"url": "127.0.0.1,kafka", "security_protocol": "SASL_PLAINTEXT", **PLAIN}}, 1),
        ({"broker": {"url": "kafka", "security_protocol": "SASL_SSL", **PLAIN}}, 0),
        (
            {
                "broker": {
                    "url": "k",
                    "security_protocol": "SASL_PLAINTEXT",
                    "oauth_token_url": "http://id/t",
                    **TOKENS,
                }
            },
            2,
        ),
        (
            {
                "broker": {
                    "url": "k",
                    "security_protocol": "SASL_SSL",
                    "oauth_token_url": "https://id/t",
                    **TOKENS,
                }
            },
            0,
        ),
        ({"registry": {"url": "https://a,http://r:8081", "username": "u", "password": "hunter2"}}, 1),
        ({"registry": {"url": "http://localhost:8081", "token": "hunter2"}}, 0),
    ],
)
def test_what_goes_unencrypted_to_another_machine_is_named(sections: dict[str, Any], warnings: int) -> None:
    """The host and the setting; on this machine and with TLS there is nothing to say."""
    told = list(exposed_secrets(Settings.load(flags=sections)))
    assert len(told) == warnings and "hunter2" not in " ".join(told)
