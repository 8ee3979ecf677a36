"""Keys of records, in whatever form a producer writes them: text, a JSON string or number, a JSON object, Connect's schema and
payload, or the wire format with a schema's id.

The bytes tell the form: a JSON string in its double quotes is that string, a JSON object is that object, what begins with a
zero byte names a schema. All else is text as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from streams.events.ids import id_text
from streams.events.paths import is_place, parse_path
from streams.wire.decoder import UnusableSchema
from streams.wire.framing import KEY_HEADER, Framed, NotFramed, framed, is_framed
from streams.wire.unframed import RecordHeaders, SchemaSource

AUTO: Final = "auto"
TEXT: Final = "text"
NO_KEY: Final = "none"
"""Forms of a key that says an item: by its bytes; text whatever it looks like; none, records without a value mean nothing. Any
other one is a path in the key's object."""
_WRAPPED: Final = {"schema", "payload"}


class UnreadableKey(ValueError):
    """A key that names nothing; the text says why, and quotes nothing of it."""


def read_keys(
    keys: Sequence[bytes | None], headers: Sequence[RecordHeaders], schemas: SchemaSource | None
) -> list[Any]:
    """What each key says: a text, a number, a mapping, None, or an `UnreadableKey`, which is not raised.

    schemas: None where no registry is set.

    Raises:
        RegistryUnavailable: a key names a schema that is not known, and the registry does not say; call again.
    """
    found: list[Any] = []
    frames: dict[int, Framed] = {}
    for position, (key, around) in enumerate(zip(keys, headers, strict=True)):
        frame = None if key is None else _frame(key, around)
        if isinstance(frame, Framed):
            frames[position] = frame
        found.append(frame if isinstance(frame, UnreadableKey) else _plain(key) if frame is None else None)
    if frames:
        known = {} if schemas is None else schemas.fetch({frame.schema for frame in frames.values()})
        for position, frame in frames.items():
            found[position] = _decoded(frame, known.get(frame.schema), schemas is None)
    return found


def key_id(key: Any, form: str, names: Sequence[str]) -> str:
    """The id that a key says.

    Args:
        key: one of `read_keys`.
        form: AUTO, or a path in the key's object.
        names: what the field with the id may be called; none: it is the only one.

    Raises:
        UnreadableKey: it says none, or does not say which of its fields it is.

    >>> key_id({"item_id": 7}, "auto", ["item_id"]), key_id("u1", "auto", []), key_id({"k": {"id": "x"}}, "k.id", [])
    ('7', 'u1', 'x')
    """
    if isinstance(key, UnreadableKey):
        raise key
    value = _field(key, form, names) if isinstance(key, Mapping) else key
    text = id_text(value)
    if not text:
        raise UnreadableKey(
            "the key says no id" if value is None else "the key's id is no text and no whole number"
        )
    return text


def read_text(key: bytes | None) -> str:
    """A key that is text, whatever it looks like. Raises UnreadableKey."""
    try:
        return str(key or b"", "utf-8")
    except UnicodeDecodeError:
        raise UnreadableKey("the key is not UTF-8") from None


def _frame(key: bytes, headers: RecordHeaders) -> Framed | UnreadableKey | None:
    try:
        if is_framed(key) or any(name == KEY_HEADER and content for name, content in headers):
            return framed(key, headers, KEY_HEADER)
    except NotFramed as error:
        return UnreadableKey(f"the key's schema can't be told: {error}")
    return None


def _plain(key: bytes | None) -> Any:
    if key is None:
        return None
    stripped = key.strip()
    if stripped[:1] in (b'"', b"{") and stripped[-1:] in (b'"', b"}"):
        try:
            return _payload(msgspec.json.decode(stripped))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            pass  # text that only looks like it
    try:
        return read_text(key)
    except UnreadableKey as error:
        return error


def _payload(value: Any) -> Any:
    """Without Connect's schema around it."""
    return value["payload"] if isinstance(value, Mapping) and value.keys() == _WRAPPED else value


def _decoded(frame: Framed, known: Any, no_registry: bool) -> Any:
    kind, decoder = known or ("", None)
    if kind == "JSON" or (no_registry and frame.payload[:1] in (b'"', b"{")):
        return _plain(frame.payload)
    if no_registry:
        return UnreadableKey("the key names a schema: set registry.url")
    if decoder is None:
        return UnreadableKey(f"the registry has no schema {frame.schema}, which the key names")
    if isinstance(decoder, UnusableSchema):
        return UnreadableKey(f"schema {frame.schema} of the key: {decoder}")
    try:
        return decoder.decode(frame.payload, frame.header, frame.in_header)
    except Exception as error:
        return UnreadableKey(f"the key's bytes are none of schema {frame.schema} ({type(error).__name__})")


def _field(key: Mapping[str, Any], form: str, names: Sequence[str]) -> Any:
    if form != AUTO:
        return key_at(key, form)
    for name in names:
        if name in key:
            return key[name]
    if len(key) == 1 and not names:
        return next(iter(key.values()))
    raise UnreadableKey(
        f"the key is an object, and none of its fields is called {' or '.join(names) or 'alone'}"
    )


def key_at(key: Mapping[str, Any], path: str) -> Any:
    """What stands at a path in an object; None where there is nothing."""
    value: Any = key
    for step in parse_path(path):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list | tuple) and is_place(step):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value
