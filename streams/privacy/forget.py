"""Users forgotten, in every version of a store; and their consent to begin again.

In this order, so that it is done again from the beginning wherever it was cut off, by anybody:

1. the live version: a tombstone takes the place of each user's point, whoever has claimed it (`sinks.tombstones`). From here on
   no event of theirs applies, and what a running process holds of them is refused;
2. every other version, the live one's predecessors and one that is being filled. What a rebuild copies meanwhile is
   replaced in its last round, from the live version;
3. who was in quarantine is out of it: the parked events that wait there will not apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sinks.collection import in_parts
from sinks.point_stores import UserStore
from sinks.points import user_point_id
from sinks.protocols import Store
from streams.ingest.quarantine import Quarantine

AT_A_TIME: Final = 500


@dataclass(slots=True)
class ForgottenUsers:
    """What a forget did. users: those that were in the store; absent: those that were not, and are forgotten as well."""

    users: int = 0
    absent: int = 0
    versions: int = 1


def forget_users(store: Store, user_ids: Sequence[str], at: float) -> ForgottenUsers:
    """Forget users as of a time, unix seconds. May be repeated, and should be after any error.

    Raises:
        StoreUnavailable: call again.
        StoreMoved: open the store again, then call again.
    """
    distinct = list(dict.fromkeys(user_ids))
    done = ForgottenUsers()
    quarantine = Quarantine(store.blobs)
    parked = {entry.point for entry in quarantine.all()}
    for part in in_parts(distinct, AT_A_TIME):
        done.users += store.users.tombstones.forget(part, at)
    others = list[UserStore](store.versions.beside())
    for users in others:
        for part in in_parts(distinct, AT_A_TIME):
            users.tombstones.forget(part, at)
    for point in parked.intersection(map(user_point_id, distinct)):
        quarantine.lift(point)
    store.sync()
    done.absent, done.versions = len(distinct) - done.users, 1 + len(others)
    return done


def consent_users(store: Store, user_ids: Sequence[str], at: float) -> list[bool]:
    """Let users begin again who were forgotten before `at`, unix seconds; which of them were. Events up to `at` never apply.

    A second consent, and one that is not later than the forgetting, changes nothing.

    Raises:
        StoreUnavailable, StoreMoved: as `forget_users`.
    """
    freed: list[bool] = []
    for part in in_parts(user_ids, AT_A_TIME):
        freed += store.users.tombstones.consent(part, at)
    for users in store.versions.beside():
        for part in in_parts(user_ids, AT_A_TIME):
            users.tombstones.consent(part, at)
    store.sync()
    return freed
