"""Keys in the forms in which producers write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.wire.config import RegistryConfig
from streams.wire.keys import UnreadableKey, key_id, read_keys
from streams.wire.registry import RegistryClient
from streams.wire.schemas import Schemas
from support.data.wire_records import as_text, avro_bytes, guid_header, prefixed
from support.servers.schema_registry import SchemaRegistry


def read(key: bytes, names: tuple[str, ...] = ("item_id", "id"), form: str = "auto") -> str:
    return key_id(read_keys([key], [()], None)[0], form, names)


@given(st.text(min_size=1).filter(lambda text: text.strip()[:1] not in ('"', "{") and text[0] != "\0"))
def test_any_text_is_an_id(text: str):
    """A key that is no JSON string or object is the id as it stands, digits and spaces included."""
    assert read(text.encode()) == text


@given(st.text(min_size=1))
def test_a_json_string_is_what_it_says(text: str):
    """In quotes, with whatever escapes; the same id in an object, alone or within Connect's payload."""
    for value in (text, {"item_id": text}, {"id": text}, {"schema": None, "payload": text}):
        assert read(json.dumps(value).encode()) == text
    wrapped = {"schema": {"type": "struct"}, "payload": {"id": text, "version": 3}}
    assert read(json.dumps(wrapped).encode()) == text


def test_numbers_are_ids():
    """A primary key is mostly a number."""
    assert read(b'{"id": 17}') == read(b"17") == "17"


@pytest.mark.parametrize("key", [b'"half', b"{half}", b'{"a": }', b'"a" "b"'])
def test_text_that_only_looks_like_json_is_text(key: bytes):
    """An id may hold quotes and braces."""
    assert read(key) == key.decode()


@pytest.mark.parametrize(
    "key", [b'{"a": 1, "b": 2}', b'{"sku": "x"}', b'{"id": {"x": 1}}', b'{"id": null}', b"{}", b"\xff\xfe"]
)
def test_what_names_no_item_is_unreadable(key: bytes):
    """An object without a field of the id's name, and bytes that are no text, name nothing: an error, never a wrong item."""
    with pytest.raises(UnreadableKey):
        read(key)


def test_a_path_names_the_field():
    """Of composite keys the settings say which field is the id."""
    assert read(b'{"pk": {"sku": "x", "shop": 1}}', form="pk.sku") == "x"


def test_keys_of_a_registry_are_read_by_their_schema():
    """Avro keys, strings and records, by prefix or header; their kind is the registry's word, not the values'."""
    with SchemaRegistry() as registry:
        record = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]}
        text, struct = registry.register("a-key", '"string"'), registry.register("b-key", as_text(record))
        plain = registry.register("c-key", '{"type": "object"}', "JSON")
        schemas = Schemas(RegistryClient(RegistryConfig(url=registry.url)), 10)
        keys = [
            prefixed(text, avro_bytes("sku-1", "string")),
            prefixed(struct, avro_bytes({"id": 7}, record)),
            prefixed(plain, b'{"id": "sku-3"}'),
            avro_bytes("sku-4", "string"),
            prefixed(99, b"x"),
            prefixed(struct, b""),
        ]
        headers = [()] * 3 + [[guid_header(registry.guid(text), name="__key_schema_id")]] + [()] * 2
        found = read_keys(keys, headers, schemas)
        assert [key_id(key, "auto", ("id",)) for key in found[:4]] == ["sku-1", "7", "sku-3", "sku-4"]
        assert all(isinstance(key, UnreadableKey) for key in found[4:])


def test_without_a_registry_a_framed_key_says_what_is_missing():
    """JSON behind a prefix is read all the same; else the setting is named."""
    assert read(prefixed(3, b'"sku-1"')) == "sku-1"
    with pytest.raises(UnreadableKey, match=r"registry\.url"):
        read(prefixed(3, b"\x0asku-1"))
