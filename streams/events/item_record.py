"""A record of a catalogue, whatever brought it -> a row: one set of rules for the items topic and for files of every kind.

A record says all there is to say of its item. Its values are what JSON, Avro or a column of a file hold: raw JSON is decoded
here, and only what is asked for, so that a field of a million objects is never built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from encoders.media_reference import MediaReference
from streams.events.attributes import AttributeChoice, ItemRefused, attributes_of
from streams.events.event import (
    MAX_ITEM_ID_BYTES,
    MAX_SCENARIO_BYTES,
    MAX_TEXT_CHARS,
    ItemRow,
    RejectReason,
    fits,
    is_blank,
)
from streams.events.ids import id_text, wrong_id
from streams.events.plain_text import plain_text

CATALOGUE_FIELDS: Final = ("item_id", "title", "description", "scenario")
MEDIA_FIELDS: Final = ("image", "audio")
_ABSENT: Final = object()
_MOST_SEEN: Final = 256
_Value = str | int | float | bool | list[str | int | float | bool | None] | None


class _MediaObject(msgspec.Struct):
    """In JSON no bytes can stand beside the path."""

    path: str | None = None


_decode_value = msgspec.json.Decoder(_Value).decode
_decode_media = msgspec.json.Decoder(str | _MediaObject | None).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class ItemDescription:
    """Which fields of a record are an item's, and which further ones become attributes."""

    fields: Mapping[str, str] = field(default_factory=dict)
    """field or attribute -> its name in the record, where that is another one; dots lead into objects"""
    choice: AttributeChoice = field(default_factory=AttributeChoice)
    media: tuple[str, ...] = ()
    """those of `MEDIA_FIELDS` that are encoded; the others are further fields like any"""
    _seen: dict[tuple[str, ...], dict[str, str]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def name(self, wanted: str) -> str:
        """What the record calls this field."""
        return self.fields.get(wanted, wanted)

    @property
    def content_fields(self) -> tuple[str, ...]:
        """Fields that are no attributes."""
        return (*CATALOGUE_FIELDS, *self.media)

    def further(self, names: Iterable[str]) -> dict[str, str]:
        """Attribute -> its name in the record, of a record with these names. Most records have the names of the one before."""
        key = tuple(names)
        found = self._seen.get(key)
        if found is None:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            found = self._seen[key] = self._further(key)
        return found

    def _further(self, names: Iterable[str]) -> dict[str, str]:
        own = self.content_fields
        used = {*own, *map(self.name, own), *self.fields.values()}
        found = {name: name for name in names if name not in used}
        found |= {name: path for name, path in self.fields.items() if name not in own}
        return {name: path for name, path in found.items() if self.choice.takes(name)}


def item_row(
    record: Mapping[str, Any], description: ItemDescription, left_out: list[str] | None = None
) -> ItemRow:
    """The row of one record. left_out: takes the names of further fields that are no attributes.

    Raises:
        ItemRefused: the record is no item.
    """
    item_id = _text(record, description.name("item_id"), "item_id", required=True)
    scenario = _text(record, description.name("scenario"), "scenario")
    found = item_reject_reason(item_id, scenario)
    if found is not None:
        raise ItemRefused(*found)
    title = plain_text(_text(record, description.name("title"), "title"))
    text = plain_text(_text(record, description.name("description"), "description"))
    row = ItemRow(item_id, title[:MAX_TEXT_CHARS], text[:MAX_TEXT_CHARS], scenario)
    if "image" in description.media:
        row.image = media_reference(_media_value(record, description.name("image")))
    if "audio" in description.media:
        row.audio = media_reference(_media_value(record, description.name("audio")))
    further = description.further(record)
    if further:
        values = {name: _value(record, path) for name, path in further.items()}
        row.attributes, dropped = attributes_of(
            {name: None if value is _ABSENT else value for name, value in values.items()}
        )
        if left_out is not None:
            left_out += dropped
    return row


def media_reference(value: Any, folder: str = "") -> MediaReference | None:
    """What a record says of a picture or sound: a text, bytes, or both as data sets have them, `struct{bytes, path}`.

    Anything else says nothing: a picture is never a reason to refuse an item.

    >>> media_reference("a.jpg"), media_reference({"bytes": None, "path": "a.jpg"}), media_reference("  "), media_reference(7)
    (MediaReference(text='a.jpg', folder='', data=b''), MediaReference(text='a.jpg', folder='', data=b''), None, None)
    """
    if isinstance(value, MediaReference):
        return value
    if isinstance(value, _MediaObject):
        value = value.path
    if isinstance(value, Mapping):
        inner = value.get("bytes")
        value = value.get("path") if inner is None or inner == b"" else inner
    if isinstance(value, bytes | bytearray | memoryview):
        return MediaReference(folder=folder, data=bytes(value)) if len(value) else None
    if isinstance(value, str) and value.strip():
        return MediaReference(value.strip(), folder)
    return None


def named_item(record: Mapping[str, Any], description: ItemDescription) -> str | None:
    """The id of the item that a record is about, also where the record can't be used; None where it can't be read."""
    try:
        item_id = _text(record, description.name("item_id"), "item_id", required=True)
    except ItemRefused:
        return None
    return item_id if item_reject_reason(item_id, "") is None else None


def decoded_record(value: bytes) -> Mapping[str, Any]:
    """The fields of a JSON object, each still JSON."""
    return _decode_object(value)


def item_reject_reason(item_id: str, scenario: str) -> tuple[RejectReason, str] | None:
    """Why this catalogue row can't be used, or None."""
    if is_blank(item_id):
        return "empty_item_id", "item_id is empty"
    if not fits(item_id, MAX_ITEM_ID_BYTES):
        return (
            "item_id_too_long",
            f"item_id has {len(item_id.encode())} bytes, the limit is {MAX_ITEM_ID_BYTES}",
        )
    if not fits(scenario, MAX_SCENARIO_BYTES):
        return (
            "scenario_too_long",
            f"scenario has {len(scenario.encode())} bytes, the limit is {MAX_SCENARIO_BYTES}",
        )
    return None


def _text(record: Mapping[str, Any], path: str, name: str, required: bool = False) -> str:
    value = _value(record, path)
    if value is _ABSENT and required:
        raise ItemRefused("missing_field", f"Object missing required field `{path}`")
    if value is _ABSENT or value is None or (isinstance(value, float) and value != value):
        return ""
    text = id_text(value)
    if text is None:
        raise ItemRefused(*wrong_id(name, value))
    return text


def _media_value(record: Mapping[str, Any], path: str) -> Any:
    """As `_value`, but of an object its fields."""
    held = record.get(path, _ABSENT)
    if isinstance(held, msgspec.Raw):
        try:
            return _decode_media(held)
        except (msgspec.DecodeError, ValueError):  # other fields of the object, a number, a list
            return None
    return _value(record, path) if held is _ABSENT else held


def _value(record: Mapping[str, Any], path: str) -> Any:
    """What the field holds: the whole name first, then each part between dots leads into an object."""
    held = record.get(path, _ABSENT)
    if held is _ABSENT and "." in path:
        outer, _, inner = path.partition(".")
        held = record.get(outer, _ABSENT)
        if isinstance(held, msgspec.Raw):
            try:
                held = _decode_object(held)
            except msgspec.ValidationError:
                return _ABSENT
        return _value(held, inner) if isinstance(held, Mapping) else _ABSENT
    if isinstance(held, msgspec.Raw):
        try:
            return _decode_value(held)
        except msgspec.ValidationError:
            return {}  # an object, or a list of them
    return held
