"""Which version of a store's users and items is live: one record, changed only by comparing and setting.

A version is a collection of users and one of items, made by one transfer model. They all share the store's meta
collection, and in it one point names the versions and the live one. Changing that point is what switches: on both
engines a writer asks it, and on a server an alias follows it for those that search by name.

A writer is bound to the version that it opened. After a write was acknowledged it asks whether its version is still
live and no process is about to switch (`Live.confirm`), and only then may the caller forget what it wrote. So that a switch
loses nothing, whichever process switches

1. copies while others write;
2. freezes the store: writers that ask from now on are told to come again;
3. copies what changed meanwhile. What is written after this look was not confirmed, so its events are read again, from
   the watermarks of the new version;
4. names the new version as live. Writers of the old one are told, and end.

The freeze is renewed while step 3 lasts. When it is not (its owner was killed), a waiting writer breaks it after
`FREEZE_PATIENCE_S`. Each of these steps sets the record on condition that it is what was read before, so a switch can't
succeed after its freeze was broken.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from sinks.collection import Collection, Payload, PointBatch, Where
from sinks.errors import (
    FillerReplaced,
    StoreMismatch,
    StoreMoved,
    StoreNotFound,
    StoreUnavailable,
)
from sinks.points import named_id

FREEZE_PATIENCE_S = 15.0
"""A freeze that was not renewed for this long is broken by the process that waits for it."""
FIRST = ""
"""Name of the version that a store begins with."""

_RECORD = named_id("versions")
_MOST_TRIES = 50
_NOT_OF_VERSION = ("filler", "tombstones")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of users and items."""

    name: str = FIRST
    model: str = ""
    """fingerprint of the transfer model that made its vectors; "" where an earlier release made it"""
    tower: bool = False
    """items are searched by another vector than the one that states sum up"""
    settings: str = ""
    """of the model, as JSON, for a process that opens the store without them"""
    made: bool = True
    """False until its collections are there"""
    dim: int = 0
    """of its vectors; 0: as the store's identity says"""
    generation: str = ""
    """what blobs and sources of it are found by; "" for the store's first, see `sinks.renewal`"""


def _first_versions() -> dict[str, Version]:
    return {FIRST: Version()}


@dataclass(frozen=True, slots=True)
class Versions:
    """The record: what is there, what is live, and whether writers have to wait."""

    epoch: int = 0
    """rises with each change"""
    owner: str = ""
    """a random text of the last change"""
    live: str = FIRST
    frozen: str = ""
    """who is about to switch; "" if nobody"""
    all: dict[str, Version] = field(default_factory=_first_versions)
    fillers: dict[str, str] = field(default_factory=dict)
    """by version that is filled, a random text of the run that does it"""


