"""Letters back into the store, each recognised by itself, so that any of them may be redriven in any order, repeatedly.

A letter is a source of its own, with one event at offset 0 (`StoredLetter.identity`). So a user's mark, and then the source's
progress, say that it is in, and no highest offset of other letters does. Per batch of letters:

1. leave out what is done with (progress 1), what may not be applied, and what can't be decoded still;
2. apply the events as any writer does: beside running daemons, replays and other redrives;
3. raise the letters' progress. Killed before that, the next redrive finds the marks.

A letter whose record the daemon has not passed yet waits: until then the daemon may read the record again and apply it itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sinks.points import PLACEHOLDER, item_key
from streams.events.columns import EventColumns, concatenate, take_events
from streams.events.event import ItemRow, Reject
from streams.ingest.intake import Intake
from streams.ingest.item_collisions import collision
from streams.ingest.outcome import APPLIED, COLLIDED, FORGOTTEN
from streams.letters.letter import StoredLetter
from streams.repair.known_declarations import declared_of_letter
from streams.topics.layout import TopicLayout
from streams.topics.slot import TopicSlot
from streams.worker.bisect import bisect_failures
from streams.worker.poison import is_poison

AT_A_TIME: Final = 500
DONE: Final = 1
"""The progress of a letter that is in the store."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that was not applied, and why."""

    letter: StoredLetter
    reason: str
    detail: str


@dataclass(slots=True)
class RedrivenLetters:
    """What became of letters."""

    applied: int = 0
    duplicates: int = 0
    """the user's latest events hold the same one already"""
    forgotten: int = 0
    """their users were forgotten; they count as redriven"""
    done: int = 0
    """redriven before"""
    items: int = 0
    kept: list[Kept] = field(default_factory=list)


