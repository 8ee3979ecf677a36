"""How the consumer learns from the store where partitions begin, and what to do when the broker disagrees.

`StartPositions` decides and blocks; here it is asked in a thread, again while broker or store is away, and the app is told.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import TypeVar

import structlog
from faust.types import TP

from sinks.errors import StoreError, StoreUnavailable
from streams.errors import BrokerUnavailable, StreamsError
from streams.transport.app import BatchApp
from streams.transport.consumer import BatchConsumer
from streams.worker.start_positions import StartPositions, TopicChanged, backwards

log = structlog.get_logger(__name__)
Result = TypeVar("Result")

_AWAY = (BrokerUnavailable, StoreUnavailable)


class Placement:
    """Answers the transport, and checks from time to time whether the answer still holds.

    on_problem: called with why the daemon can't continue.
    """

    def __init__(
        self, app: BatchApp, start: StartPositions, on_problem: Callable[[str], None], check_s: float
    ) -> None:
        self._app = app
        self._start = start
        self._on_problem = on_problem
        self._check_s = check_s
        self._out_of_range: dict[TP, tuple[int, int]] = {}
        self._wake = asyncio.Event()
        self._rejoined = -1
        self.trouble: str | None = None
        """Why partitions can't begin at the moment, for /ready."""
        app.positions = self.positions
        app.on_out_of_range = self.out_of_range
        app.before_surprising = self.see_whether_the_same

    @property
    def _consumer(self) -> BatchConsumer:
        consumer: BatchConsumer = self._app.consumer  # type: ignore[assignment]
        return consumer

    async def positions(self, assigned: set[TP]) -> Mapping[TP, int]:
        """The next offset of each partition; waits while broker or store is away.

        Does not return where the daemon can't continue; it is told so, and ends.
        """
        wanted = [(tp.topic, tp.partition) for tp in assigned]
        backoff_s = 0.1
        while True:
            try:
                starts = await asyncio.to_thread(self._start.find, wanted)
            except _AWAY as error:
                if self.trouble is None:
                    log.warning("waiting", what="start positions", error=str(error))
                self.trouble = f"where to begin is not known: {error}"
                await asyncio.sleep(backoff_s * random.uniform(0.7, 1.3))
                backoff_s = min(2.0, 2 * backoff_s)
            except (StreamsError, StoreError) as error:
                self._on_problem(str(error))
                await asyncio.Event().wait()
            else:
                self.trouble = None
                self._out_of_range.clear()
                return {TP(topic, number): offset for (topic, number), offset in starts.items()}

    def out_of_range(self, tp: TP, was: int, now: int) -> None:
        """The log does not hold the offset that was to be read next; it continued at another one."""
        if now < was:
            # Perhaps another topic under the old name: its events must not be taken for the old ones.
            self._consumer.hold(tp)
        self._out_of_range[tp] = was, now
        self._wake.set()

    async def see_whether_the_same(self) -> None:
        """Hold the partitions of topics that were made again; they are assigned again then. Waits while the broker is away."""
        generation = self._app.consumer_generation_id
        while generation == self._app.consumer_generation_id and not self._app.rebalancing:
            try:
                again = await asyncio.to_thread(self._start.made_again)
            except BrokerUnavailable:
                await asyncio.sleep(0.2)
                continue
            except StreamsError as error:
                self._on_problem(str(error))
                return
            for tp in self._consumer.assignment():
                if tp.topic in again:
                    self._consumer.hold(tp)
            if again:
                self._wake.set()
            return

    async def watch(self) -> None:
        """Look every `check_s`, and at once where the broker did not have what was asked for; until cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), self._check_s)
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._look()
            except _AWAY as error:
                log.debug("not looked", error=str(error))
                await asyncio.sleep(1.0)
                if self._out_of_range:
                    self._wake.set()
            except (StreamsError, StoreError) as error:
                self._on_problem(str(error))
                return

    async def _look(self) -> None:
        try:
            await asyncio.to_thread(self._start.look_again)
        except TopicChanged:
            self._out_of_range.clear()
            await self._rejoin()
            return
        for tp, (was, now) in list(self._out_of_range.items()):
            if now < was:
                self._on_problem(backwards((tp.topic, tp.partition), was, now))
                return
            await asyncio.to_thread(self._start.passed_over, (tp.topic, tp.partition), was, now)
            self._out_of_range.pop(tp, None)

    async def _rejoin(self) -> None:
        generation = self._app.consumer_generation_id
        if not self._app.rebalancing and generation != self._rejoined:
            self._rejoined = generation
            await self._consumer.rejoin()
