"""A log back into topics, as if its users acted again: keyed, original event times, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import numpy as np

from streams.broker.config import BrokerConfig
from streams.broker.publisher import Publisher
from streams.event_log.log import LogBatch
from streams.events.columns import EventColumns, take_events
from streams.events.encode import events_of
from streams.replay.pace import Pace, Schedule
from streams.topics.outlets import Outlets
from transfer.arrays import F64, I64
from transfer.config import ACTIONS

TICK_S: Final = 0.05
"""At a pace events are sent this often, those together that are due."""


@dataclass(frozen=True, slots=True)
class RedrivePlan:
    """How a log is sent.

    begin_s: events before this time (unix seconds) are left out. event_times: records carry the times of their events; else
    the present, by which brokers decide what is old enough to be deleted.
    """

    pace: Pace = field(default_factory=Pace)
    begin_s: float | None = None
    event_times: bool = False


@dataclass(slots=True)
class RedrivenLog:
    """What a re-drive did: acknowledged events by topic, rows that are no valid events by reason, and events that were left out
    since they are older than the plan begins."""

    sent: dict[str, int]
    rejected: dict[str, int] = field(default_factory=dict)
    before: int = 0


def redrive(
    log: Iterable[LogBatch],
    broker: BrokerConfig,
    outlets: Outlets,
    progress: Callable[[LogBatch], None] | None = None,
    *,
    plan: RedrivePlan | None = None,
    action_names: Sequence[str] = ACTIONS,
) -> RedrivenLog:
    """Send the log's events to the topics of their actions; return when all are acknowledged.

    Key = user id; value = the event as the topic's description reads it, with its own time and event id. A user's events
    keep the log's order within each topic. Invalid rows are counted, not sent.

    Args:
        log: batches of `streams.event_log.log.open_logs`.
        outlets: action -> existing topic.
        progress: called after each batch was handed to the client.
        action_names: by code.

    Raises:
        BrokerUnavailable, BrokerError: events were not delivered; the text says how many were.
        LogError: a file is damaged inside.
        SettingsError: an event has no form in its topic; says why.
    """
    return asyncio.run(_redrive(log, broker, _Sender(outlets, plan or RedrivePlan(), action_names), progress))


async def _redrive(
    log: Iterable[LogBatch],
    broker: BrokerConfig,
    sender: _Sender,
    progress: Callable[[LogBatch], None] | None,
) -> RedrivenLog:
    done = sender.done
    async with Publisher(broker) as publisher:
        for batch in log:
            await sender.send(publisher, batch)
            for reject in batch.rejects:
                done.rejected[reject.reason] = done.rejected.get(reject.reason, 0) + 1
            if progress is not None:
                progress(batch)
    return done


class _Sender:
    """Sends batch after batch, each event when it is due."""

    def __init__(self, outlets: Outlets, plan: RedrivePlan, action_names: Sequence[str]) -> None:
        self.done = RedrivenLog(dict.fromkeys(outlets.topics, 0))
        self._outlets = outlets
        self._plan = plan
        self._names = action_names
        self._schedule = Schedule(plan.pace)
        self._began: float | None = None

    async def send(self, publisher: Publisher, batch: LogBatch) -> None:
        columns, event_ids, measures = batch.columns, batch.event_ids, batch.measures
        if self._plan.begin_s is not None:
            rows = np.flatnonzero(columns.time >= self._plan.begin_s)
            self.done.before += len(columns) - len(rows)
            columns = take_events(columns, rows)
            event_ids = None if event_ids is None else [event_ids[row] for row in rows.tolist()]
            measures = {name: values[rows] for name, values in measures.items()}
        due = self._schedule.due(columns.time)
        if self._began is None and len(columns):
            self._began = monotonic()
        start = 0
        while start < len(columns):
            stop = len(columns)
            if self._plan.pace.is_set and self._began is not None:
                stop = int(np.searchsorted(due, monotonic() - self._began, side="right"))
            if stop <= start:
                left_s = float(due[start]) - (monotonic() - float(self._began or 0.0))
                await asyncio.sleep(min(1.0, max(TICK_S, left_s)))
                continue
            await self._publish(publisher, columns, event_ids, measures, np.arange(start, stop))
            if self._plan.pace.is_set:
                await publisher.flush()
            start = stop

    async def _publish(
        self,
        publisher: Publisher,
        columns: EventColumns,
        event_ids: Sequence[str | None] | None,
        measures: Mapping[str, F64],
        rows: I64,
    ) -> None:
        for topic, of_topic in self._by_topic(columns, rows):
            ids = None if event_ids is None else [event_ids[row] for row in of_topic.tolist()]
            part = take_events(columns, of_topic)
            times = (part.time * 1000).astype(np.int64).tolist() if self._plan.event_times else None
            encode = [self._outlets.of(name).encode for name in self._names_of(part)]
            amounts = {name: values[of_topic] for name, values in measures.items()}
            records = (encode[row](event) for row, event in enumerate(events_of(part, ids, amounts)))
            await publisher.publish(topic, records, times)
            self.done.sent[topic] += len(part)

    def _names_of(self, columns: EventColumns) -> list[str]:
        return [self._names[code] for code in columns.action.tolist()]

    def _by_topic(self, columns: EventColumns, rows: I64) -> Iterator[tuple[str, I64]]:
        """Rows by topic, in the log's order where several actions share one."""
        codes: dict[str, list[int]] = {}
        actions = columns.action[rows]
        for code in np.unique(actions).tolist():
            codes.setdefault(self._outlets.of(self._names[code]).topic, []).append(code)
        for topic, own in codes.items():
            yield topic, rows[np.isin(actions, own)]