class LetterRedrive:
    """Applies letters of one cluster to a store.

    Args:
        layout: which topics there are.
        leave_quarantined: letters of users in quarantine are kept; else nobody asks who is in it.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        cluster: str,
        layout: TopicLayout,
        now: float,
        leave_quarantined: bool = False,
    ) -> None:
        self._store = intake.store
        self._ingest = intake.ingest
        self._catalogue = intake.catalogue
        self._decoders = intake.decoders
        self._declaring = intake.declaring
        self._quarantine = intake.quarantine if leave_quarantined else None
        self._cluster = cluster
        self._layout = layout
        self._now = now

    def redrive(self, letters: Sequence[StoredLetter]) -> RedrivenLetters:
        """Apply what can be applied now.

        Raises:
            StoreUnavailable, RegistryUnavailable: call again with the same letters.
        """
        result = RedrivenLetters()
        for start in range(0, len(letters), AT_A_TIME):
            self._some(letters[start : start + AT_A_TIME], result)
        return result

    def not_passed(self, letters: Sequence[StoredLetter]) -> list[StoredLetter]:
        """Those whose record is not below its source's progress in the store."""
        passed = self._passed(letters)
        return [letter for letter in letters if _is_ahead(letter, passed)]

    def decoded(self, letters: Sequence[StoredLetter]) -> list[EventColumns]:
        """The events of those letters that hold a whole one, each as the source that it is."""
        found = []
        for letter in letters:
            slot = self._layout.slot_of(letter.source_topic)
            if slot is not None and slot.has_events and "truncated" not in letter.cuts:
                columns = self._decoded(letter.identity(self._cluster), letter, slot)
                if not isinstance(columns, Reject):
                    found.append(columns)
        return found

    def _some(self, letters: Sequence[StoredLetter], result: RedrivenLetters) -> None:
        by_identity = {letter.identity(self._cluster): letter for letter in letters}
        known = self._store.sources.find(list(by_identity))
        numbers = {info.number: identity for identity, info in known.items()}
        for number, reached in self._store.sources.progress(numbers).items():
            if reached >= DONE:
                result.done += 1
                del by_identity[numbers[number]]
        passed = self._passed(list(by_identity.values()))
        items: dict[str, StoredLetter] = {}
        events: list[EventColumns] = []
        for identity, letter in by_identity.items():
            slot = self._layout.slot_of(letter.source_topic)
            if slot is None:
                why = f"its topic {letter.source_topic!r} is none of the settings' topics"
                result.kept.append(Kept(letter, "unknown_topic", why))
            elif slot.is_profiles:
                self._redrive_declared(identity, letter, result)
            elif slot.is_consents:
                result.kept.append(Kept(letter, letter.reason, "a consent is not redriven: send it again"))
            elif (refusal := self._refusal(letter, slot, passed)) is not None:
                result.kept.append(Kept(letter, *refusal))
            elif slot.is_items:
                items[identity] = letter
            else:
                decoded = self._decoded(identity, letter, slot)
                if isinstance(decoded, Reject):
                    result.kept.append(Kept(letter, decoded.reason, decoded.detail))
                else:
                    events.append(decoded)
        self._apply(concatenate(events), by_identity, result)
        self._apply_items(items, result)

    def _redrive_declared(self, identity: str, letter: StoredLetter, result: RedrivenLetters) -> None:
        """Whenever it comes, what was declared later holds."""
        decoded = declared_of_letter(letter, self._now)
        users = [one.user_id for one in decoded.declarations]
        if "truncated" in letter.cuts or ("truncated-key" in letter.cuts and letter.value is None):
            result.kept.append(Kept(letter, *_TRUNCATED))
        elif decoded.rejects:
            result.kept.append(Kept(letter, decoded.rejects[0].reason, decoded.rejects[0].detail))
        elif self._quarantine is not None and self._quarantine.rows(users):
            result.kept.append(Kept(letter, *_IN_QUARANTINE))
        else:
            outcome = self._declaring.apply(decoded.declarations)
            result.applied += outcome.applied
            result.duplicates += outcome.known
            result.forgotten += outcome.forgotten
            self._ingest.advance({identity: DONE})

    def _passed(self, letters: Sequence[StoredLetter]) -> dict[str, int]:
        """How far each source of the letters' records is in the store."""
        known = self._store.sources.find([letter.source for letter in letters if letter.source])
        numbers = {source: info.number for source, info in known.items()}
        progress = self._store.sources.progress(numbers.values())
        return {source: progress[number] for source, number in numbers.items()}

    def _refusal(
        self, letter: StoredLetter, slot: TopicSlot, passed: Mapping[str, int]
    ) -> tuple[str, str] | None:
        needed = {"truncated"}
        if letter.value is None or not slot.is_items:
            needed |= {"truncated-key"} if slot.is_items else self._decoders.events(slot).needed_parts
        if not needed.isdisjoint(letter.cuts):
            return _TRUNCATED
        if _is_ahead(letter, passed):
            return (
                "not_passed",
                "the daemon has not passed its record yet, and may apply it itself; try later",
            )
        return None

    def _decoded(self, identity: str, letter: StoredLetter, slot: TopicSlot) -> EventColumns | Reject:
        written = 0.0 if letter.source_time_ms is None else letter.source_time_ms / 1000
        decoded = self._decoders.events(slot).decode(
            letter.batch(), offsets=[0], source=identity, now=max(self._now, written)
        )
        if decoded.rejects:
            return decoded.rejects[0]
        return _IGNORED if decoded.ignored else decoded.columns

    def _apply(
        self, columns: EventColumns, by_identity: Mapping[str, StoredLetter], result: RedrivenLetters
    ) -> None:
        waiting = set() if self._quarantine is None else set(self._quarantine.rows(columns.users))
        held_back = np.array([row in waiting for row in range(len(columns.users))], bool)[columns.user]
        columns = self._without(columns, np.flatnonzero(held_back), by_identity, result, _IN_QUARANTINE)
        try:
            self._ingest.check(columns)
        except Exception as error:
            if not is_poison(error):
                raise
            failures = bisect_failures(
                len(columns),
                lambda start, stop: self._ingest.check(take_events(columns, np.arange(start, stop))),
                most=len(columns),
                is_theirs=is_poison,
            )
            for row, failure in failures:
                why = ("processing_failed", f"processing fails with {type(failure).__name__}")
                self._keep(columns, [row], by_identity, result, why)
            kept = np.delete(np.arange(len(columns)), [row for row, _ in failures])
            columns = take_events(columns, kept)
        if len(columns):
            applying = self._ingest.begin(columns)
            outcome = applying.run()
            collided = outcome.rows(COLLIDED)
            for row in collided:
                self._keep(columns, [row], by_identity, result, applying.collision(row))
            applied = outcome.count(APPLIED)
            result.applied += applied
            forgotten = outcome.count(FORGOTTEN)
            result.forgotten += forgotten
            result.duplicates += len(columns) - applied - forgotten - len(collided)
            done = take_events(columns, np.delete(np.arange(len(columns)), collided))
            self._ingest.advance(dict.fromkeys(done.sources, DONE))

    def _without(
        self,
        columns: EventColumns,
        rows: np.ndarray[tuple[int], np.dtype[np.int64]],
        by_identity: Mapping[str, StoredLetter],
        result: RedrivenLetters,
        why: tuple[str, str],
    ) -> EventColumns:
        if not len(rows):
            return columns
        self._keep(columns, rows.tolist(), by_identity, result, why)
        return take_events(columns, np.delete(np.arange(len(columns)), rows))

    def _keep(
        self,
        columns: EventColumns,
        rows: Sequence[int],
        by_identity: Mapping[str, StoredLetter],
        result: RedrivenLetters,
        why: tuple[str, str],
    ) -> None:
        for row in rows:
            result.kept.append(Kept(by_identity[columns.sources[columns.source[row]]], *why))

    def _apply_items(self, letters: Mapping[str, StoredLetter], result: RedrivenLetters) -> None:
        """Catalogue rows; one whose item the catalogue has by now is kept, since that may be the later word."""
        done = []
        for identity, letter in letters.items():
            decoded = self._decoders.items().decode(letter.batch())
            if decoded.rejects:
                reject = decoded.rejects[0]
                result.kept.append(Kept(letter, reject.reason, reject.detail))
                continue
            if decoded.rows and self._is_there(decoded.rows[0]):
                result.kept.append(
                    Kept(letter, "item_known", "the catalogue has the item, perhaps by a later record")
                )
                continue
            refused = self._catalogue.upsert(decoded.rows).collisions
            if refused:
                result.kept += [Kept(letter, *collision(*ids)) for _, *ids in refused]
                continue
            self._catalogue.delete(decoded.deletes)
            result.items += 1
            done.append(identity)
        if done:
            self._ingest.advance(dict.fromkeys(done, DONE))

    def _is_there(self, row: ItemRow) -> bool:
        (found,) = self._store.items.read([item_key(row.item_id)])
        return found is not None and found.item_id == row.item_id and found.content != PLACEHOLDER


def _is_ahead(letter: StoredLetter, passed: Mapping[str, int]) -> bool:
    return bool(letter.source) and passed.get(letter.source, 0) <= letter.source_offset


_IGNORED: Final = Reject(
    0, "operation_refused", "by today's settings it is about no event, or of an action that they ignore"
)
_TRUNCATED: Final = (
    "truncated",
    "it was cut to what the dead-letter topic takes, so the record is not whole",
)
_IN_QUARANTINE: Final = ("user_quarantined", "its user is in quarantine: driftline repair")
