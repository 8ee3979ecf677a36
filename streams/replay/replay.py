"""A historical log through the same functions as the live stream, into the same points."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import stamina
import structlog

from sinks.errors import StoreError, StoreUnavailable
from streams.broker.config import BrokerConfig
from streams.event_log.log import Log, LogBatch
from streams.events.event import Reject
from streams.files.catalogue_overlap import CatalogueOverlap
from streams.ingest.ingest import Applying
from streams.ingest.intake import Intake
from streams.ingest.outcome import APPLIED, COLLIDED, FORGOTTEN, Outcome
from streams.replay.kafka_standings import KafkaStandings
from streams.replay.log_items import overlap_with_store
from streams.replay.once import FirstEvents, SharedRows, note_once
from streams.replay.registered_log import register_log, require_known
from streams.replay.sources import ReplaySources

log = structlog.get_logger(__name__)
Result = TypeVar("Result")

GIVE_UP_S = 300.0
"""A store that is away for this long ends a replay; run again, it continues where it was."""


@dataclass(slots=True)
class ReplaySummary:
    """What a replay did.

    duplicates: events that were applied before, in this run or an earlier one, and rows of logs that were replayed before.
    forgotten: events of users who were forgotten.
    ignored: rows whose action the action map ignores.
    """

    events: int = 0
    applied: int = 0
    rejected: int = 0
    duplicates: int = 0
    forgotten: int = 0
    ignored: int = 0
    users: int = 0
    items: int = 0
    seconds: float = 0.0
    events_per_s: float = 0.0
    sources: list[str] = field(default_factory=list)
    """identities of the log's sources"""
    overlap: CatalogueOverlap | None = None
    """its items beside the store's catalogue; None: the store has none"""

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the sources."""
        told = {name: value for name, value in asdict(self).items() if name not in ("sources", "overlap")}
        return {**told, "in_catalogue": None if self.overlap is None else self.overlap.described}


def replay(
    intake: Intake,
    events: Log,
    *,
    broker: BrokerConfig | None = None,
    shared: SharedRows = SharedRows(),  # noqa: B008  # immutable
    progress: Callable[[int], None] | None = None,
    on_rejects: Callable[[LogBatch, list[Reject]], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ReplaySummary:
    """Apply a whole log. Stopped half-way and run again, it applies what is missing and nothing twice; so does a log that grew.

    `progress` gets the rows of each batch after it is in the store. The counts of items and transitions are written every
    `daemon.counts_s` seconds and at the end, however it ends, unless the process is killed.

    Args:
        broker: where the topics are that the log names in its columns topic, partition and offset: rows are applied under the
            sources that the daemon has for them, and the daemon continues where the log ends.
        shared: what is done about rows that other logs hold, too. Events that are left out count as duplicates.

    Raises:
        StoreUnavailable: for longer than `GIVE_UP_S`.
        LogError: a file is damaged inside; what came before it is in the store. Or a file overlaps another log, or a replay was
            begun with "once" and is to go on without it; nothing is changed then.
    """
    start = clock()
    summary = ReplaySummary()
    users: set[str] = set()
    items: set[str] = set()
    written_at = start
    store = intake.store
    events = events.with_actions(intake.workspace.interest.action_names)
    kafka = None if broker is None else KafkaStandings(broker, store.sources)
    if shared.after is not None:
        others = shared.after
        _retrying(intake, lambda: require_known(others, store.sources))
    registered = _retrying(
        intake,
        lambda: register_log(
            events, store.sources, overlapping=shared.what != "refuse", by_position=kafka is not None
        ),
    )
    facts = _retrying(intake, lambda: note_once(registered.facts, shared, store.sources))
    registered = replace(registered, facts=facts)
    first = FirstEvents(registered.log, shared)
    sources = ReplaySources(registered, store.sources, kafka)

    def reached(identity: str) -> int:
        return _retrying(intake, lambda: sources.reached(identity))

    try:
        for batch in registered.log.batches(reached):
            if batch.rejects and on_rejects is not None:
                on_rejects(batch, batch.rejects)
            if batch.known:
                _tell_known(batch, sources.known_rejected(batch.source))
            columns, ends = sources.columns(batch, first.rows(batch))
            applying = intake.ingest.begin(columns)
            outcome = _retrying(intake, applying.run)
            refused = _refused(batch, applying, outcome)
            if refused:
                if on_rejects is not None:
                    on_rejects(batch, refused)
                batch = replace(batch, rejects=[*batch.rejects, *refused])
            _retrying(intake, partial(intake.ingest.advance, ends))
            sources.note(batch)
            applied, forgotten = outcome.count(APPLIED), outcome.count(FORGOTTEN)
            summary.events += batch.rows
            summary.forgotten += forgotten
            summary.applied += applied
            summary.duplicates += (batch.rows if batch.known else len(batch.columns)) - (
                applied + forgotten + len(refused)
            )
            summary.rejected += len(batch.rejects)
            summary.ignored += batch.ignored
            users.update(batch.columns.users)
            items.update(batch.columns.items)
            if clock() - written_at > intake.settings.daemon.counts_s:
                _retrying(intake, lambda: _write_counts(intake))
                written_at = clock()
            if progress is not None:
                progress(batch.rows)
    except BaseException:
        try:
            _finish_counts(intake)
        except StoreError as error:
            log.warning("the latest counts are lost", error=str(error))
        raise
    _retrying(intake, sources.finish)
    _retrying(intake, lambda: _finish_counts(intake))
    summary.sources = sorted(registered.facts)
    summary.users, summary.items = len(users), len(items)
    summary.overlap = _retrying(intake, lambda: overlap_with_store(items, store.items))
    summary.seconds = round(clock() - start, 3)
    summary.events_per_s = round(summary.events / summary.seconds, 1) if summary.seconds else 0.0
    return summary


def _refused(batch: LogBatch, applying: Applying, outcome: Outcome) -> list[Reject]:
    """The rows of items whose ids collide with others', as rows of the log."""
    rows = outcome.rows(COLLIDED)
    if not rows:
        return []
    places = rows
    if len(applying.columns) != len(
        batch.columns
    ):  # what Kafka's source had already was left out: found by their keys
        keys = applying.columns.key[rows]
        places = np.flatnonzero(np.isin(batch.columns.key, keys))[-len(rows) :].tolist()
    return [
        Reject(batch.row_number(place), *applying.collision(row))
        for place, row in zip(places, rows, strict=False)
    ]


def _tell_known(batch: LogBatch, rejected: int) -> None:
    log.info("rows of a log that was replayed", file=batch.path.name, rows=batch.rows)
    if rejected:
        log.warning(
            "of a log that was replayed, rows were rejected then, and are not looked at again; to apply them, replay them as a "
            "file of their own (--rejects FILE of the first replay names them)",
            file=batch.path.name,
            rejected=rejected,
        )


def _write_counts(intake: Intake) -> None:
    if intake.counts is not None:
        intake.counts.write()


def _finish_counts(intake: Intake) -> None:
    if intake.counts is not None:
        intake.counts.finish()


def _retrying(intake: Intake, call: Callable[[], Result]) -> Result:
    """Call, again while the store is unavailable, up to `GIVE_UP_S`."""
    for attempt in stamina.retry_context(
        on=StoreUnavailable, attempts=None, timeout=GIVE_UP_S, wait_initial=0.2, wait_max=5.0
    ):
        with attempt:
            if attempt.num > 1:
                intake.metrics.store_retries.inc()
                log.warning("store unavailable, trying again", attempt=attempt.num)
            result = call()
    return result
