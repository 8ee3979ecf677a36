"""Places in a store that one process at a time writes: each is leased, under an epoch that rises with every holder.

A lease is a point in the meta collection. To take it is to raise its epoch, on condition that no other process did; what is
written under it carries the epoch and is refused where a later one stands. Taking asks for a lease that was released, or
that was not renewed for `STALE_S`, and makes a new one where there is none: processes do not have to agree on who is
who. The clock only says which one to take. One that is taken from a holder who is alive costs that holder a look and a
lease of another name, and no more.

A request under a lease that was not answered may be carried out later, after newer ones of the same holder. So the
epoch is raised once more, for the same holder, before anything else is written under it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from sinks.collection import Collection, Key, Payload, PointBatch, Where, WriteMode
from sinks.errors import LeaseLost, StoreMismatch, StoreUnavailable
from sinks.points import named_id
from sinks.validation import check_texts
from sinks.writer import FENCE

STALE_S = 3600.0
"""A lease that was not renewed for this long is taken by the next process that needs one."""
_MOST_TRIES = 50
_PAGE = 256
_KIND = "folder"


@dataclass(frozen=True, slots=True)
class Lease:
    """A place as one process has it."""

    kind: str
    name: str
    owner: str
    """a random text of this holder"""


@dataclass(frozen=True, slots=True)
class _Record:
    name: str
    epoch: int
    owner: str
    """"" where it was released"""
    renewed_at: float


class CollectionLeases:
    """See `sinks.protocols.Leases`."""

    def __init__(
        self,
        meta: Collection,
        now: Callable[[], float] = time.time,
        prepare: Callable[[], None] = lambda: None,
        alone: bool = False,
    ) -> None:
        """now: seconds since the epoch. prepare: called before a lease is taken.
        alone: no other process can have the store, so that leases of others are those of processes that are gone.
        """
        self._meta = meta
        self._now = now
        self._prepare = prepare
        self._lock = threading.Lock()
        self._doubtful: set[Lease] = set()
        self._alone = alone
        self._owners: set[str] = set()

    def take(self, kind: str) -> Lease:
        """A place of that kind for this process; see `sinks.protocols.Leases.take`."""
        check_texts([kind], "kinds of leases")
        self._prepare()
        for _ in range(_MOST_TRIES):
            records = list(self._all(kind))
            stale = self._now() - STALE_S
            free = [
                record
                for record in records
                if not record.owner
                or record.renewed_at < stale
                or (self._alone and record.owner not in self._owners)
            ]
            lease = Lease(kind, free[0].name if free else _next_name(records), secrets.token_hex(8))
            if self._set(
                lease,
                free[0].epoch if free else 0,
                lease.owner,
                WriteMode.EITHER if free else WriteMode.INSERT,
            ):
                self._owners.add(lease.owner)
                return lease
        raise StoreUnavailable(f"other processes kept taking the {kind}; tried {_MOST_TRIES} times")

    def release(self, lease: Lease) -> None:
        """Let the next process have it at once; see `sinks.protocols.Leases.release`."""
        record = self._read(lease)
        if record is not None and record.owner == lease.owner:
            self._set(lease, record.epoch, "", WriteMode.UPDATE)

    @contextmanager
    def held(self, lease: Lease) -> Iterator[int]:
        """Around a request that is conditional on the epoch: the epoch, and afterwards whether it was still held.

        Raises:
            LeaseLost: another process has the place.
            StoreUnavailable: no answer to that question.
        """
        record = self._require(lease)
        if lease in self._doubtful or self._now() - record.renewed_at > STALE_S / 4:
            if not self._set(lease, record.epoch, lease.owner, WriteMode.UPDATE):
                self._require(lease)
                raise StoreUnavailable(f"the lease of {lease.name} is being renewed elsewhere; try again")
            record = self._require(lease)
            with self._lock:
                self._doubtful.discard(lease)
        try:
            yield record.epoch
        except BaseException:
            with self._lock:
                self._doubtful.add(lease)
            raise
        self._require(lease)

    def _require(self, lease: Lease) -> _Record:
        record = self._read(lease)
        if record is None or record.owner != lease.owner:
            raise LeaseLost(
                f"another process has taken {lease.name} of the {lease.kind}; take another one: what was written here "
                "since the last acknowledgement is to be written there"
            )
        return record

    def _set(self, lease: Lease, seen: int, owner: str, mode: WriteMode) -> bool:
        """Raise the epoch from the one that was seen; whether no other process was faster."""
        payload: Payload = {
            "name": lease.name,
            FENCE: seen + 1,
            "owner": owner,
            "renewed_at": self._now(),
            _KIND: _listed_as(lease.kind),
            "change": secrets.token_hex(8),
        }
        point = PointBatch([_point_id(lease)], {}, [payload], np.array([300], np.int64))
        self._meta.upsert(point, where=Where(at_most={FENCE: seen}), mode=mode)
        found = self._meta.retrieve([_point_id(lease)], with_vectors=False)
        return bool(found) and found[0].payload.get("change") == payload["change"]

    def _read(self, lease: Lease) -> _Record | None:
        found = self._meta.retrieve([_point_id(lease)], with_vectors=False)
        return self._record(found[0].payload) if found else None

    def _all(self, kind: str) -> Iterator[_Record]:
        after: Key | None = None
        while True:
            where = Where(equals={_KIND: (_listed_as(kind),)})
            page, after = self._meta.scroll(_PAGE, after, where, with_vectors=False)
            yield from (self._record(point.payload) for point in page)
            if after is None:
                return

    def _record(self, payload: Payload) -> _Record:
        try:
            return _Record(
                str(payload["name"]),
                int(payload[FENCE]),
                str(payload["owner"]),
                float(payload["renewed_at"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StoreMismatch(
                f"a lease in {self._meta.name} can't be read; restore it from a backup"
            ) from error


def _next_name(records: list[_Record]) -> str:
    return f"writer-{1 + max((int(record.name.rpartition('-')[2]) for record in records), default=0)}"


def _listed_as(kind: str) -> str:
    return f" leases of {kind}"


def _point_id(lease: Lease) -> str:
    return named_id(f"lease/{lease.kind}/{lease.name}")
