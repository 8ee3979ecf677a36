"""All users and items of a store through another transfer model, into a version beside the live one; then the switch.

    1. copy items, then users, as long as much has changed since the last round: others continue writing;
    2. freeze, so that writers wait; copy what changed meanwhile; then how far the sources are, last; switch; see
       `sinks.versions` for why nothing is lost.

A round reads a page of the live version and the same page of the new one, and computes and writes what differs. So a run
that was stopped anywhere is run again and continues, a switch that failed is tried again, and until the switch the
live version is not touched. On a server the daemons may run all the while. When the switch has come their next
write is told so, and they end; what starts them again has set `[transfer] model` by then.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
import stamina
import structlog

from sinks.attributes import same_attributes
from sinks.errors import FreezeLost, StoreUnavailable
from sinks.point_stores import ItemStore
from sinks.points import ItemPoints, ItemRecord, UserPoints, UserRecord, user_point_id
from sinks.protocols import Store
from sinks.tombstones import emptied
from sinks.version_protocols import VersionDraft
from sinks.versions import Version
from sinks.writer import FORGOTTEN, LOST
from streams.workspace.transfer_model import searched_vectors
from transfer.config import InterestConfig
from transfer.protocols import TransferModel, scenario_weights
from transfer.state.packing import unpack_states

log = structlog.get_logger(__name__)
Result = TypeVar("Result")

AT_A_TIME = 500
FEW = 0.01
"""Share of changed users and items in a round that is small enough to let writers wait for the next."""
MOST_ROUNDS = 4
"""A store that is written faster than it is copied: its writers wait a little longer."""
RENEW_S = 1.0
LOST_S = 0.2
"""Wait at most this long for users of the new version that another run has just claimed."""
GIVE_UP_S = 300.0
"""A store that is away for this long ends the run; the next one continues where it was."""


@dataclass(slots=True)
class RebuildSummary:
    """What was done. changed: users and items that were computed and written; the others were there already."""

    version: str
    model: str
    users: int = 0
    items: int = 0
    changed: int = 0
    rounds: int = 0
    waited_s: float = 0.0
    """how long writers had to wait for the switch"""
    dropped: Sequence[str] = ()
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def rebuild(
    store: Store,
    interest: InterestConfig,
    model: TransferModel,
    version: Version,
    *,
    drop_old: bool = False,
    progress: Callable[[int], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RebuildSummary:
    """Make `version` by `model` and switch to it; where it is live already, only what was cut off is finished.

    `progress` gets the users and items of the first round. `drop_old` drops all versions but the live one.

    Raises:
        StoreUnavailable: for longer than `GIVE_UP_S`; run it again.
        FillerReplaced: another run fills the same version.
    """
    start = clock()
    summary = RebuildSummary(version.name, version.model)
    live = store.versions.read().all[store.versions.read().live]
    if live.model == version.model:
        summary.version = live.name
        _patiently(store.versions.expose_live)
    else:
        draft = _patiently(lambda: store.versions.begin(version))
        copy = _Copy(store, draft, interest, model, summary)
        changed = _patiently(lambda: copy.round(progress))
        # Nobody else can have written to a folder meanwhile.
        while not store.exclusive and summary.rounds < MOST_ROUNDS and changed > FEW * copy.total:
            changed = _patiently(lambda: copy.round(None))
        _patiently(lambda: _switch(store, copy, clock))
    if drop_old:
        now = store.versions.read()
        summary.dropped = [name for name in now.all if name != now.live]
        for name in summary.dropped:
            store.versions.drop(name)
    summary.seconds = round(clock() - start, 3)
    return summary


def _switch(store: Store, copy: _Copy, clock: Callable[[], float]) -> None:
    began = clock()
    with store.versions.switching() as switch:
        renewed = clock()

        def renew(_: int) -> None:
            nonlocal renewed
            if clock() - renewed > RENEW_S:
                switch.renew()
                renewed = clock()

        if not store.exclusive:  # no other process can have written to a folder since the last round
            copy.round(renew)
        switch.activate(copy.draft.version.name)
    copy.summary.waited_s = round(clock() - began, 3)


class _Copy:
    """From the live version to the one that is filled, what differs."""

    def __init__(
        self,
        store: Store,
        draft: VersionDraft,
        interest: InterestConfig,
        model: TransferModel,
        summary: RebuildSummary,
    ) -> None:
        self._store = store
        self.draft = draft
        self._interest = interest
        self._model = model
        self.summary = summary

    @property
    def total(self) -> int:
        """Users and items, as of the last round."""
        return self.summary.users + self.summary.items

    def round(self, progress: Callable[[int], None] | None) -> int:
        """Copy once over; how many users and items had changed."""
        self.summary.rounds += 1
        before = self.summary.changed
        items = self._items(progress)
        users = self._users(progress)
        self.summary.items, self.summary.users = items, users
        return self.summary.changed - before

    def _items(self, progress: Callable[[int], None] | None) -> int:
        seen = 0
        there = self.draft.items
        for page in self._store.items.scan(AT_A_TIME, with_vectors=True):
            stale = _changed_items(page, there)
            if stale:
                self._put_items(stale)
            seen += len(page)
            self._done(len(page), len(stale), progress)
        if there.count() > seen:
            for page in there.scan(AT_A_TIME):
                keys = [item.key for item in page]
                found = self._store.items.read(keys)
                there.delete([key for key, item in zip(keys, found, strict=True) if item is None])
                self._done(0, 0, progress)
        return seen

    def _put_items(self, items: Sequence[ItemRecord]) -> None:
        points = self._item_points(items)
        owners = self.draft.items.write(points)
        # An item that is gone here and has not been there yet, whose id has the same key.
        gone = [owner for owner, item_id in zip(owners, points.item_ids, strict=True) if owner != item_id]
        if gone:
            self.draft.items.delete_named(gone)
            self.draft.items.write(points)

    def _users(self, progress: Callable[[int], None] | None) -> int:
        seen = 0
        there = self.draft.users
        for page in self._store.users.scan(AT_A_TIME):
            stale = _changed_users(page, there.read([user.user_id for user in page]))
            self._put_users(stale)
            seen += len(page)
            self._done(len(page), len(stale), progress)
        for tombstones in self._store.users.tombstones.pages(AT_A_TIME):
            self._done(0, there.tombstones.adopt(tombstones), progress)
        if there.count() > seen:
            for page in there.scan(AT_A_TIME):
                names = [user.user_id for user in page]
                read = self._store.users.read(names)
                there.delete([name for name, user in zip(names, read, strict=True) if user is None])
                self._done(0, 0, progress)
        return seen

    def _put_users(self, users: Sequence[UserRecord]) -> None:
        """Write them as any writer does: what another run has written meanwhile is looked at before it is replaced."""
        there = self.draft.users
        while users:
            claim = there.claim([user.user_id for user in users])
            if any(hold == FORGOTTEN for hold in claim.holds):
                users = self._alive(users, claim.holds)
                continue
            holds = {
                user.user_id: hold for user, hold in zip(users, claim.holds, strict=True) if hold != LOST
            }
            stale = [user for user in _changed_users(users, claim.records) if user.user_id in holds]
            taken = there.write(
                self._user_points(stale), [holds[user.user_id] for user in stale], token=claim.token
            )
            left = {user.user_id for user, done in zip(stale, taken.tolist(), strict=True) if not done}
            users = [user for user in users if user.user_id in left or user.user_id not in holds]
            if users:
                time.sleep(random.uniform(0.0, LOST_S))

    def _alive(self, users: Sequence[UserRecord], holds: Sequence[int]) -> list[UserRecord]:
        """Those that are live: of some the new version says that they were forgotten, as they perhaps were since."""
        gone = [user.user_id for user, hold in zip(users, holds, strict=True) if hold == FORGOTTEN]
        again = {user.user_id for user in self._store.users.read(gone) if user is not None}
        # They have consented since. Should they be forgotten right now, the next round takes them out.
        self.draft.users.tombstones.adopt({user_point_id(name): emptied({}) for name in sorted(again)})
        return [user for user in users if user.user_id not in gone or user.user_id in again]

    def _done(self, seen: int, changed: int, progress: Callable[[int], None] | None) -> None:
        self.summary.changed += changed
        if progress is not None:
            progress(seen)

    def _item_points(self, items: Sequence[ItemRecord]) -> ItemPoints:
        keys = np.array([item.key for item in items], np.uint64)
        base = _base(items)
        return ItemPoints(
            item_ids=[item.item_id for item in items],
            vectors=base,
            titles=[item.title for item in items],
            scenarios=[item.scenario for item in items],
            contents=[item.content for item in items],
            searched=searched_vectors(self._model, keys, base),
            attributes=[item.attributes for item in items],
        )

    def _user_points(self, users: Sequence[UserRecord]) -> UserPoints:
        states = unpack_states([user.state for user in users], self._interest)
        fusion = self._model(states)
        return UserPoints(
            user_ids=[user.user_id for user in users],
            fused=fusion.fused,
            interests=fusion.interests,
            interest_offsets=fusion.interest_offsets,
            states=[user.state for user in users],
            watermarks=[user.watermarks for user in users],
            weights=scenario_weights(states, fusion),
            updated_at=np.array([user.updated_at for user in users]),
        )


def _changed_users(page: Sequence[UserRecord], copies: Sequence[UserRecord | None]) -> list[UserRecord]:
    return [
        user
        for user, copy in zip(page, copies, strict=True)
        if copy is None or (copy.state, copy.watermarks) != (user.state, user.watermarks)
    ]


def _changed_items(page: Sequence[ItemRecord], draft_items: ItemStore) -> list[ItemRecord]:
    copies = draft_items.read([item.key for item in page], with_vectors=True)
    pairs = [
        (item, copy)
        for item, copy in zip(page, copies, strict=True)
        if copy is not None
        and (item.item_id, item.title, item.scenario, item.content)
        == (copy.item_id, copy.title, copy.scenario, copy.content)
        and same_attributes(item.attributes, copy.attributes)
    ]
    if not pairs:
        return list(page)
    apart = np.abs(_base([item for item, _ in pairs]) - _base([copy for _, copy in pairs])).max(axis=1)
    # An engine scales vectors to length 1 again, which may change the last bit.
    same = {item.key for (item, _), far in zip(pairs, apart.tolist(), strict=True) if far <= 1e-6}
    return [item for item in page if item.key not in same]


def _base(items: Sequence[ItemRecord]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.stack([item.vector for item in items if item.vector is not None])


def _patiently(call: Callable[[], Result]) -> Result:
    """Call again while the store is away, and after a switch that writers broke."""
    for attempt in stamina.retry_context(
        on=(StoreUnavailable, FreezeLost),
        attempts=None,
        timeout=GIVE_UP_S,
        wait_initial=0.2,
        wait_max=5.0,
    ):
        with attempt:
            if attempt.num > 1:
                log.warning("trying again", attempt=attempt.num)
            return call()
    raise AssertionError("unreachable: the last attempt raises")
