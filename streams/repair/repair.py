"""The way out of quarantine: a user's state rebuilt from what is known, then from what was parked meanwhile, then live.

Order, so that a crash at any point loses and doubles nothing; the user stays in quarantine until the last step, and whoever
begins again begins at the first one:

1. find the user's parked events. Each must lie below its source's progress in the store: what the daemon has not passed yet
   it would read again;
2. collect the user's events from the topics, up to their sources' progress, and from logs; each event once, by its identity;
   and what the user declared;
3. delete the point, and write all of them, the parked ones too, as one source of this repair's own;
4. raise the progress of that source, and of each parked letter, so that `dead-letters redrive` knows them;
5. let the user go, and apply as letters what was parked meanwhile. A worker that parks an event still looks again whether the
   user was released, and then applies it itself, as the same letter.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import structlog

from sinks.points import user_point_id
from streams.broker.config import BrokerConfig
from streams.broker.topic_scan import Ends
from streams.broker.topics import existing_topics
from streams.errors import DaemonError
from streams.event_log.log import LogBatch
from streams.events.columns import EventColumns
from streams.events.record_clock import RecordClock
from streams.ingest.declaring import Declaring
from streams.ingest.ingest import Ingest
from streams.ingest.intake import Intake
from streams.letters.letter import PARKED, StoredLetter
from streams.letters.search import LetterFilter, find_letters
from streams.metrics import Metrics
from streams.repair.known_declarations import KnownDeclarations, declared_of_letter
from streams.repair.letter_redrive import DONE, LetterRedrive
from streams.repair.user_history import UserHistory
from streams.topics.layout import TopicLayout
from streams.topics.slot import TopicSlot

PASS_S: Final = 30.0
"""How long the daemon may take to pass the events that it has parked."""
_POLL_S: Final = 0.5

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Repaired:
    """What a repair did: events by where they came from; each that came from several counts once in `events`."""

    users: int = 0
    events: int = 0
    from_topics: int = 0
    from_logs: int = 0
    parked: int = 0
    late: int = 0
    """parked while the repair continued"""
    waiting: int = 0
    """of these such as the daemon has not passed: redrive them later"""
    without_events: list[str] = field(default_factory=list)
    """points of users with no known events; they stay in quarantine"""
    cut_topics: list[str] = field(default_factory=list)
    """whose first records are gone, so that older events can come from logs only"""


@dataclass(frozen=True, slots=True)
class Letters:
    """Where letters lie, and where their records come from.

    layout: which topics there are.
    """

    broker: BrokerConfig
    topic: str
    cluster: str
    layout: TopicLayout


class Repair:
    """Repairs users of a store that is open for writing."""

    def __init__(
        self,
        intake: Intake,
        letters: Letters,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._intake = intake
        self._letters = letters
        self._now = now
        self._sleep = sleep

    def run(
        self,
        points: Sequence[str],
        names: Sequence[str] = (),
        logs: Iterable[LogBatch] | None = None,
        *,
        drop: bool = False,
    ) -> Repaired:
        """Repair the users of these point ids.

        Args:
            names: ids of those users that are known; the others' are learned from their events.
            logs: batches of logs that hold the users' events, beside the topics.
            drop: forget what was before; only what is parked makes the new states.

        Raises:
            DaemonError: parked events that the daemon has not passed; nothing was changed.
            BrokerUnavailable, BrokerError, StoreUnavailable: run it again.
        """
        intake, result = self._intake, Repaired()
        wanted = frozenset(points)
        parked, ends = self._parked(wanted, {})
        if waiting := self._not_passed_in_time(parked):
            raise DaemonError(
                f"{waiting} parked events were not passed by the daemon yet, which will read them again. Let it run until its "
                "lag is 0, then repair again (a folder: stop it then). Nothing was changed"
            )
        history = UserHistory(wanted, RecordClock(self._now), intake.decoders)
        declared = KnownDeclarations(wanted, RecordClock(self._now))
        if not drop:
            profiles = [topic for topic, slot in self._topics().items() if slot.is_profiles]
            declared.add_topics(self._letters.broker, profiles, intake.store.sources, self._letters.cluster)
            result.from_topics = history.add_topics(
                self._letters.broker, self._event_topics(), intake.store.sources, self._letters.cluster
            )
            result.from_logs = history.add_logs(logs or ())
            result.cut_topics = history.cut
        for columns in self._driver().decoded(parked):
            result.parked += history.add(columns)
        for letter in self._declared_letters(parked):
            result.parked += declared.add(declared_of_letter(letter, self._now()))
        events = history.events()
        users = [*(names if drop else ()), *events.users, *(one.user_id for one in declared.found)]
        found = set(map(user_point_id, users))
        self._write(events, list(dict.fromkeys(users)))
        Declaring(self._ingest(), intake.workspace).apply(declared.found)
        result.events, result.users = len(events), len(found)
        result.without_events = [point for point in points if point not in found]
        self._ingest().advance({letter.identity(self._letters.cluster): DONE for letter in parked})
        for point in found:
            intake.quarantine.lift(point)
            log.info("out of quarantine", point=point)
        if found:
            result.late, result.waiting = self._late(wanted, ends)
        return result

    def _write(self, events: EventColumns, users: Sequence[str]) -> None:
        source = f"repair/{secrets.token_hex(8)}"
        columns = replace(
            events,
            source=np.zeros(len(events), np.int32),
            sources=[source] if len(events) else [],
            offset=np.arange(len(events), dtype=np.int64),
        )
        if not users:
            return
        # Not deleted: what says that somebody was forgotten, or from when on events count, has to stay.
        self._intake.store.users.tombstones.empty(users)
        if len(columns):
            ingest = self._ingest()
            ingest.apply(columns)
            ingest.advance({source: len(columns)})

    def _ingest(self) -> Ingest:
        """Without the counts: they hold these events already."""
        return Ingest(self._intake.workspace, Metrics(), failpoints=self._intake.failpoints)

    def _driver(self) -> LetterRedrive:
        return LetterRedrive(
            self._intake, cluster=self._letters.cluster, layout=self._letters.layout, now=self._now()
        )

    def _event_topics(self) -> dict[str, TopicSlot]:
        """Those that the broker has, also by pattern."""
        return {topic: slot for topic, slot in self._topics().items() if slot.has_events}

    def _topics(self) -> dict[str, TopicSlot]:
        return dict(self._letters.layout.found(existing_topics(self._letters.broker)).slots)

    def _declared_letters(self, letters: Iterable[StoredLetter]) -> list[StoredLetter]:
        slots = ((letter, self._letters.layout.slot_of(letter.source_topic)) for letter in letters)
        return [letter for letter, slot in slots if slot is not None and slot.is_profiles]

    def _parked(self, points: frozenset[str], starts: Mapping[int, int]) -> tuple[list[StoredLetter], Ends]:
        found: list[StoredLetter] = []
        driver = self._driver()

        def keep(letter: StoredLetter) -> None:
            users = [user for columns in driver.decoded([letter]) for user in columns.users]
            for declared in self._declared_letters([letter]):
                users += [one.user_id for one in declared_of_letter(declared, self._now()).declarations]
            if points.intersection(map(user_point_id, users)):
                found.append(letter)

        wanted = LetterFilter(reason=PARKED)
        ends = find_letters(self._letters.broker, self._letters.topic, wanted, keep, starts)
        return found, ends

    def _not_passed_in_time(self, letters: Sequence[StoredLetter]) -> int:
        """How many of them the daemon has not passed, after some time to do so."""
        until = time.monotonic() + (0.0 if self._intake.store.exclusive else PASS_S)
        driver = self._driver()
        while (waiting := len(driver.not_passed(letters))) and time.monotonic() < until:
            self._sleep(_POLL_S)
        return waiting

    def _late(self, points: frozenset[str], starts: Ends) -> tuple[int, int]:
        """Apply what workers parked before they saw that the users are live again: how many were, and how many wait."""
        if self._intake.store.exclusive:
            return 0, 0  # no other process is there
        late, _ = self._parked(points, starts)
        self._not_passed_in_time(late)
        done = self._driver().redrive(late)
        return done.applied, len(done.kept)
