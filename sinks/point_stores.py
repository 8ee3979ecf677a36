"""What may be asked of a store's users and items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sinks.collection import Payload
from sinks.item_filter import AttributeTest
from sinks.points import ItemPoints, ItemRecord, ScoredItem, UserPoints, UserRecord
from sinks.writer import Claim


class UserStore(Protocol):
    """Users' points: state, vectors, watermarks. Any number of processes may write them; see `sinks.writer`."""

    @property
    def tombstones(self) -> TombstoneStore:
        """What stands for users that were forgotten or dropped."""
        ...

    def claim(self, user_ids: Sequence[str]) -> Claim:
        """Take users for this process, from whichever process has them, then read them.

        From now on no other process can write those that are held until another process claims them; so what is read is what
        to continue from, less the events that the users' marks, or their sources' progress (read after this), say are in
        there. No two threads may claim or write one user at a time.

        Raises:
            StoreUnavailable: no answer; forget what was held of these users and call again.
            PointUnreadable: a user's point can't be understood.
        """
        ...

    def write(
        self,
        points: UserPoints,
        holds: Sequence[int],
        *,
        token: int | None = None,
    ) -> NDArray[np.bool_]:
        """Write whole points; (U,) which users now hold exactly what was given.

        holds: for each user what it is held under, as its claim said: a token, or NEW. Those that were not written are
        another process's now, or were deleted, or were not new: forget them, wait a moment, claim them again.
        token: `Claim.token`, under which new users are inserted: their hold from now on, where they were written.

        A point is replaced at once: state, vectors and watermarks of one write are never mixed with those of
        another. Of several rows of one user the last is written. Many points go in several requests, so that after an
        error some may be written and others not.

        Raises:
            PointRefused: before anything is written.
            StoreUnavailable: no answer, or a switch of versions is under way; forget what was held of all these users,
                and claim them again.
            StoreMoved: another version is live.
        """
        ...

    def check(self, points: UserPoints) -> None:
        """Whether the points may be written; writes nothing.

        Raises:
            PointRefused: as `write` would.
        """
        ...

    def read(self, user_ids: Sequence[str], with_vectors: bool = False) -> list[UserRecord | None]:
        """The users in the order of `user_ids`; None for missing ones."""
        ...

    def scan(self, batch: int, with_vectors: bool = False) -> Iterator[list[UserRecord]]:
        """All users, at most `batch` at a time, in a stable order; each user once unless points move."""
        ...

    def count(self) -> int:
        """How many users there are."""
        ...

    def delete(self, user_ids: Sequence[str]) -> None:
        """Remove users; absent ones are no error, and tombstones stay."""
        ...


class TombstoneStore(Protocol):
    """What stands in the place of users that were taken out; see `sinks.tombstones`.

    All calls may be repeated, hold whatever writes the same users at the same time, and raise `StoreUnavailable` (call again)
    and `StoreMoved` as `UserStore.write` does.
    """

    def forget(self, user_ids: Sequence[str], at: float) -> int:
        """Forget users as of a time, unix seconds, whether they are there or not; how many were.

        From now on their claims are FORGOTTEN, and whoever holds one in memory is refused.
        """
        ...

    def consent(self, user_ids: Sequence[str], at: float) -> list[bool]:
        """Let those begin again that were forgotten before that time; which of them did.

        Events up to it never apply: `SINCE` is among their marks from now on.
        """
        ...

    def empty(self, user_ids: Sequence[str]) -> None:
        """Take users out, whatever their points hold, damaged ones too. What SINCE they have stays."""
        ...

    def drop_idle(self, user_ids: Sequence[str], before: float, finished: Callable[[str, int], bool]) -> int:
        """Take out those of the users whose latest event is before that time; how many were.

        finished: whether a mark (source, offset) says no more than the source's progress. Other marks are kept in the point,
        so that events that are read again are still recognised.
        """
        ...

    def readable(self, batch: int) -> Iterator[list[UserRecord]]:
        """All users whose points can be understood, without vectors, at most `batch` at a time."""
        ...

    def pages(self, batch: int) -> Iterator[dict[str, Payload]]:
        """All tombstones, by point id, at most `batch` at a time."""
        ...

    def adopt(self, tombstones: Mapping[str, Payload]) -> int:
        """Let these points be like those of another version; how many were not."""
        ...


class ItemStore(Protocol):
    """Items' points: content vector, title, scenario, attributes.

    An item is its whole id. Its point, and states, have its key (`item_key`), a hash: the id that is in the store first
    owns the key until it is deleted, and another id of the same key is refused.
    """

    def write(self, points: ItemPoints) -> list[str]:
        """Write whole points; of each row the id that has its key now. Where that is another one, the row was not written.

        Each is written on condition that no other id has the key, whatever other processes write at the same time; of
        two ids of one key in a call the first is written, unless the store knows the other. Else as `UserStore.write`.
        """
        ...

    def add(self, points: ItemPoints) -> list[str]:
        """Write placeholders: items that do not exist, never over one that does; the result is as that of `write`."""
        ...

    def read(self, keys: Sequence[int], with_vectors: bool = False) -> list[ItemRecord | None]:
        """The items in the order of `keys`; None for missing ones."""
        ...

    def contents(self, fingerprints: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Per content fingerprint that any item has, the (D,) vector of such an item."""
        ...

    def search(
        self,
        vector: NDArray[np.float32],
        k: int,
        scenario: str | None = None,
        exclude: Iterable[int] = (),
        tests: Sequence[AttributeTest] = (),
    ) -> list[ScoredItem]:
        """The up to `k` items nearest to `vector` (D,), best first, without the keys in `exclude`.

        All items that pass the tests compete, and hardly another: `AttributeTest.passes` has the last word.
        """
        ...

    def scan(self, batch: int, with_vectors: bool = False) -> Iterator[list[ItemRecord]]:
        """All items, at most `batch` at a time, in a stable order."""
        ...

    def delete(self, keys: Sequence[int]) -> None:
        """Remove items; missing keys are no error."""
        ...

    def delete_named(self, item_ids: Sequence[str]) -> None:
        """Remove items by their ids; another id that has one's key stays, and missing ones are no error."""
        ...

    def count(self) -> int:
        """How many items there are, exactly."""
        ...
