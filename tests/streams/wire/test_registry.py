"""The client of a Schema Registry, against a real one: what it finds, and whose fault it says an answer is."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import RegistryUnavailable, SettingsError
from streams.wire.config import RegistryConfig
from streams.wire.registry import RegistryClient, SchemaReference
from support.certificates import Authority
from support.servers.schema_registry import SchemaRegistry

SECRET = "hunter2"


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    with SchemaRegistry() as started:
        yield started


def client(registry: SchemaRegistry, **settings: object) -> RegistryClient:
    return RegistryClient(RegistryConfig.model_validate({"url": registry.url, "timeout_s": 1.0, **settings}))


def test_schemas_are_found_by_id_guid_and_version(registry: SchemaRegistry):
    """An id, a GUID and a subject's version lead to the schema, with its kind and what it refers to."""
    used = registry.register("common/a b", '"string"')
    schema = registry.register("e", 'syntax = "proto3";', "PROTOBUF", (("a.proto", "common/a b", 1),))
    asking = client(registry)
    found = asking.schema(schema)
    assert found is not None
    assert (found.kind, found.text) == ("PROTOBUF", 'syntax = "proto3";')
    (reference,) = found.references or ()
    assert asking.version(reference) == asking.schema(used)
    assert asking.schema(str(registry.guid(schema))) == found


def test_what_the_registry_does_not_know_is_no_fault(registry: SchemaRegistry):
    """Only "there is no such schema", as registries say it, means that there is none."""
    asking = client(registry)
    assert asking.schema(99) is None
    assert asking.schema("89791762-2336-4186-9674-299b90a802e2") is None
    assert asking.version(SchemaReference("n", "nobody", 1)) is None


@pytest.mark.parametrize("status", [404, 401, 403, 429, 500, 502, 503, 302, 200])
def test_any_other_answer_is_the_registrys_fault(registry: SchemaRegistry, status: int):
    """Pages of proxies, errors and refusals blame no record: the registry is unavailable, and its place is named."""
    registry.faults.status = status
    with pytest.raises(RegistryUnavailable, match=r"127\.0\.0\.1"):
        client(registry).schema(1)


def test_a_registry_that_is_away_or_slow_is_unavailable(registry: SchemaRegistry):
    """Neither silence nor a closed port is an answer; both end within the settings' time."""
    asking = client(registry, timeout_s=0.3)
    registry.faults.slow_s = 2.0
    with pytest.raises(RegistryUnavailable, match=r"nothing within 0\.3 s"):
        asking.schema(1)
    registry.stop()
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        asking.schema(1)


def test_the_next_address_is_asked_where_one_is_away(registry: SchemaRegistry):
    """Of several registries one that answers is enough."""
    schema = registry.register("s", '"string"')
    with SchemaRegistry() as failing:
        failing.faults.status = 503
        url = f"http://127.0.0.1:1,{failing.url},{registry.url}"
        found = client(registry, url=url).schema(schema)
    assert found is not None


@pytest.mark.parametrize("given", [{"username": "bob", "password": f"{SECRET}\n"}, {"token": "t0ken"}])
def test_credentials_open_a_registry(given: dict[str, str]):
    """Basic authentication and bearer tokens are sent as the settings say."""
    with SchemaRegistry(user="bob", password=SECRET, token="t0ken") as registry:
        schema = registry.register("s", '"string"')
        asking = client(registry, **given)
        asking.check()
        assert asking.schema(schema) is not None


def test_wrong_credentials_are_the_settings_fault():
    """The check at the start ends with what to set, and the password in no message."""
    with SchemaRegistry(user="bob", password="other") as registry:
        asking = client(registry, username="bob", password=SECRET)
        with pytest.raises(SettingsError, match=r"registry\.username") as refused:
            asking.check()
        assert SECRET not in str(refused.value)
        with pytest.raises(RegistryUnavailable, match="401") as later:
            asking.schema(1)
        assert SECRET not in str(later.value)


def test_a_path_belongs_to_the_address():
    """Registries that serve Confluent's interface under a path are reached there."""
    with SchemaRegistry(path="/apis/ccompat/v7") as registry:
        schema = registry.register("s", '"string"')
        assert client(registry).schema(schema) is not None
        wrong = client(registry, url=registry.url.removesuffix("/apis/ccompat/v7"))
        with pytest.raises(RegistryUnavailable, match=r"check the path of registry\.url"):
            wrong.schema(schema)


def test_an_address_is_needed():
    """Avro without a registry is an error of the settings."""
    with pytest.raises(SettingsError, match=r"registry\.url"):
        RegistryClient(RegistryConfig())


def test_a_user_name_needs_a_password():
    """A password that is missing in the environment is named where the registry is needed, not where a store is read."""
    with pytest.raises(SettingsError, match="DRIFTLINE_REGISTRY__PASSWORD"):
        RegistryClient(RegistryConfig(url="http://r", username="u"))


def test_certificates_that_can_not_be_read_are_named_as_such():
    """A path that leads nowhere ends with one line of ours."""
    with pytest.raises(SettingsError, match=r"registry\.ssl_cafile"):
        RegistryClient(RegistryConfig(url="https://r", ssl_cafile="/nowhere.pem"))


def test_a_registry_may_ask_for_a_certificate(tmp_path: Path):
    """With the authority and a client certificate of the settings it answers; without the certificate it is unavailable."""
    authority = Authority(tmp_path / "authority")
    (server_key, server), (key, certificate) = authority.issue("registry"), authority.issue("driftline")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(server, server_key)
    with SchemaRegistry(tls=tls) as registry:
        schema = registry.register("s", '"string"')
        trusted = {"ssl_cafile": str(authority.certificate)}
        known = client(registry, **trusted, ssl_certfile=str(certificate), ssl_keyfile=str(key))
        assert known.schema(schema) is not None
        with pytest.raises(RegistryUnavailable):
            client(registry, **trusted).schema(schema)
        with pytest.raises(RegistryUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            client(registry).schema(schema)
