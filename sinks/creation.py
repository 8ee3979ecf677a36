"""The collections of a store: opened, and checked; or made, where the store is new or its creation was cut off."""

from __future__ import annotations

import secrets
from dataclasses import replace

from sinks.collection import Collection
from sinks.config import StoreConfig
from sinks.engine import REPLAY_FIRST, Engine
from sinks.errors import StoreMismatch, StoreNotFound
from sinks.layout import (
    OLDEST_VERSION,
    STORE_VERSION,
    CollectionSpec,
    StoreLayout,
    check_collection,
    store_layout,
)
from sinks.meta import Identity, Meta
from sinks.versions import FIRST, Version, VersionRecord


def open_meta(
    engine: Engine, config: StoreConfig, dim: int, create: bool, first: Version
) -> tuple[Collection, Identity]:
    """The meta collection of a store that is complete. Everything that exists is checked before anything is made,
    and the identity in meta is written last, so that a creation that was cut off is seen and completed."""
    layout = store_layout(config, dim, first)
    meta = _checked(engine, layout.meta)
    identity = Meta(meta).identity() if meta is not None else None
    if meta is not None and identity is not None:
        _check_release(identity, engine)
        return meta, identity
    users = _checked(engine, layout.users)
    items = _checked(engine, layout.items)
    if not create:
        raise StoreNotFound(f"no store at {engine.location}; {REPLAY_FIRST}")
    for collection in filter(None, (meta, users, items)):
        # Another process may have completed the store meanwhile and be writing to it.
        if count_strangers(collection, meta) and not _is_complete(engine, layout):
            raise StoreMismatch(
                f"collection {collection.name} at {engine.location} has points but no version of a "
                "Driftline store beside it; choose another store.prefix or another store"
            )
    meta = meta or engine.create(layout.meta)
    for spec, there in ((layout.users, users), (layout.items, items)):
        if there is None:
            engine.create(spec)
        engine.index(spec)
    if first.model:
        VersionRecord(meta).change(lambda there: there if there.epoch else replace(there, all={FIRST: first}))
    identity = Meta(meta).identify(Identity(STORE_VERSION, dim, secrets.token_hex(8)))
    _check_release(identity, engine)
    engine.finished()
    return meta, identity


def open_collections(engine: Engine, layout: StoreLayout) -> tuple[Collection, Collection]:
    """Users and items of one version."""
    users, items = _checked(engine, layout.users), _checked(engine, layout.items)
    if users is None or items is None:
        lost = layout.users.name if users is None else layout.items.name
        raise StoreMismatch(
            f"the store at {engine.location} has lost its collection {lost!r}; restore it from a backup, "
            "or delete the rest of the store too, then replay"
        )
    return users, items


def _checked(engine: Engine, spec: CollectionSpec) -> Collection | None:
    opened = engine.open(spec)
    if opened is None:
        return None
    collection, looks = opened
    check_collection(spec, looks, collection.name)
    return collection


def count_strangers(collection: Collection, meta: Collection | None) -> int:
    """How many points a creation that is under way, or was cut off, has not put there."""
    points = collection.count()
    # Asked after they were counted: another process may be about to name the version.
    return points - 1 if points and collection is meta and VersionRecord(meta).read().epoch else points


def _is_complete(engine: Engine, layout: StoreLayout) -> bool:
    meta = _checked(engine, layout.meta)
    return meta is not None and Meta(meta).identity() is not None


def check_dim(stored: int, engine: Engine, dim: int) -> None:
    """Refuse settings of another dimension than the store's.

    Raises:
        StoreMismatch: says which.
    """
    if stored != dim:
        raise StoreMismatch(
            f"the store at {engine.location} was made for {stored} dimensions, the settings say {dim}; "
            f"set encoder.dim = {stored}, or replay into a new store"
        )


def _check_release(identity: Identity, engine: Engine) -> None:
    if not OLDEST_VERSION <= identity.version <= STORE_VERSION:
        raise StoreMismatch(
            f"the store at {engine.location} has version {identity.version}, this Driftline reads versions "
            f"{OLDEST_VERSION} to {STORE_VERSION}; use the Driftline that wrote it, or replay into a new store"
        )
