"""A historical log through the same functions as the live stream, into the same points."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

import stamina
import structlog

from sinks.errors import StoreError, StoreUnavailable
from streams.event import Reject
from streams.ingest import APPLIED
from streams.logs import Log, LogBatch
from streams.workspace import Workspace

log = structlog.get_logger(__name__)
Result = TypeVar("Result")

GIVE_UP_S = 300.0
"""A store that is away for so long ends a replay; run again, it goes on where it was."""


@dataclass(slots=True)
class ReplaySummary:
    """What a replay did. duplicates: events that were applied before, in this run or an earlier one."""

    events: int = 0
    applied: int = 0
    rejected: int = 0
    duplicates: int = 0
    users: int = 0
    items: int = 0
    seconds: float = 0.0
    events_per_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def replay(
    workspace: Workspace,
    events: Log,
    *,
    progress: Callable[[int], None] | None = None,
    on_rejects: Callable[[LogBatch, list[Reject]], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ReplaySummary:
    """Apply a whole log. Stopped half-way and run again, it applies what is missing and nothing twice.

    `progress` is told the rows of each batch after it is in the store. The tables of shares and transitions are written every
    `daemon.tables_s` seconds and at the end, however it ends, unless the process is killed.

    Raises:
        StoreUnavailable: for longer than `GIVE_UP_S`.
        LogError: a file is damaged inside; what came before it is in the store.
    """
    start = clock()
    summary = ReplaySummary()
    users: set[str] = set()
    items: set[str] = set()
    tables_at = start
    try:
        for batch in events:
            if batch.rejects and on_rejects is not None:
                on_rejects(batch, batch.rejects)
            outcome = _retrying(workspace, workspace.ingest.begin(batch.columns).run)
            _retrying(
                workspace, partial(workspace.ingest.advance, {events.identity: batch.first_row + batch.rows})
            )
            applied = outcome.count(APPLIED)
            summary.events += batch.rows
            summary.applied += applied
            summary.duplicates += len(batch.columns) - applied
            summary.rejected += len(batch.rejects)
            users.update(batch.columns.users)
            items.update(batch.columns.items)
            if clock() - tables_at > workspace.settings.daemon.tables_s:
                _retrying(workspace, lambda: _write_tables(workspace))
                tables_at = clock()
            if progress is not None:
                progress(batch.rows)
    except BaseException:
        try:
            _finish_tables(workspace)
        except StoreError as error:
            log.warning("the latest counts of the tables are lost", error=str(error))
        raise
    _retrying(workspace, lambda: _finish_tables(workspace))
    summary.users, summary.items = len(users), len(items)
    summary.seconds = round(clock() - start, 3)
    summary.events_per_s = round(summary.events / summary.seconds, 1) if summary.seconds else 0.0
    return summary


def _write_tables(workspace: Workspace) -> None:
    if workspace.tables is not None:
        workspace.tables.write()


def _finish_tables(workspace: Workspace) -> None:
    if workspace.tables is not None:
        workspace.tables.finish()


def _retrying(workspace: Workspace, call: Callable[[], Result]) -> Result:
    """Call, again while the store is unavailable, up to `GIVE_UP_S`."""
    for attempt in stamina.retry_context(
        on=StoreUnavailable, attempts=None, timeout=GIVE_UP_S, wait_initial=0.2, wait_max=5.0
    ):
        with attempt:
            if attempt.num > 1:
                workspace.metrics.store_retries.inc()
                log.warning("store unavailable, trying again", attempt=attempt.num)
            result = call()
    return result
