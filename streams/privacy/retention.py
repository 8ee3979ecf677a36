"""Users who have not acted for long are dropped.

How long is measured in event time, against the latest event of anybody in the store: no clock decides, so a stream that
stands still drops nobody, and the replay of an old log drops by the log's own time. Who acts while it goes on stays.

A dropped user's marks go too, as far as the progress of their sources says as much, so a log that counts as read brings nobody
back. Marks of a source that is not through yet, a replay that was interrupted, say, stay in the user's point with nothing
else, and what is read again of it is recognised.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from sinks.point_stores import UserStore
from sinks.points import UserRecord
from sinks.protocols import Store

AT_A_TIME: Final = 500
DAY_S: Final = 86_400.0
_BLOB: Final = "retention"

Held = Callable[[Sequence[str]], AbstractContextManager[None]]
"""Around a change of users: what keeps this process's own threads from them, and its memory."""


@dataclass(slots=True)
class DroppedUsers:
    """What a sweep did. users: how many there were; dropped: how many of these have gone; before: event time, unix seconds,
    before which their latest event is, None where there is no user."""

    users: int = 0
    dropped: int = 0
    before: float | None = None


def latest_event(store: Store) -> float | None:
    """Time of the latest event that any user has, unix seconds; None: there is no user."""
    times = [user.updated_at for page in store.users.tombstones.readable(AT_A_TIME) for user in page]
    return max(times, default=None)


def drop_idle_users(
    store: Store,
    days: float,
    *,
    as_of: float | None = None,
    dry_run: bool = False,
    held: Held = lambda users: nullcontext(),
) -> DroppedUsers:
    """Drop users whose latest event is more than `days` before `as_of`, unix seconds; default: before the latest of all.

    Raises:
        StoreUnavailable, StoreMoved: call again.
    """
    done = DroppedUsers()
    newest = latest_event(store) if as_of is None else as_of
    if newest is None:
        return done
    done.before = newest - days * DAY_S
    for page in store.users.tombstones.readable(AT_A_TIME):
        done.users += len(page)
        idle = [user for user in page if user.updated_at < done.before]
        if dry_run:
            done.dropped += len(idle)
        elif idle:
            names = [user.user_id for user in idle]
            with held(names):
                done.dropped += store.users.tombstones.drop_idle(names, done.before, _finished(store, idle))
    if not dry_run:
        for users in store.versions.beside():
            for names, finished in _idle(store, users, done.before):
                users.tombstones.drop_idle(names, done.before, finished)
        store.sync()
    return done


def _idle(
    store: Store, users: UserStore, before: float
) -> Iterator[tuple[list[str], Callable[[str, int], bool]]]:
    for page in users.tombstones.readable(AT_A_TIME):
        idle = [user for user in page if user.updated_at < before]
        if idle:
            yield [user.user_id for user in idle], _finished(store, idle)


def _finished(store: Store, users: Sequence[UserRecord]) -> Callable[[str, int], bool]:
    """Whether a mark says no more than its source's progress; a name of an earlier release is not looked up."""
    numbers = {int(source) for user in users for source in user.watermarks if source.isdecimal()}
    progress = store.sources.progress(sorted(numbers))
    return lambda source, mark: source.isdecimal() and progress.get(int(source), 0) > mark


def is_due(store: Store, now: float, every_s: float) -> bool:
    """Whether no process has swept the store within `every_s` seconds of `now`, unix seconds."""
    blob = store.blobs.get(_BLOB)
    return blob is None or now - float(json.loads(blob)["swept_at"]) >= every_s


def note_sweep(store: Store, now: float) -> None:
    """Say that the store was swept."""
    store.blobs.put(_BLOB, json.dumps({"swept_at": now}).encode())
