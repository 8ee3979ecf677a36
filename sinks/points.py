"""What a user's and an item's point hold, and the ids that they have in the store."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import xxhash
from numpy.typing import NDArray

from sinks.attributes import Attributes

PLACEHOLDER = ""
"""Content of an item that is not (yet) in the catalogue: its vector is a stand-in."""
WITHOUT_TEXT = "none"
"""Content of an item that is in the catalogue without any text."""

_NAMESPACE = uuid.UUID("6f1b2f0e-5d1c-5b8a-9a57-8f6a4c1d2e30")
_NAMESPACE_HASH = hashlib.sha1(_NAMESPACE.bytes, usedforsecurity=False)
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def item_key(item_id: str) -> int:
    """The unsigned 64-bit number that stands for an item in states and in the store.

    It is xxh3-64 of the id's UTF-8 bytes. Zero means "no item" in states, so an id that hashes to it gets 1.

    >>> item_key("sku-1") == item_key("sku-1") and 0 < item_key("sku-1") < 2**64
    True
    """
    return xxhash.xxh3_64_intdigest(item_id.encode()) or 1


def user_point_id(user_id: str) -> str:
    """The UUID (version 5) of a user's point.

    >>> user_point_id("ada")
    '6f994f4b-d496-5ba1-a03d-f7c9ac86af82'
    """
    return named_id(f"user/{user_id}")


def named_id(name: str) -> str:
    """The UUID (version 5) of a name in Driftline's namespace."""
    # As uuid.uuid5 does it, which takes four times as long, and every point that is written or read needs one.
    digest = _NAMESPACE_HASH.copy()
    digest.update(name.encode())
    text = digest.hexdigest()
    variant = _VARIANTS[text[16]]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


@dataclass(frozen=True, slots=True, eq=False)
class UserPoints:
    """U users to write, each with everything that its point holds.

    The later of two rows with one user id wins.
    """

    user_ids: list[str]
    fused: NDArray[np.float32]
    """(U, D) unit vectors"""
    interests: NDArray[np.float32]
    """(R, D) unit vectors; user u has the rows interest_offsets[u]:interest_offsets[u + 1], perhaps none"""
    interest_offsets: NDArray[np.int64]
    """(U + 1,)"""
    states: list[bytes]
    """packed interest states; the store does not look inside"""
    watermarks: list[dict[str, int]]
    """per source of events the offset up to which events are in the state"""
    weights: list[dict[str, float]]
    """scenario weights, for readers that do not unpack the state; exact but for the last bit"""
    updated_at: NDArray[np.float64]
    """(U,) seconds since the epoch"""


@dataclass(frozen=True, slots=True, eq=False)
class UserRecord:
    """A user as read from the store."""

    user_id: str
    state: bytes
    watermarks: dict[str, int]
    weights: dict[str, float]
    updated_at: float
    fused: NDArray[np.float32] | None
    """(D,), if vectors were asked for"""
    interests: NDArray[np.float32] | None
    """(R, D), R may be 0, if vectors were asked for"""
    writer: int = 0
    """token of the process that claimed the user last; 0: none did"""


@dataclass(frozen=True, slots=True, eq=False)
class ItemPoints:
    """N items to write. The later of two rows with one item id wins."""

    item_ids: list[str]
    vectors: NDArray[np.float32]
    """(N, D) unit vectors that states sum up"""
    titles: list[str]
    scenarios: list[str]
    contents: list[str]
    """fingerprint of the text that the vector comes from, or PLACEHOLDER, or WITHOUT_TEXT"""
    searched: NDArray[np.float32] | None = None
    """(N, D) unit vectors that items are searched by, in a version that has others for that (`Version.tower`)"""
    attributes: Sequence[Attributes] | None = None
    """what each item is filtered by; None: none has any"""


@dataclass(frozen=True, slots=True, eq=False)
class ItemRecord:
    """An item as read from the store."""

    key: int
    item_id: str
    title: str
    scenario: str
    content: str
    vector: NDArray[np.float32] | None
    """(D,) what states sum up, if vectors were asked for"""
    searched: NDArray[np.float32] | None = None
    """(D,) what the item is searched by, if vectors were asked for; often the same"""
    attributes: Attributes = field(default_factory=dict)
    """what it is filtered by"""


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """An item that a search found; `score` is the cosine similarity to the query."""

    key: int
    item_id: str
    title: str
    scenario: str
    score: float