class VersionRecord:
    """The record in the meta collection. Thread-safe."""

    def __init__(self, meta: Collection) -> None:
        self._meta = meta

    def read(self) -> Versions:
        """What it says; a store of before there were versions has one, which is live."""
        found = self._meta.retrieve([_RECORD], with_vectors=False)
        if not found:
            return Versions()
        payload = found[0].payload
        try:
            return Versions(
                int(payload["fence"]),
                str(payload["owner"]),
                str(payload["live"]),
                str(payload["frozen"]),
                {entry["name"]: _version(entry) for entry in payload["versions"]},
                {entry["name"]: entry["filler"] for entry in payload["versions"] if entry.get("filler")},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StoreMismatch(
                f"the record of versions in {self._meta.name} cannot be read ({type(error).__name__}); was it written "
                "by a newer release?"
            ) from error

    def set(self, seen: Versions, wanted: Versions) -> Versions | None:
        """Put `wanted` in the place of `seen`; None if it is no longer what was seen.

        Raises:
            StoreUnavailable: no answer, so that it may have been set or not.
        """
        wanted = replace(wanted, epoch=seen.epoch + 1, owner=secrets.token_hex(8))
        # Refused silently if the record has moved since it was read.
        self._meta.upsert(_point(wanted), where=Where(at_most={"fence": seen.epoch}))
        current = self.read()
        return current if (current.epoch, current.owner) == (wanted.epoch, wanted.owner) else None

    def change(self, change: Callable[[Versions], Versions]) -> Versions:
        """Change it whatever others change meanwhile; `change` may be called several times.

        Raises:
            StoreUnavailable: no answer, or others were faster each time.
        """
        for _ in range(_MOST_TRIES):
            seen = self.read()
            wanted = change(seen)
            if wanted == seen:
                return seen
            now = self.set(seen, wanted)
            if now is not None:
                return now
        raise StoreUnavailable(
            f"other processes kept changing the record of versions; tried {_MOST_TRIES} times"
        )


class Live:
    """What a writer asks after each write: is the version that it writes to still the live one?"""

    def __init__(
        self, record: VersionRecord, version: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._record = record
        self._version = version
        self._clock = clock
        self._lock = threading.Lock()
        self._frozen_epoch, self._frozen_since = -1, 0.0

    def confirm(self) -> None:
        """Return if all that was acknowledged before this call is part of whatever will be live.

        Raises:
            StoreMoved: another version is live.
            StoreUnavailable: a switch is under way; ask again soon. One that its owner left is broken here.
        """
        seen = self._record.read()
        self.require(seen)
        if not seen.frozen:
            return
        with self._lock:
            if seen.epoch != self._frozen_epoch:
                self._frozen_epoch, self._frozen_since = seen.epoch, self._clock()
            patient = self._clock() - self._frozen_since < FREEZE_PATIENCE_S
        if patient or self._record.set(seen, replace(seen, frozen="")) is None:
            raise StoreUnavailable("the store is about to switch to another version", retry_after_s=0.5)

    def require(self, seen: Versions) -> None:
        """Refuse what another version than ours would be told by.

        Raises:
            StoreMoved: another version is live.
        """
        if seen.live != self._version:
            model = seen.all[seen.live].model if seen.live in seen.all else ""
            raise StoreMoved(
                f"the store has been switched to the vectors of the model {model!r}; start again with the settings "
                "[transfer] of that model. Nothing is lost: what was not committed is read again"
            )


class Filling:
    """What a run that fills a version asks after each write: is it still the one that does?"""

    def __init__(self, record: VersionRecord, version: str, owner: str) -> None:
        self._record = record
        self._version = version
        self._owner = owner

    def confirm(self) -> None:
        """Return if no other run has begun to fill the version.

        Raises:
            FillerReplaced: one has, or the version was dropped.
        """
        if self._record.read().fillers.get(self._version) != self._owner:
            raise FillerReplaced(
                f"another run fills the version {self._version!r} now, or has dropped it; leave it to that one"
            )


@contextmanager
def moved_if_gone(confirm: Callable[[], None] | None) -> Iterator[None]:
    """Around a call: where its collection is gone because another version is live and the old one was dropped, say that.

    Raises:
        StoreMoved: in the place of StoreNotFound.
    """
    try:
        yield
    except StoreNotFound:
        if confirm is not None:
            confirm()
        raise


def _version(entry: dict[str, Any]) -> Version:
    return Version(**{name: value for name, value in entry.items() if name not in _NOT_OF_VERSION})


def _entry(version: Version) -> dict[str, Any]:
    entry = asdict(version)
    if not version.generation:
        # A release of before there were generations reads those that have none.
        del entry["dim"], entry["generation"]
    return entry


def _point(versions: Versions) -> PointBatch:
    # Of each is said what releases don't read that were before there were fillers, or tombstones (`sinks.upgrade`).
    entries = [
        _entry(version) | {"filler": versions.fillers.get(name, ""), "tombstones": True}
        for name, version in versions.all.items()
    ]
    payload: Payload = {
        "fence": versions.epoch,
        "owner": versions.owner,
        "live": versions.live,
        "frozen": versions.frozen,
        "versions": entries,
    }
    size = 200 + sum(len(str(entry)) for entry in entries)
    return PointBatch([_RECORD], {}, [payload], np.array([size], np.int64))
