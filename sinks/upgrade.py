"""Upgrades a store of an earlier release when it is first written to.

A store of version 2 has no tombstones (`sinks.tombstones`): its releases would take one for a damaged user, and write items
without asking whose key it is. They are kept from writing by step 2, and from opening the store by step 5.

A store of version 1 wrote users under fencing tokens. Then a lane (a partition) had a token. Users and blobs stay as they are.
What changes is what keeps a daemon of such a release from writing on: it would overwrite what others write, and be
refused by their points silently.

1. The indexes that the users lack are made.
2. The record of versions takes a form that those releases refuse to read. They read it after every write, before they
   take it for done, so that each that still runs ends with an error at its next one.
3. The counter of fencing tokens is retired: a process that asks it for one ends with an error, too.
4. The lanes' points get the highest fence: no process holds them any longer. They are marked as no users.
5. The store's identity gets its new version and an id. It comes last, so that what was cut off is done again.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from sinks.collection import Collection, PointBatch
from sinks.counter import RETIRED
from sinks.engine import Engine
from sinks.errors import StoreUnavailable
from sinks.layout import STORE_VERSION, CollectionSpec
from sinks.meta import Identity, Meta
from sinks.points import named_id
from sinks.versions import VersionRecord
from sinks.writer import APART, FENCE, HIGHEST, WRITER

MOST_LANES = 4096
"""Partition numbers whose points are looked for."""
_AT_A_TIME = 512
_MOST_TRIES = 50


class Upgrade:
    """The upgrade of an open store, before it is first written to. Thread-safe."""

    def __init__(
        self, identity: Identity, engine: Engine, meta: Collection, users: Collection, spec: CollectionSpec
    ) -> None:
        """identity: what the store says it is. users: of the version that is open; spec: what they should be."""
        self.identity = identity
        self._engine = engine
        self._meta = meta
        self._users = users
        self._spec = spec
        self._lock = threading.Lock()

    def ensure(self) -> None:
        """Bring a store of an older release to this one's version, unless that has happened.

        Raises:
            StoreUnavailable: call again.
        """
        if self.identity.version == STORE_VERSION:
            return
        with self._lock:
            if self.identity.version != STORE_VERSION:
                index = partial(self._engine.index, self._spec)
                self.identity = upgrade(self._meta, self._users, index)


def upgrade(meta: Collection, users: Collection, index: Callable[[], None]) -> Identity:
    """Bring the store to this release's version; what it is then. A second call, or a second process, does no harm.

    index: makes the indexes that the users lack.

    Raises:
        StoreUnavailable: call again.
    """
    index()
    _rewrite(VersionRecord(meta))
    retired = {FENCE: "retired", "owner": "a newer release of Driftline writes this store"}
    meta.upsert(PointBatch([RETIRED], {}, [retired], np.array([120], np.int64)))
    _retire_lanes(users)
    described = Meta(meta)
    seen = described.identity()
    assert seen is not None, "only a complete store is upgraded"
    return described.upgrade(replace(seen, version=STORE_VERSION, id=seen.id or secrets.token_hex(8)))


def _rewrite(record: VersionRecord) -> None:
    for _ in range(_MOST_TRIES):
        seen = record.read()
        if record.set(seen, seen) is not None:
            return
    raise StoreUnavailable(f"other processes kept changing the record of versions; tried {_MOST_TRIES} times")


def _retire_lanes(users: Collection) -> None:
    ids = {named_id(f"lane/{lane}"): lane for lane in range(-1, MOST_LANES)}
    keys = list(ids)
    for start in range(0, len(keys), _AT_A_TIME):
        stored = users.retrieve(keys[start : start + _AT_A_TIME], with_vectors=False)
        if stored:
            payloads = [
                {"lane": ids[str(point.key)], "owner": "retired", WRITER: APART, FENCE: HIGHEST}
                for point in stored
            ]
            sizes = np.full(len(stored), 160, np.int64)
            users.upsert(PointBatch([point.key for point in stored], {}, payloads, sizes))
