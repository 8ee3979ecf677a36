"""What the lanes of a worker share, and what they must be told by the consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from streams.events.record_clock import RecordClock
from streams.ingest.intake import Intake
from streams.letters.sender import DeadLetters
from streams.worker.batch import LaneBatch
from streams.worker.in_flight import InFlightLimit
from streams.worker.outcome_counts import OutcomeCounts
from streams.worker.reject_budget import RejectBudget
from streams.worker.reject_share import RejectShare


class Membership(Protocol):
    """What the consumer group says of batches."""

    def is_current(self, batch: LaneBatch) -> bool:
        """Whether the batch is of the present assignment; else it is read again by the worker that has the partition."""
        ...

    def owns(self, batch: LaneBatch) -> bool:
        """Whether the group still says that the batch's partition is ours. Asked from the lanes' threads."""
        ...

    def done(self, batch: LaneBatch) -> None:
        """The batch is durable."""
        ...


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Times in seconds."""

    linger_s: float
    """a flush begins at most this long after its first batch came, if the store keeps up"""
    flush_s: float
    """a flush takes no more events than can be processed in about this long"""
    store_patience_s: float
    """a store that is away for longer ends the lane"""


@dataclass(frozen=True, slots=True)
class LaneWork:
    """What the lanes of a worker share."""

    intake: Intake
    dead_letters: DeadLetters
    membership: Membership
    limits: LaneLimits
    executor: Executor
    turn: asyncio.Semaphore
    """one for each thread of the executor: what waits for a thread can still grow"""
    in_flight: InFlightLimit
    reject_budget: RejectBudget
    cluster: str
    now: Callable[[], float]
    clock: RecordClock
    reject_share: RejectShare
    outcomes: OutcomeCounts
