"""Records of the items topic -> the net change of a catalogue: taken out of format and envelope, deletes by their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec

from streams.events.attributes import ItemRefused
from streams.events.decode_items import DecodedItems, decode_items
from streams.events.event import Reject, RejectReason
from streams.events.ids import id_text
from streams.events.item_record import ItemDescription, decoded_record
from streams.wire.envelope import ENVELOPES, Envelope
from streams.wire.forms import BARE, WRAPPED, forms_of
from streams.wire.keys import AUTO, NO_KEY, TEXT, UnreadableKey, key_at, key_id, read_keys, read_text
from streams.wire.record_batch import RecordBatch
from streams.wire.schemas import NoSchemas
from streams.wire.unframed import SchemaSource, WireFormat, unframed

ItemEnvelope = Literal["none", "debezium", "connect", "cloudevents"]
_UPSERTS: Final = frozenset({"c", "r", "u"})
_DELETE: Final = "d"
_decode_any: Final = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class ItemWire:
    """What stands around catalogue records. key: AUTO, TEXT, NO_KEY, or a path in the key's object."""

    envelope: ItemEnvelope = "none"
    format: Literal["json"] | WireFormat = "json"
    key: str = AUTO


@dataclass(frozen=True, slots=True)
class _Delete:
    """In place of a row: the item of an id, or of the record's key where that says it."""

    item_id: str | None = None
    said: bool = True
    """False: the record says nothing but its key"""


_TOMBSTONE: Final = _Delete(said=False)


class ItemDecoder:
    """Reads the records of the items topic. schemas: None where no registry is set."""

    def __init__(
        self, description: ItemDescription, wire: ItemWire, schemas: SchemaSource | None = None
    ) -> None:
        self._description = description
        self._wire = wire
        self._envelope = ENVELOPES[wire.envelope]
        self._schemas = schemas
        self._id_path = description.name("item_id")
        mapped = "item_id" in description.fields
        self._key_names = [self._id_path.rpartition(".")[2]] if mapped else ["item_id", "id"]

    def decode(self, batch: RecordBatch) -> DecodedItems:
        """Decode records; the last word on an item holds.

        Raises:
            RegistryUnavailable: a schema is not known and the registry does not say; call again.
        """
        why: dict[int, tuple[RejectReason, str]] = {
            row: ("unreadable_record", told) for row, told in batch.unreadable.items()
        }
        tombstones = set(batch.absent())
        if self._wire.format != "json":
            schemas = NoSchemas() if self._schemas is None else self._schemas
            taken_out = unframed(batch.values, batch.headers, self._wire.format, schemas)
            batch, why = replace(batch, values=taken_out.values), {**why, **taken_out.rejects}
        forms, _ = forms_of(self._envelope, batch.values, batch.headers)
        said: dict[int, Any] = {}
        for row, value in enumerate(batch.values):
            if row in why:
                continue
            try:
                found = (
                    _TOMBSTONE
                    if row in tombstones
                    else _unwrapped(value, self._envelope, forms[row], self._id_path)
                )
            except ItemRefused as refused:
                why[row] = refused.why
                continue
            if found is not None:
                said[row] = found
        ids = self._deleted(
            batch, {row: found for row, found in said.items() if isinstance(found, _Delete)}, why
        )
        rows = [row for row in sorted(said) if row not in why and ids.get(row, b"") is not None]
        decoded = decode_items(
            [None if row in ids else said[row] for row in rows],
            keys=[ids.get(row) for row in rows],
            description=self._description,
        )
        rejects = [replace(reject, position=rows[reject.position]) for reject in decoded.rejects]
        rejects += [Reject(row, *told) for row, told in why.items()]
        return DecodedItems(
            decoded.rows,
            decoded.deletes,
            sorted(rejects, key=lambda reject: reject.position),
            [rows[position] for position in decoded.positions],
        )

    def _deleted(
        self,
        batch: RecordBatch,
        deletes: Mapping[int, _Delete],
        why: dict[int, tuple[RejectReason, str]],
    ) -> dict[int, bytes | None]:
        """Row -> id of the item that it deletes; None where it deletes none. A key that says none is added to `why`."""
        ids: dict[int, bytes | None] = {
            row: None if found.item_id is None else found.item_id.encode() for row, found in deletes.items()
        }
        by_key = [row for row, item_id in ids.items() if item_id is None]
        if self._wire.key == NO_KEY:
            for row in by_key:
                if deletes[row].said:
                    why[row] = "unreadable_key", "which item is deleted, neither the record says nor its key"
            return ids
        if not by_key:
            return ids
        given = [batch.keys[row] for row in by_key]
        keys = (
            given
            if self._wire.key == TEXT
            else read_keys(given, [batch.headers[row] for row in by_key], self._schemas)
        )
        for row, key in zip(by_key, keys, strict=True):
            try:
                ids[row] = self._id(key).encode()
            except UnreadableKey as error:
                why[row] = "unreadable_key", str(error)
        return ids

    def _id(self, key: Any) -> str:
        if key is None or self._wire.key == TEXT:
            return read_text(key)
        try:
            return key_id(key, self._wire.key, self._key_names)
        except UnreadableKey as error:
            raise UnreadableKey(f"{error}; see [catalogue] key") from None


def _unwrapped(value: Any, envelope: Envelope, form: int, id_path: str) -> Any:
    """The record of an item, or a `_Delete`; None: it says nothing of items.

    Raises:
        ItemRefused: it is none of the envelope.
    """
    if envelope.name == "none" or form == BARE:
        return value
    try:
        fields: Any = decoded_record(value) if isinstance(value, bytes) else value
        if form == WRAPPED:
            told = "payload" in fields
            fields = _object(fields.get("payload"))
            if fields is None and told:
                return _TOMBSTONE
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return value  # what is wrong with it is told where it is read
    if envelope.operation:
        return _changed(fields or {}, envelope, id_path)
    if envelope.prefix:
        fields = _object(fields.get(envelope.prefix))
    if fields is None:
        raise ItemRefused(
            "missing_field", f"there is no {envelope.prefix or 'payload'}: no envelope of {envelope.name}"
        )
    return fields


def _changed(fields: Mapping[str, Any], envelope: Envelope, id_path: str) -> Any:
    operation = _plain(fields.get(envelope.operation))
    if operation in envelope.ignored:
        return None
    if operation in _UPSERTS:
        after = _object(fields.get(envelope.prefix))
        if after is None:
            raise ItemRefused("missing_field", f"there is no {envelope.prefix}")
        return after
    if operation == _DELETE:
        before = _object(fields.get("before"))
        return _Delete(
            None
            if before is None
            else id_text(_plain(key_at(before, id_path) if "." in id_path else before.get(id_path)))
        )
    if operation is None:
        raise ItemRefused("missing_field", f"{envelope.operation} is missing: no envelope of {envelope.name}")
    raise ItemRefused(
        "operation_refused",
        f"{envelope.operation} is {str(operation)[:20]!r}; those of items are c, r, u and d",
    )


def _object(value: Any) -> Mapping[str, Any] | None:
    """The fields of an object, each as it stands; None where there is none."""
    if isinstance(value, Mapping) or value is None:
        return value
    try:
        return decoded_record(value)
    except msgspec.ValidationError:
        return None


def _plain(value: Any) -> Any:
    return _decode_any(value) if isinstance(value, msgspec.Raw) else value
