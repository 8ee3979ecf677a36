"""The batches of one flush: decoded, their catalogue changes and events applied, their rejects collected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

import numpy as np

from streams.errors import DaemonError
from streams.events.columns import EventColumns, concatenate, empty, take_events
from streams.events.decode_items import DecodedItems
from streams.events.event import Reject, RejectReason
from streams.events.record_clock import RecordClock
from streams.events.watermarks import kafka_source
from streams.ingest.ingest import Applying
from streams.ingest.intake import Intake
from streams.ingest.item_collisions import collision
from streams.ingest.outcome import COLLIDED, OUTCOMES, Outcome
from streams.letters.letter_events import as_letters
from streams.privacy.consents import apply_consents
from streams.worker.batch import LaneBatch, join_batches
from streams.worker.bisect import bisect_failures
from streams.worker.declared_records import DeclaredRecords
from streams.worker.decode_batch import decode_batch, record_offsets
from streams.worker.outcome_counts import OutcomeCounts
from streams.worker.poison import failure_reason, is_poison
from streams.worker.unreadable_users import PARKED_WHY, unreadable_users
from transfer.state.packing import unpack_states


class Flush:
    """What a lane does in its thread; each step may be repeated after an error."""

    def __init__(
        self,
        batches: Sequence[LaneBatch],
        intake: Intake,
        cluster: str,
        now: Callable[[], float],
        clock: RecordClock,
    ) -> None:
        self._batches = join_batches(batches)
        self._last = batches[-1]
        self._intake = intake
        self._metrics = intake.metrics
        self._cluster = cluster
        self._now = now
        self._clock = clock
        self._rejects: list[tuple[LaneBatch, list[Reject]]] = []
        self._ignored: list[int] = []
        self.events = empty()
        """those to be applied, in order of batches"""
        self._batch = np.empty(0, np.int64)  # (B,) of each event
        self._applying: Applying | None = None
        self._parked: list[EventColumns] = []
        self._declared = DeclaredRecords(self._batches, intake)

    @property
    def last(self) -> LaneBatch:
        """The batch that was handed over last."""
        return self._last

    def decode(self) -> None:
        """Bytes to columns and rows; what can't be decoded is rejected.

        Raises:
            RegistryUnavailable: call again.
        """
        start = perf_counter()
        self._rejects, self._ignored = [], []
        for batch in self._batches:
            now = self._clock.references(batch.topic, batch.partition, batch.records)
            rejects, ignored = decode_batch(batch, self._intake, self._source(batch), now)
            self._ignored.append(ignored)
            if rejects:
                self._rejects.append((batch, rejects))
        decoded_events = [batch.columns or empty() for batch in self._batches]
        self.events = concatenate(decoded_events)
        self._batch = np.repeat(np.arange(len(self._batches)), [len(events) for events in decoded_events])
        self._metrics.stage.labels("decode").observe(perf_counter() - start)

    @property
    def records(self) -> int:
        """How many there are in all."""
        return sum(len(batch.records) for batch in self._batches)

    @property
    def rejects(self) -> list[Reject]:
        """Those that no letter was asked of yet."""
        return [reject for _, rejects in self._rejects for reject in rejects]

    def new_rejects(self) -> Iterator[tuple[LaneBatch, list[Reject]]]:
        """What was rejected since the last call."""
        rejects, self._rejects = self._rejects, []
        return iter(rejects)

    def apply_catalogue(self) -> None:
        """Item rows, deletions and consents into the store, less rows of colliding ids; a second call has nothing to do."""
        for batch in self._batches:
            apply_consents(self._intake, batch.consents)
            batch.consents = ()
            if batch.items is not None:
                refused = self._intake.catalogue.upsert(batch.items.rows).collisions
                self._intake.catalogue.delete(batch.items.deletes)
                if refused:
                    places = batch.items.positions
                    rejects = [Reject(places[row], *collision(*ids)) for row, *ids in refused]
                    self._rejects.append((batch, rejects))
                batch.items = None

    def park(self) -> int:
        """Take what is of users in quarantine out, to be sent as letters; how many they are."""
        declared = self._declared.park()
        self._rejects += declared
        return self._park_events() + sum(len(rejects) for _, rejects in declared)

    def _park_events(self) -> int:
        if not len(self.events):
            return 0
        waiting = self._begun().waiting()
        quarantined = self._intake.quarantine.rows(self.events.users)
        if not quarantined:
            return 0
        rows = waiting[np.isin(self.events.user[waiting], quarantined)].tolist()
        if rows:
            self._parked.append(take_events(self.events, np.array(rows)))
            self._leave_out([(row, PARKED_WHY) for row in rows])
        return len(rows)

    def apply_freed(self) -> None:
        """Apply those parked events whose users were released while their letters were sent.

        Repair of a user reads its letters after it was released; those that come later would be overlooked. Applied as
        the letters that they are, so that it does no harm if both of them do it.
        """
        parked = concatenate(self._parked)
        if not len(parked):
            return
        quarantined = self._intake.quarantine.rows(parked.users, max_age_s=0.0)
        freed = take_events(parked, ~np.isin(parked.user, quarantined))
        if len(freed):
            ingest = self._intake.ingest
            letters = as_letters(freed)
            ingest.apply(letters)
            ingest.advance(dict.fromkeys(letters.sources, 1))
        self._parked = []

    def quarantine_unreadable(self) -> int:
        """Put those users of what waits that can't be read in quarantine; how many they are.

        Raises:
            DaemonError: too many are, or their states are another release's.
        """
        users = self._declared.users
        if len(self.events):
            users += take_events(self.events, self._begun().waiting()).users
        store, interest = self._intake.store.users, self._intake.workspace.interest

        def attempt(part: Sequence[str]) -> None:
            unpack_states([b"" if user is None else user.state for user in store.read(part)], interest)

        unreadable = unreadable_users(list(dict.fromkeys(users)), attempt)
        quarantine = self._intake.quarantine
        most = self._intake.settings.daemon.max_quarantined_users
        if len(quarantine) + len(unreadable) > most:
            raise DaemonError(
                f"{len(quarantine) + len(unreadable):,} users' states can't be read, more than daemon.max_quarantined_users "
                f"({most:,}): the store is damaged; restore it from a backup. Nothing was rejected"
            )
        for user, error in unreadable:
            quarantine.put(user, type(error).__name__)
        return len(unreadable)

    def apply(self, before: Callable[[], None]) -> Outcome:
        """Bring declarations and events into the store; see `streams.ingest.ingest.Applying.run`. Events of colliding items are
        rejected."""
        self._declared.apply(before)
        if not len(self.events):
            return Outcome.none()
        applying = self._begun()
        outcome = applying.run(before)
        collided = outcome.rows(COLLIDED)
        self._leave_out([(row, applying.collision(row)) for row in collided])
        return Outcome(np.delete(outcome.code, collided))

    def _begun(self) -> Applying:
        if self._applying is None:
            partitions = {self._source(batch): batch.partition for batch in self._batches}
            self._applying = self._intake.ingest.begin(self.events, partitions)
        return self._applying

    def raise_progress(self) -> None:
        """Say that all records of the flush are done with; a second call has nothing to do.

        What a power loss takes from a folder it takes from its end, and each collection has an end of its own: items
        are put on the disk before progress says that they are there, users lie in one collection with it.
        """
        if any(batch.slot.is_items for batch in self._batches):
            self._intake.store.sync()
        self._intake.ingest.advance(
            {self._source(batch): batch.records[-1].offset + 1 for batch in self._batches}
        )

    def sift(self, most: int) -> int:
        """Reject the rows and events that fail on their own, writing no user; how many they are.

        Raises:
            TooManyFailures: more than `most`.
        """
        declared = self._declared.sift(most)
        self._rejects += declared
        found = sum(len(rejects) for _, rejects in declared)
        return found + self._sift_catalogue(most) + self._sift_events(most)

    def count(self, outcome: Outcome, outcomes: OutcomeCounts) -> None:
        """Count outcomes and freshness, by topic."""
        for batch, ignored in zip(self._batches, self._ignored, strict=True):
            outcomes.add(batch.topic, "ignored", ignored)
        now, kinds = self._now(), len(OUTCOMES)
        counts = np.bincount(self._batch * kinds + outcome.code, minlength=kinds * len(self._batches))
        for batch, row in zip(self._batches, counts.reshape(-1, kinds).tolist(), strict=True):
            for name, count in zip(OUTCOMES, row, strict=True):
                outcomes.add(batch.topic, name, count)
            if any(row):
                sent = np.array([record.timestamp for record in batch.records]) / 1000
                self._metrics.freshness.observe_all(np.maximum(0.0, now - sent))

    def _sift_catalogue(self, most: int) -> int:
        total = 0
        for batch in self._batches:
            items = batch.items
            if items is None:
                continue

            def attempt(start: int, stop: int, items: DecodedItems = items) -> None:
                # Stays written: the good rows are to be written anyway.
                self._intake.catalogue.upsert(items.rows[start:stop])

            found = bisect_failures(len(items.rows), attempt, most=most - total, is_theirs=is_poison)
            if found:
                total += len(found)
                self._rejects.append(
                    (batch, [Reject(items.positions[at], *failure_reason(error)) for at, error in found])
                )
                kept = sorted(set(range(len(items.rows))) - {at for at, _ in found})
                batch.items = DecodedItems(
                    [items.rows[at] for at in kept],
                    items.deletes,
                    items.rejects,
                    [items.positions[at] for at in kept],
                )
        return total

    def _sift_events(self, most: int) -> int:
        if self._applying is None:
            return 0
        # What is in the store by now has shown that it can be.
        rows = self._applying.waiting()

        def attempt(start: int, stop: int) -> None:
            self._intake.ingest.check(take_events(self.events, rows[start:stop]))

        found = bisect_failures(len(rows), attempt, most=most, is_theirs=is_poison)
        self._leave_out([(int(rows[at]), failure_reason(error)) for at, error in found])
        return len(found)

    def _leave_out(self, failures: Sequence[tuple[int, tuple[RejectReason, str]]]) -> None:
        """Take waiting events out, each for its reason."""
        if not failures:
            return
        by_batch: dict[int, list[Reject]] = {}
        for at, why in failures:
            number = int(self._batch[at])
            position = int(np.searchsorted(record_offsets(self._batches[number]), self.events.offset[at]))
            by_batch.setdefault(number, []).append(Reject(position, *why))
        self._rejects += [(self._batches[number], rejects) for number, rejects in by_batch.items()]
        left_out = [at for at, _ in failures]
        applying = self._begun()
        applying.leave_out(left_out)
        self.events, self._batch = applying.columns, np.delete(self._batch, left_out)

    def _source(self, batch: LaneBatch) -> str:
        return batch.source or kafka_source(self._cluster, batch.topic, batch.partition)
