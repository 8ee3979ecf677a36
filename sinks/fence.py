"""Who may write a lane's users: fencing tokens, kept in the store that they guard.

A worker may lose a lane (a partition number) without knowing it: it was frozen, or cut off from the broker, for
longer than its session. So whoever gets a lane takes it in the store too. All tokens come from one counter, so
that a later taking has a higher token than every earlier one, whatever the lane. The token is raised in the lane's
own point, which lies among the users and has no user id; every user written under it carries it; and a write is
conditional on it, point by point: a point that carries a higher token is left alone.

The engine refuses in silence, so a writer reads the lane's point back after its last request. That one look is
enough:

- The lane's point only ever rises. If it is still the writer's *after* the requests were applied, then nobody had
  taken the lane when they were, so none of the lane's users carried a higher token: none was refused.
- If the lane was taken meanwhile, the writer learns it (`FenceRefused`) and does not mark its events as processed,
  whatever became of its points. A point of its that was refused held what the successor wrote. A point of its that
  was still let in, because the successor had not written that user yet, is harmless: it holds the effect of events
  with the watermark that says so. The successor reads users only after it has taken the lane, and begins at the
  last committed offset, which none of these events has passed. Either it reads that point, and drops these events
  by the watermark, or it read an older one, applies these events itself, and its write replaces the point.

A request that was not answered may be applied later still, after newer ones of the same writer. So a fence under
which that happened is renewed, with a higher token for the same owner, before anything else is written under it:
the late request is then refused wherever it could do harm, since its points are written again first.

What this asks of others: the successor forgets what it knew of the lane's users when it takes the lane, and begins
at an offset no later than the committed one; after an error the same users are written again; a user's events stay
in one lane while several lanes are held (drain the topics before giving them more partitions); and a cluster
answers reads from what it has acknowledged (one replica a shard, or reads and writes by majority).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from sinks.collection import Collection, Found, PointBatch, Where
from sinks.counter import Counter as FenceCounter
from sinks.errors import FenceRefused, StoreUnavailable
from sinks.points import named_id

FENCE = "fence"
"""The payload field that holds a token, in users and in lanes."""

_MOST_TRIES = 20
_LANE_BYTES = 160


@dataclass(frozen=True, slots=True)
class Fence:
    """A lane as taken by one worker."""

    lane: int
    """the partition number"""
    token: int
    """higher than that of every earlier taking"""
    owner: str
    """a random text of this taking"""


class Fences:
    """The lanes' points of one store. Thread-safe."""

    def __init__(self, users: Collection, counter: FenceCounter) -> None:
        self._users = users
        self._counter = counter
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        # By lane and owner, where a request was not answered: the fence since then, None until it is renewed.
        self._renewed: dict[tuple[int, str], Fence | None] = {}

    def take(self, lanes: Sequence[int]) -> dict[int, Fence]:
        """Take lanes, from whoever has them: writes under their fences are refused from now on.

        When two workers take one lane at the same time, the one with the higher token keeps it; the other tries
        again with a new one, so that the last to ask has the lane.

        Raises:
            StoreUnavailable: no answer, or others keep taking the same lanes. What was taken is of no use; take
                all of them again.
        """
        owner = secrets.token_hex(8)
        wanted = list(dict.fromkeys(lanes))
        taken: dict[int, Fence] = {}
        floor = 0
        for _ in range(_MOST_TRIES):
            if not wanted:
                break
            token = self._counter.draw(owner, floor)
            mine = {lane: Fence(lane, token, owner) for lane in wanted}
            self._users.upsert(lane_points(list(mine.values())), where=Where(at_most={FENCE: token - 1}))
            seen = self._read(wanted)
            taken |= {lane: fence for lane, fence in mine.items() if fence == seen.get(lane)}
            wanted = [lane for lane in wanted if lane not in taken]
            # Higher than the counter where that was put back from an older backup than the users.
            floor = max((fence.token for fence in seen.values()), default=0)
        else:
            raise StoreUnavailable(f"other workers keep taking the lanes {wanted}; tried {_MOST_TRIES} times")
        with self._lock:
            self._renewed = {key: fence for key, fence in self._renewed.items() if key[0] not in taken}
        return taken

    @contextmanager
    def held(self, fence: Fence) -> Iterator[Fence]:
        """Around the requests of a write: the fence to send them under, and afterwards whether it held.

        Raises:
            FenceRefused: the lane has been taken by another worker.
            StoreUnavailable: no answer to that question.
        """
        current = self._current(fence)
        try:
            yield current
        except BaseException:
            with self._lock:
                self._renewed[fence.lane, fence.owner] = None
            raise
        self._confirm(current)

    @contextmanager
    def beside(self, fence: Fence) -> Iterator[Fence]:
        """As `held`, for points that are no users, written beside the lane's own writes; asked before them too.

        A request of these that is not answered calls for no renewal, and the lane's own renewal meanwhile is no loss.

        Raises:
            FenceRefused: the lane has been taken by another worker.
            StoreUnavailable: no answer to that question.
        """
        current = self._current(fence)
        self._confirm_owner(current)
        yield current
        self._confirm_owner(current)

    def _current(self, fence: Fence) -> Fence:
        """What to write under: `fence`, or what it was renewed to after a request was not answered."""
        key = fence.lane, fence.owner
        renewed = self._renewed.get(key, fence)
        if renewed is not None:
            return renewed
        with self._renewing:  # two threads that renewed one fence would each take it from the other
            renewed = self._renewed.get(key, fence)
            if renewed is None:
                renewed = replace(fence, token=self._counter.draw(secrets.token_hex(8), fence.token))
                still_mine = Where(equals={"owner": (fence.owner,)}, at_most={FENCE: renewed.token - 1})
                self._users.upsert(lane_points([renewed]), where=still_mine)
                self._confirm(renewed)
                with self._lock:
                    self._renewed[key] = renewed
        return renewed

    def _confirm(self, fence: Fence) -> None:
        there = self._read([fence.lane]).get(fence.lane)
        if there != fence:
            by = "nobody" if there is None else f"another worker (token {there.token})"
            raise FenceRefused(
                f"lane {fence.lane} was taken with token {fence.token} and is now held by {by}; give the lane "
                "up: its events since the last commit are the new holder's"
            )

    def _confirm_owner(self, fence: Fence) -> None:
        """As `_confirm`, but for a token that the same owner has renewed."""
        there = self._read([fence.lane]).get(fence.lane)
        if there is None or there.owner != fence.owner:
            self._confirm(fence)

    def _read(self, lanes: Sequence[int]) -> dict[int, Fence]:
        found = self._users.retrieve([_lane_id(lane) for lane in lanes], with_vectors=False)
        fences = map(_fence, found)
        return {fence.lane: fence for fence in fences if fence is not None}


def under(fence: Fence) -> Where:
    """What must hold of a point for a write under the fence to replace it."""
    return Where(at_most={FENCE: fence.token})


def lane_points(fences: Sequence[Fence]) -> PointBatch:
    """The lanes' own points."""
    return PointBatch(
        [_lane_id(fence.lane) for fence in fences],
        {},
        [{"lane": fence.lane, FENCE: fence.token, "owner": fence.owner} for fence in fences],
        np.full(len(fences), _LANE_BYTES, np.int64),
    )


def _fence(point: Found) -> Fence | None:
    try:
        return Fence(int(point.payload["lane"]), int(point.payload[FENCE]), str(point.payload["owner"]))
    except (KeyError, TypeError, ValueError):
        return None


def _lane_id(lane: int) -> str:
    return named_id(f"holder/{lane}")
