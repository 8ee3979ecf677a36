"""Records of the items topic -> the net change of a catalogue. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams.events.attributes import ItemRefused
from streams.events.event import ItemRow, Reject
from streams.events.item_record import ItemDescription, decoded_record, item_reject_reason, item_row
from streams.events.json_errors import undecodable

AS_IT_IS = ItemDescription()


@dataclass(frozen=True, slots=True, eq=False)
class DecodedItems:
    """The net change of a batch of catalogue records: `rows` and `deletes` share no item id."""

    rows: list[ItemRow]
    deletes: list[str]
    rejects: list[Reject]
    positions: list[int]
    """of each row's record in the batch"""


def decode_items(
    values: Sequence[bytes | Mapping[str, Any] | None],
    *,
    keys: Sequence[bytes | None],
    description: ItemDescription = AS_IT_IS,
) -> DecodedItems:
    """Decode the catalogue records of one partition; the last word on an item id in the batch holds.

    A record is the whole item: what it does not say is empty from now on. A record without a value deletes the item that
    its key names (a compacted topic's tombstone).

    Args:
        values: JSON objects in UTF-8, or records that were decoded already.
    """
    rejects: list[Reject] = []
    state: dict[str, tuple[int, ItemRow | None]] = {}
    for position, (value, key) in enumerate(zip(values, keys, strict=True)):
        try:
            if value is None:
                row, item_id = None, str(key or b"", "utf-8")
                found = item_reject_reason(item_id, "")
                if found is not None:
                    raise ItemRefused(*found)
            else:
                row = item_row(decoded_record(value) if isinstance(value, bytes) else value, description)
                item_id = row.item_id
        except ItemRefused as error:
            rejects.append(Reject(position, *error.why))
            continue
        except Exception as error:
            given = key if value is None else value
            rejects.append(Reject(position, *undecodable(error, given if isinstance(given, bytes) else b"?")))
            continue
        state.pop(item_id, None)  # so that the order is that of the last word on each item
        state[item_id] = position, row
    return DecodedItems(
        rows=[row for _, row in state.values() if row is not None],
        deletes=[item_id for item_id, (_, row) in state.items() if row is None],
        rejects=rejects,
        positions=[position for position, row in state.values() if row is not None],
    )
