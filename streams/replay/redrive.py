"""A log back into the three topics, as if its users acted again: keyed, original event times, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from streams.broker.config import BrokerConfig
from streams.broker.publisher import Publisher
from streams.event_log.log import LogBatch
from streams.events.columns import take_events
from streams.events.encode import event_record, events_of
from transfer.config import ACTIONS


@dataclass(frozen=True, slots=True)
class RedrivenLog:
    """What a re-drive did: acknowledged events by topic, and rows that are no valid events, by reason."""

    sent: dict[str, int]
    rejected: dict[str, int]


def redrive(
    log: Iterable[LogBatch],
    broker: BrokerConfig,
    topics: Mapping[str, str],
    progress: Callable[[LogBatch], None] | None = None,
) -> RedrivenLog:
    """Send the log's events to the topics of their actions; return when all are acknowledged.

    Key = user id; value = the event's JSON with its own time and event id. A user's events keep the log's
    order within each topic. The record's timestamp is now, since brokers delete by it. Invalid rows are
    counted, not sent.

    Args:
        log: batches of `streams.event_log.log.open_logs`.
        topics: action -> name of an existing topic.
        progress: called after each batch was handed to the client.

    Raises:
        BrokerUnavailable, BrokerError: events were not delivered; the text says how many were.
        LogError: a file is damaged inside.
    """
    return asyncio.run(_redrive(log, broker, topics, progress))


async def _redrive(
    log: Iterable[LogBatch],
    broker: BrokerConfig,
    topics: Mapping[str, str],
    progress: Callable[[LogBatch], None] | None,
) -> RedrivenLog:
    sent = dict.fromkeys(topics.values(), 0)
    rejected: dict[str, int] = {}
    async with Publisher(broker) as publisher:
        for batch in log:
            for code in np.unique(batch.columns.action).tolist():
                topic = topics[ACTIONS[code]]
                rows = np.flatnonzero(batch.columns.action == code)
                event_ids = None
                if batch.event_ids is not None:
                    event_ids = [batch.event_ids[row] for row in rows.tolist()]
                events = events_of(take_events(batch.columns, rows), event_ids)
                await publisher.publish(topic, map(event_record, events))
                sent[topic] += len(events)
            for reject in batch.rejects:
                rejected[reject.reason] = rejected.get(reject.reason, 0) + 1
            if progress is not None:
                progress(batch)
    return RedrivenLog(sent, rejected)
