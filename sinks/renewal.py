"""A store without a user and an item takes other settings: a new generation of it, empty, takes the old one's place.

What settings a store was made with stands in many points (the length of vectors, blobs, counts, which model), and other
processes may have it open with them. So nothing is rewritten:

1. Writers are kept waiting (`sinks.freeze`): what was acknowledged before is seen now, nothing is acknowledged until the end.
2. If a user or an item is there, the store stays as it is.
3. Collections of users and items are made, under the new generation's name; blobs and sources of it are found by its name.
4. The record of versions names it as the only one, which is live: one write, refused if another process was faster or has
   broken the freeze. Writers of the old generation are told by it, as by any switch (`StoreMoved`).
5. The old collections are dropped.

Cut off before step 4 nothing has changed; after it the rest is waste.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from sinks.collection import Collection, Where
from sinks.config import StoreConfig
from sinks.creation import count_strangers
from sinks.engine import Engine
from sinks.errors import FreezeLost, StoreError
from sinks.freeze import freeze
from sinks.layout import STORE_VERSION, CollectionSpec, store_layout
from sinks.meta import Identity, Meta
from sinks.versions import Version, VersionRecord, Versions
from sinks.writer import APART, WRITER


def generation_of(settings: Sequence[str]) -> str:
    """A name for what is made with these settings; another one each time, with the same beginning.

    >>> generation_of(["dim 8"])[:9] == generation_of(["dim 8"])[:9] != generation_of(["dim 9"])[:9]
    True
    """
    digest = hashlib.blake2b(json.dumps(list(settings)).encode(), digest_size=4).hexdigest()
    return f"{digest}-{secrets.token_hex(4)}"


def renew_if_empty(engine: Engine, config: StoreConfig, dim: int, first: Version) -> bool:
    """Let an empty store begin again with these settings; False: it holds something, or is none.

    first: what the vectors will be made by; its generation names the settings (`generation_of`). True also where another
    process has just done it with the same settings.

    Raises:
        StoreUnavailable: no answer, or another process keeps the store frozen.
    """
    meta_spec = store_layout(config, dim).meta
    opened = engine.open(meta_spec)
    if opened is None:
        return False
    meta = opened[0]
    identity = Meta(meta).identity()
    if identity is None:
        if count_strangers(meta, meta) or any(
            _holds(engine, spec) for spec in _specs(config, dim, Version())
        ):
            return False
        # A creation that was cut off; it is completed as what it is about to become.
        identity = Meta(meta).identify(Identity(STORE_VERSION, dim, secrets.token_hex(8)))
    if identity.version != STORE_VERSION:
        return False
    record = VersionRecord(meta)
    frozen = freeze(record, alone=engine.exclusive)
    try:
        seen = frozen.held
        if _made_for(seen.all[seen.live]) == _made_for(first):
            return True
        if any(
            _holds(engine, spec) for version in seen.all.values() for spec in _specs(config, dim, version)
        ):
            return False
        begun = replace(first, name=first.generation, dim=dim, made=True)
        for spec in _specs(config, dim, begun):
            engine.create(spec)
            frozen.renew()
            engine.index(spec)
        frozen.begin_again(begun)
    except FreezeLost:
        return True  # another process changed it meanwhile: whether it fits is seen by opening it
    finally:
        frozen.end()
    engine.finished()
    _drop(engine, config, dim, seen)
    return True


def _made_for(version: Version) -> str:
    return version.generation.partition("-")[0]


def _specs(config: StoreConfig, dim: int, version: Version) -> tuple[CollectionSpec, CollectionSpec]:
    layout = store_layout(config, dim, version)
    return layout.users, layout.items


def _holds(engine: Engine, spec: CollectionSpec) -> bool:
    """Whether there is a user or an item. Sources' progress lies among the users, and is none."""
    opened = engine.open(spec)
    if opened is None:
        return False
    collection: Collection = opened[0]
    return bool(collection.scroll(1, None, Where(other_than={WRITER: APART}), with_vectors=False)[0])


def _drop(engine: Engine, config: StoreConfig, dim: int, before: Versions) -> None:
    for version in before.all.values():
        for spec in _specs(config, dim, version):
            with suppress(StoreError):
                engine.drop(spec)
