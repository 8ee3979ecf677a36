"""Two item ids with one key: found where items are written and read, and refused by name.

States, counts, encoders and models know an item by a 64-bit hash of its id (`sinks.points.item_key`). By chance two of a
million ids share one once in some 37 million catalogues; but such ids can be made in half a minute, and would then be
taken for each other. So the id that is in the store first owns the key, and whatever names the other one is refused: catalogue
rows and events alike. Item ids are no personal data, so that both are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from sinks.points import item_key
from streams.errors import StreamsError
from streams.events.event import RejectReason

_SHOWN_CHARS: Final = 64


class ItemIdsCollide(StreamsError):
    """Items of some events can't be told from others in the store; the rest of the events is not concerned.

    owners: by id of such an item the id that has its key.
    """

    def __init__(self, owners: Mapping[str, str]) -> None:
        super().__init__("; ".join(collision(item_id, owner)[1] for item_id, owner in owners.items()))
        self.owners = dict(owners)


def colliding_ids(item_ids: Iterable[str]) -> dict[str, str]:
    """By each id that has the key of an earlier one the first that has it.

    >>> colliding_ids(["eicllfmfhlgglcce", "sku-1", "gbaijkamcpojcgcc", "sku-1"])
    {'gbaijkamcpojcgcc': 'eicllfmfhlgglcce'}
    """
    first: dict[int, str] = {}
    pairs = ((item_id, first.setdefault(item_key(item_id), item_id)) for item_id in item_ids)
    return {item_id: owner for item_id, owner in pairs if owner != item_id}


def collision(item_id: str, owner: str) -> tuple[RejectReason, str]:
    """Why what names `item_id` is refused.

    >>> collision("b", "a")
    ('item_id_collision', "item id 'b' has the same 64-bit key as 'a', which was here first; give the item another id")
    """
    return (
        "item_id_collision",
        f"item id {_shown(item_id)} has the same 64-bit key as {_shown(owner)}, which was here first; give the item another "
        "id",
    )


def _shown(item_id: str) -> str:
    # ascii: an id may hold what a terminal obeys.
    return ascii(item_id[:_SHOWN_CHARS]) + ("..." if len(item_id) > _SHOWN_CHARS else "")
