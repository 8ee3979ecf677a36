"""Topics that appear, or go, while the daemon runs, where the settings name them by a pattern."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from streams.broker.config import BrokerConfig
from streams.broker.topics import existing_topics
from streams.errors import BrokerError, BrokerUnavailable
from streams.transport.app import BatchApp
from streams.worker.read_topics import ReadTopics

log = structlog.get_logger(__name__)

_AFTER_REBALANCE_S = 0.2


class TopicWatch:
    """Asks the broker every `every_s` and lets the group assign what has come; where its partitions begin is `Placement`'s.

    on_problem: called with why the daemon can't continue.
    """

    def __init__(
        self,
        app: BatchApp,
        read: ReadTopics,
        broker: BrokerConfig,
        every_s: float,
        on_problem: Callable[[str], None],
    ) -> None:
        self._app = app
        self._read = read
        self._broker = broker
        self._every_s = every_s
        self._on_problem = on_problem

    async def watch(self) -> None:
        """Until cancelled; returns where there is no pattern."""
        changed = False
        while self._read.layout.patterns:
            await asyncio.sleep(_AFTER_REBALANCE_S if changed else self._every_s)
            try:
                changed = changed or await self._look()
                if changed and not self._app.rebalancing:
                    await self._app.follow(self._read.names)
                    changed = False
            except (BrokerUnavailable, BrokerError) as error:
                log.debug("not looked for topics", error=str(error))
            except Exception as error:
                self._on_problem(f"topics that match a pattern can't be read: {error!r}")
                raise

    async def _look(self) -> bool:
        existing = await asyncio.to_thread(existing_topics, self._broker)
        return self._read.look(existing, running=True)
