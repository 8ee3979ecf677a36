"""Whether the daemon can make progress, and why not: what /ready says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from streams.broker.config import BrokerConfig
from streams.letters.sender import DeadLetters
from streams.transport.app import BatchApp
from streams.transport.consumer import BatchConsumer
from streams.worker.lanes import Lanes
from streams.worker.lost_records import LostRecords
from streams.worker.monitor import Monitor
from streams.worker.placement import Placement
from streams.worker.read_topics import ReadTopics


class Phase(Enum):
    """The life of a daemon, in order."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Consumption:
    """The parts of a daemon that consumes."""

    app: BatchApp
    lanes: Lanes
    placement: Placement
    monitor: Monitor
    letters: DeadLetters

    @property
    def consumer(self) -> BatchConsumer:
        """The app's."""
        consumer: BatchConsumer = self.app.consumer  # type: ignore[assignment]
        return consumer


class Readiness:
    """The phase of a daemon, what it waits for while it starts, and what keeps it from progress while it runs."""

    def __init__(self, broker: BrokerConfig, acknowledge_loss: bool) -> None:
        """acknowledge_loss: records that were lost to retention are no warning."""
        self._broker = broker
        self._acknowledge_loss = acknowledge_loss
        self._phase = Phase.STARTING
        self._awaited = "starting"
        self._parts: Consumption | None = None
        self._lost: LostRecords | None = None
        self._read: ReadTopics | None = None

    def wait_for(self, what: str) -> None:
        """Say what the start waits for now."""
        self._awaited = what

    def watch_losses(self, lost: LostRecords, read: ReadTopics) -> None:
        """Warn of these, and of topics that are not read, from now on."""
        self._lost, self._read = lost, read

    def watch(self, parts: Consumption) -> None:
        """Look at these parts from now on."""
        self._parts = parts

    def run(self) -> None:
        """The start is over."""
        if self._phase is Phase.STARTING:
            self._phase = Phase.RUNNING

    def stop(self) -> None:
        """The end begins."""
        self._phase = Phase.STOPPING

    def not_ready(self) -> str | None:
        """Why the daemon can't make progress now, or None."""
        if self._phase is Phase.STARTING:
            return self._awaited
        if self._phase is Phase.STOPPING:
            return "stopping"
        parts = self._parts
        assert parts is not None, "a daemon that runs consumes"
        if parts.lanes.trouble is not None:
            return parts.lanes.trouble
        if parts.placement.trouble is not None:
            return parts.placement.trouble
        if not parts.consumer.has_coordinator:
            return f"broker unavailable: {self._broker.url} does not answer, or knows no coordinator of the group"
        if parts.monitor.unreadable is not None:
            return parts.monitor.unreadable
        return "rebalancing" if parts.app.rebalancing else None

    def warnings(self) -> list[str]:
        """What an operator should look at, although the daemon continues."""
        found: list[str | None] = []
        if self._parts is not None:
            lanes = self._parts.lanes
            found += [self._parts.letters.warning, lanes.clock.warning, lanes.quarantined]
        if self._lost is not None and not self._acknowledge_loss:
            found.append(self._lost.warning)
        if self._read is not None:
            found.append(self._read.warning)
        return [warning for warning in found if warning is not None]
