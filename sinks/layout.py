"""How the three collections of a store look, and whether existing ones do."""

from __future__ import annotations

from dataclasses import dataclass

from sinks.config import StoreConfig
from sinks.errors import StoreMismatch
from sinks.tombstones import TOMBSTONE
from sinks.versions import Version

STORE_VERSION = 3
"""Raised when a release can't use a store of an older one as it is, or must keep that release from writing to it."""
OLDEST_VERSION = 1
"""What this release can read, and brings to its own version before it writes (`sinks.upgrade`)."""

FUSED = "fused"
INTERESTS = "interests"
CONTENT = "content"
"""Items are searched by it. It is also what states sum up, unless the version keeps a BASE beside it."""
BASE = "base"
"""What states sum up, in a version whose items are searched by a vector of the model's."""
UNUSED = "unused"
ATTRIBUTES = "attributes"
"""Field of an item's payload with what it is filtered by; absent where there is nothing."""
FLAGS = "flags"
"""Field with the names of the attributes that are true; absent where none is."""


@dataclass(frozen=True, slots=True)
class VectorSpec:
    """A named vector of a collection."""

    dim: int
    multi: bool = False
    """a multivector compared by its best row (MaxSim)"""
    graph: bool = True
    """whether the engine may build an HNSW graph over it"""


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """A collection as it is created. Distances are cosine."""

    name: str
    vectors: dict[str, VectorSpec]
    keywords: tuple[str, ...] = ()
    """payload fields with an index for exact matches"""
    integers: tuple[str, ...] = ()
    """payload fields with an index for ranges of integers"""
    opaque: tuple[str, ...] = ()
    """payload fields that no filter looks at, so that an engine may keep them in a form of its own"""
    indexed: bool = True
    """False: points are rewritten all the time, so the engine must not index segments behind our back"""


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """The collections of one store."""

    users: CollectionSpec
    items: CollectionSpec
    meta: CollectionSpec


@dataclass(frozen=True, slots=True)
class FoundVector:
    """A named vector of a collection that exists."""

    dim: int
    distance: str
    multi: bool


@dataclass(frozen=True, slots=True)
class FoundCollection:
    """What an engine says of a collection that exists."""

    vectors: dict[str, FoundVector]
    hides_points: bool
    """prevent_unoptimized: new points are kept from reads and searches until they are optimized"""
    how_to_show: str
    """what to do against that, for the message"""


def store_layout(config: StoreConfig, dim: int, version: Version | None = None) -> StoreLayout:
    """The collections that a store with these settings, or a version of it, is created with.

    >>> store_layout(StoreConfig(), 8, Version("m2", tower=True)).items.name
    'items@m2'
    """
    version = version or Version()
    users = {FUSED: VectorSpec(dim, graph=config.lookalikes)}
    if config.interests:
        # MaxSim over a handful of rows; a graph over every row would cost more than it gives.
        users[INTERESTS] = VectorSpec(dim, multi=True, graph=False)
    return StoreLayout(
        users=CollectionSpec(
            versioned("users", version.name),
            users,
            integers=("fence", "writer", TOMBSTONE),
            opaque=("user_id", "state", "watermarks", "weights", "updated_at"),
            indexed=config.lookalikes,
        ),
        items=CollectionSpec(
            versioned("items", version.name),
            # The base is read by id and never searched.
            {CONTENT: VectorSpec(dim)} | ({BASE: VectorSpec(dim, graph=False)} if version.tower else {}),
            keywords=("scenario", "content"),
        ),
        # The meta points have no vectors, but no engine makes a collection without any.
        meta=CollectionSpec("meta", {UNUSED: VectorSpec(1, graph=False)}, indexed=False),
    )


def versioned(role: str, version: str) -> str:
    """Name of a version's collection; that of the first version is the role alone.

    >>> versioned("users", ""), versioned("users", "m2")
    ('users', 'users@m2')
    """
    return f"{role}@{version}" if version else role


def live_alias(role: str) -> str:
    """Name by which a server knows the live version's collection, whichever it is.

    >>> live_alias("users")
    'users-live'
    """
    return f"{role}-live"


def check_collection(spec: CollectionSpec, existing: FoundCollection, name: str) -> None:
    """Refuse a collection that does not hold what `spec` says. More vectors than needed do no harm.

    Raises:
        StoreMismatch: says what differs and how to fix it.
    """
    for vector, wanted in spec.vectors.items():
        there = existing.vectors.get(vector)
        if there is None:
            names = ", ".join(sorted(existing.vectors)) or "none"
            fix = (
                "set store.interests = false, or create the store again"
                if vector == INTERESTS
                else "it is not a collection of Driftline's: choose another store.prefix or another store"
            )
            raise StoreMismatch(f"collection {name} has no vector named {vector!r} (it has: {names}); {fix}")
        if there.dim != wanted.dim:
            raise StoreMismatch(
                f"vector {vector!r} of collection {name} has {there.dim} dimensions, the settings say "
                f"{wanted.dim}; set encoder.dim = {there.dim}, or create the store again"
            )
        if there.distance != "Cosine" or there.multi != wanted.multi:
            kind = "a multivector" if wanted.multi else "a single vector"
            raise StoreMismatch(
                f"vector {vector!r} of collection {name} is not {kind} compared by cosine; it is not a "
                f"collection of Driftline's: choose another store.prefix or another store"
            )
    if existing.hides_points:
        raise StoreMismatch(
            f"collection {name} has prevent_unoptimized set: points just written would be hidden from reads "
            f"and searches; {existing.how_to_show}"
        )
