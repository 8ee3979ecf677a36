"""Events into the store: what the daemon does with a flush and replay with a chunk; the same code, so the same states.

However many threads, processes, groups and replays write at once, a user's state is exact. The state is a sum that does not
care about order, so a write that was refused is prepared again on what is there. In rounds, as long as events wait:

1. **claim** the users that are not in memory: from then on no other process can write them; and read them. One that another
   process has taken meanwhile is left for the next round;
2. ask how far the sources of the events are in the store, *after* the claim: the writer before us may have dropped
   the marks that this makes needless;
3. **drop** the events that the user's marks or that progress say are in there, and those of users who were forgotten
   (`sinks.tombstones`); what is left, **prepare**, which changes nothing outside;
4. **write** vector, state and marks of each user in one upsert, each on the condition that the user is still held as it
   was read, and have the store say which users were taken;
5. only then take these into memory, and count them. The others are forgotten, for the next round.

A call that was not answered may be carried out later still. Then the store's next token is another one, so that it is
refused where it could do harm; here all users of the call are forgotten, and claimed again under the new token. What it did
carry out is found inside in step 3: events that an earlier preparation of this call brought there count as applied, once,
and with what that preparation would have added to the counts.

When all users of a call are confirmed, `advance` raises the progress of its sources, and offsets may be committed after.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter

import numpy as np

from sinks.writer import NEW
from streams.counts.counts import CountsBuffer
from streams.events.columns import EventColumns, rows_named, take_events
from streams.events.event import RejectReason
from streams.events.watermarks import advanced, redelivered, unwanted
from streams.failpoints import Failpoints
from streams.ingest.held_users import claimed_users, written_users
from streams.ingest.item_collisions import ItemIdsCollide, collision
from streams.ingest.outcome import COLLIDED, FORGOTTEN, REDELIVERED, Outcome
from streams.ingest.preparation import Preparation, PreparedEvents
from streams.ingest.seen_partitions import partitions_seen
from streams.ingest.source_numbers import SourceNumbers
from streams.ingest.tries import Tries
from streams.ingest.user_cache import HeldUser, UserCache
from streams.ingest.user_locks import UserLocks
from streams.metrics import Metrics
from streams.workspace.vocabulary import ActionUse
from streams.workspace.workspace import Workspace
from transfer.arrays import I64, Bool

_WAITS = 255
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.002, 0.2


class Ingest:
    """Applies event columns to a store. Thread-safe; no two threads have the same user at once."""

    def __init__(
        self,
        workspace: Workspace,
        metrics: Metrics,
        *,
        counts: CountsBuffer | None = None,
        failpoints: Failpoints | None = None,
        rng: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """counts: where applied events are counted; None: nowhere."""
        self.store = workspace.store
        self.cache = UserCache(workspace.settings.daemon.user_cache)
        self.sources = SourceNumbers(workspace.store.sources)
        self.locks = UserLocks()
        self.preparation = Preparation(workspace, metrics)
        self.actions = ActionUse(workspace.store.actions, workspace.interest)
        self.metrics = metrics
        self.counts = counts
        self.failpoints = failpoints or Failpoints()
        self.rng = rng or random.Random()
        self.sleep = sleep

    def begin(self, columns: EventColumns, partitions: Mapping[str, int] | None = None) -> Applying:
        """Events to be applied; nothing is done yet. partitions: by source the partition number, for the metric."""
        return Applying(self, columns, partitions or {})

    def apply(self, columns: EventColumns) -> Outcome:
        """Apply events.

        Raises:
            StoreUnavailable: call again with the same; what was applied meanwhile is then known as redelivered.
        """
        return self.begin(columns).run()

    def advance(self, ends: Mapping[str, int]) -> None:
        """Raise the progress of sources to their next offsets; see `SourceNumbers.advance`."""
        self.sources.advance(ends)
        self.failpoints.reached("progress raised")

    def check(self, columns: EventColumns) -> None:
        """Do all that is done before a write, and nothing that lasts; raises what that raises.

        Users are read without a claim: whether an event can be processed at all does not depend on it.
        """
        try:
            self._check(columns)
        except ItemIdsCollide as error:
            # These are refused by name where they are applied. Whether the others can be processed is still to be seen.
            others = ~np.isin(columns.item, rows_named(columns.items, error.owners))
            if others.any():
                self.check(take_events(columns, others))

    def _check(self, columns: EventColumns) -> None:
        held = self.cache.get(columns.users)
        missing = [name for name, user in zip(columns.users, held, strict=True) if user is None]
        states = {
            name: b"" if record is None else record.state
            for name, record in zip(missing, self.store.users.read(missing), strict=True)
        }
        found = [
            states[name] if user is None else user.state
            for name, user in zip(columns.users, held, strict=True)
        ]
        prepared = self.preparation.prepare(columns, found, [{}] * len(found))
        self.store.users.check(prepared.points)


class Applying:
    """Events on their way into the store. For one thread; `run` may be called again after an error."""

    def __init__(self, ingest: Ingest, columns: EventColumns, partitions: Mapping[str, int]) -> None:
        self._ingest = ingest
        self._partitions = partitions
        self.columns = columns
        self._code = np.full(len(columns), _WAITS, np.uint8)
        self._tries = Tries(len(columns))
        self._owners: dict[str, str] = {}

    def waiting(self) -> I64:
        """(W,) rows of the events that are not in the store yet, ascending."""
        return np.flatnonzero(self._code == _WAITS)

    def leave_out(self, rows: Sequence[int]) -> None:
        """Take events out, which must wait still: they can't be processed."""
        kept = np.ones(len(self.columns), np.bool_)
        kept[list(rows)] = False
        self.columns = take_events(self.columns, kept)
        self._code = self._code[kept]
        self._tries.leave_out(kept)

    def run(self, before: Callable[[], None] = lambda: None) -> Outcome:
        """Bring all of them into the store and return when it has acknowledged them.

        before: called before each claim and each write; may raise to stop.

        Raises:
            StoreUnavailable: call again.
            PointRefused, PointUnreadable, ...: events or users can't be processed; see `leave_out`.
        """
        rows = self.waiting()
        if not len(rows):
            return Outcome(self._code)
        users = self._columns(rows).users
        with self._ingest.locks.of(users):
            try:
                attempt = 0
                while len(rows := self.waiting()):
                    if attempt:
                        wait_s = min(_FIRST_WAIT_S * 2**attempt, _LONGEST_WAIT_S)
                        self._ingest.sleep(wait_s * self._ingest.rng.random())
                    try:
                        self._round(rows, before)
                    except ItemIdsCollide as error:
                        self._refuse(rows, error)
                        continue
                    attempt += 1
            except BaseException:
                # Whatever went wrong, and whatever became of it: what the store has is read again.
                self._ingest.cache.forget(users)
                raise
        self._tries.clear()
        return Outcome(self._code)

    def collision(self, row: int) -> tuple[RejectReason, str]:
        """Why an event that came out as COLLIDED was refused."""
        item_id = self.columns.items[self.columns.item[row]]
        return collision(item_id, self._owners[item_id])

    def _refuse(self, rows: I64, error: ItemIdsCollide) -> None:
        self._owners |= error.owners
        named = np.isin(self.columns.item[rows], rows_named(self.columns.items, error.owners))
        self._code[rows[named]] = COLLIDED

    def _columns(self, rows: I64) -> EventColumns:
        return self.columns if len(rows) == len(self.columns) else take_events(self.columns, rows)

    def _round(self, rows: I64, before: Callable[[], None]) -> None:
        ingest = self._ingest
        columns = self._columns(rows)
        keys = ingest.sources.keys(columns.sources)
        finished = ingest.sources.finished
        # What is done with long ago, as in a log that is replayed again, need not be claimed.
        floor = np.array([finished.get(number, 0) for number, *_ in keys], np.int64)
        done = columns.offset < floor[columns.source]
        if done.any():
            self._settle(rows[done])
            rows = rows[~done]
            columns = self._columns(rows)
            if not len(rows):
                return
            keys = ingest.sources.keys(columns.sources)
        held, token = self._held(columns, before)
        watermarks = [{} if user is None else user.watermark for user in held]
        inside = redelivered(columns, watermarks, keys, finished)
        ours = np.array([user is not None for user in held], np.bool_)[columns.user]
        self._settle(rows[inside & ours])
        dropped = ours & ~inside & unwanted(columns, watermarks)
        self._code[rows[dropped]] = FORGOTTEN
        rows = rows[ours & ~inside & ~dropped]
        if len(rows):
            by_name = dict(zip(columns.users, held, strict=True))
            columns = self._columns(rows)
            self._write(rows, columns, [by_name[name] for name in columns.users], token, before)

    def _held(
        self, columns: EventColumns, before: Callable[[], None]
    ) -> tuple[list[HeldUser | None], int | None]:
        """The users of the columns, claimed where they were not in memory, and the token that new ones are written under.

        None: another process has just taken the user.
        """
        ingest = self._ingest
        held = ingest.cache.get(columns.users)
        missing = [name for name, user in zip(columns.users, held, strict=True) if user is None]
        ingest.metrics.cache.labels("users", "hit").inc(len(held) - len(missing))
        ingest.metrics.cache.labels("users", "miss").inc(len(missing))
        if not missing:
            return held, None
        before()
        with self._stage("read"):
            claim = ingest.store.users.claim(missing)
            ingest.failpoints.reached("users claimed")
            marked = {key for record in claim.records if record is not None for key in record.watermarks}
            ingest.sources.look(columns.sources, marked)
            ingest.failpoints.reached("progress read")
        claimed = claimed_users(missing, claim)
        if not ingest.store.exclusive:
            ingest.metrics.takeovers.inc(sum(hold > NEW for hold in claim.holds))
        found = [
            claimed[name] if user is None else user for name, user in zip(columns.users, held, strict=True)
        ]
        return found, claim.token

    def _write(
        self,
        rows: I64,
        columns: EventColumns,
        users: Sequence[HeldUser | None],
        token: int | None,
        before: Callable[[], None],
    ) -> None:
        ingest = self._ingest
        held = [user for user in users if user is not None]  # all of them, as the type checker can see
        keys = ingest.sources.keys(columns.sources)
        marks = advanced(columns, [user.watermark for user in held], keys, ingest.sources.finished)
        prepared = ingest.preparation.prepare(columns, [user.state for user in held], marks)
        ingest.failpoints.reached("users prepared")
        self._tries.note(rows, prepared)
        ingest.actions.tell(columns.action)
        before()
        with self._stage("write"):
            taken = ingest.store.users.write(prepared.points, [user.hold for user in held], token=token)
        ingest.failpoints.reached("users written")
        self._remember(prepared, held, taken, token)
        ingest.failpoints.reached("users remembered")
        self._settle(rows[taken[columns.user]])
        ingest.failpoints.reached("steps counted")
        ingest.metrics.users_written.inc(int(taken.sum()))
        ingest.metrics.refused_writes.inc(int((~taken).sum()))
        ingest.metrics.batch.observe(len(columns))

    def _settle(self, rows: I64) -> None:
        """These events are in the store: by a try of this call, and then they count, or from before."""
        ours = self._tries.sent(rows)
        self._code[rows] = REDELIVERED
        self._code[ours] = self._tries.expected(ours)
        if self._ingest.counts is None:
            return
        for prepared, counted in self._tries.parts(ours):
            steps = self._ingest.preparation.steps(prepared, counted, self._ingest.counts.config)
            if steps is not None:
                self._ingest.counts.count(steps)

    def _remember(
        self,
        prepared: PreparedEvents,
        held: Sequence[HeldUser],
        taken: Bool,
        token: int | None,
    ) -> None:
        found = written_users(
            prepared.points, held, taken, token, partitions_seen(prepared.columns, self._partitions)
        )
        self._ingest.cache.put(found.known)
        self._ingest.cache.forget(found.refused)
        self._ingest.metrics.scenario_shifts.inc(found.shifts)
        self._ingest.metrics.users_on_several_partitions.inc(found.several)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self._ingest.metrics.stage.labels(name).observe(perf_counter() - start)
