"""A real Kafka that wants a client's certificate, or an access token: by both clients, from a log to a store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.servers.real_kafka import RealKafka
from streams.broker.embedded import free_port
from support.certificates import Authority
from support.data.streamed_logs import rows, write_lines
from support.servers.brokers import kafka_parts
from support.servers.daemon_process import driftline
from support.servers.token_endpoint import TokenEndpoint

pytestmark = pytest.mark.broker

PASSWORD = "key-s3cret"
UNSECURED = "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
LOGIN = 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="admin";'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[RealKafka]:
    """A node that speaks TLS with clients of the authority alone."""
    kafka_parts()
    node = RealKafka(tmp_path_factory.mktemp("mutual"), heap_mb=256)
    key, certificate = authority.issue("broker")
    store = authority.folder / "keystore.pem"
    store.write_text(key.read_text() + certificate.read_text())
    node._properties |= {
        "listeners": f"SSL://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node._controller_port}",
        "advertised.listeners": f"SSL://127.0.0.1:{node.port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SSL:SSL",
        "inter.broker.listener.name": "SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.certificate),
        "ssl.client.auth": "required",
    }
    node.start()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def bearer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    """A node that takes unsigned access tokens."""
    kafka_parts()
    node = RealKafka(tmp_path_factory.mktemp("bearer"), heap_mb=256)
    inner = free_port()
    node._properties |= {
        "listeners": f"SASL_PLAINTEXT://127.0.0.1:{node.port},PLAINTEXT://127.0.0.1:{inner},"
        f"CONTROLLER://127.0.0.1:{node._controller_port}",
        "advertised.listeners": f"SASL_PLAINTEXT://127.0.0.1:{node.port},PLAINTEXT://127.0.0.1:{inner}",
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config": LOGIN,
        "listener.name.sasl_plaintext.oauthbearer.sasl.server.callback.handler.class": UNSECURED,
    }
    node.start()
    yield node
    node.stop()


def from_log_to_store(tmp_path: Path, topic_prefix: str, environment: dict[str, str]) -> None:
    """A log into topics (kafka-python makes them, aiokafka fills them), and by the daemon (Faust) into a store."""
    log = write_lines(tmp_path / "log.jsonl", rows(30))
    sent = driftline("redrive", str(log), "--prefix", topic_prefix, "--json", **environment)
    assert sent.returncode == 0, sent.stderr
    arguments = ("--prefix", topic_prefix, "--group", topic_prefix, "--store", str(tmp_path / "s"))
    done = driftline("run", *arguments, "--drain", "--json", "--metrics-port", "0", **environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["applied"] == 30
    for secret in (PASSWORD, "s3cret", "eyJ"):
        assert secret not in sent.stderr + done.stderr


def test_a_client_certificate_opens_a_broker(
    mutual: RealKafka, authority: Authority, tmp_path: Path, topic_prefix: str
) -> None:
    """With a key that has a password; without it, or without a certificate, nothing is made and the reason is one line."""
    key, certificate = authority.issue("daemon", PASSWORD)
    environment = {
        "DRIFTLINE_BROKER__URL": mutual.url,
        "DRIFTLINE_BROKER__SECURITY_PROTOCOL": "SSL",
        "DRIFTLINE_BROKER__SSL_CAFILE": str(authority.certificate),
        "DRIFTLINE_BROKER__SSL_CERTFILE": str(certificate),
        "DRIFTLINE_BROKER__SSL_KEYFILE": str(key),
        "DRIFTLINE_BROKER__SSL_KEY_PASSWORD": f"{PASSWORD}\n",
    }
    from_log_to_store(tmp_path, topic_prefix, environment)
    log = str(tmp_path / "log.jsonl")
    wrong = environment | {"DRIFTLINE_BROKER__SSL_KEY_PASSWORD": "other"}
    done = driftline("redrive", log, "--prefix", "x", **wrong)
    assert done.returncode == 2 and "ssl_key_password" in done.stderr and done.stderr.count("\n") == 1
    without = {
        name: text for name, text in environment.items() if "CERTFILE" not in name and "_KEY" not in name
    }
    done = driftline("redrive", log, "--prefix", "x", **without)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr


def test_access_tokens_open_a_broker(bearer: RealKafka, tmp_path: Path, topic_prefix: str) -> None:
    """Fetched by client credentials, used by every client, and few; a wrong secret is said, and not shown."""
    with TokenEndpoint() as endpoint:
        environment = {
            "DRIFTLINE_BROKER__URL": bearer.url,
            "DRIFTLINE_BROKER__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "DRIFTLINE_BROKER__SASL_MECHANISM": "OAUTHBEARER",
            "DRIFTLINE_BROKER__OAUTH_TOKEN_URL": endpoint.url,
            "DRIFTLINE_BROKER__OAUTH_CLIENT_ID": endpoint.client_id,
            "DRIFTLINE_BROKER__OAUTH_CLIENT_SECRET": endpoint.secret,
            "DRIFTLINE_BROKER__OAUTH_SCOPE": "kafka",
        }
        from_log_to_store(tmp_path, topic_prefix, environment)
        assert len(endpoint.asked) == 2 and {form["scope"] for form in endpoint.asked} == {"kafka"}
        log = str(tmp_path / "log.jsonl")
        wrong = environment | {"DRIFTLINE_BROKER__OAUTH_CLIENT_SECRET": "hunter2"}
        done = driftline("redrive", log, "--prefix", "x", **wrong)
        assert done.returncode == 1 and "refuses: 401 invalid_client" in done.stderr
        assert "hunter2" not in done.stderr and "Traceback" not in done.stderr
