"""The daemon: waits for what it needs, runs the app, watches it, and stops in an orderly way within a deadline."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import structlog

from sinks.errors import StoreUnavailable
from streams.broker.sources import PartitionSources
from streams.broker.start_rule import StartRule
from streams.broker.topics import cluster_id, describe_topics, missing_topics
from streams.errors import BrokerUnavailable, DaemonError, ShutdownDeadline
from streams.ingest.intake import Intake
from streams.letters.sender import DeadLetters
from streams.letters.topic import LetterTopic
from streams.metrics import Metrics
from streams.settings import Settings
from streams.worker.app import GroupMembership, PartitionProgress, connect, faust_app
from streams.worker.counts_writer import CountsWriter
from streams.worker.garbage import collect_seldom
from streams.worker.group_pairing import GroupStamp
from streams.worker.http import HttpServer, http_app
from streams.worker.lanes import Lanes
from streams.worker.lost_records import LostRecords
from streams.worker.monitor import Monitor
from streams.worker.placement import Placement
from streams.worker.start_positions import Beginning, Pairing, StartPositions

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

log = structlog.get_logger(__name__)

POLL_S = 0.2
PRODUCER_STOP_S = 3.0
LETTER_BYTES = 256 << 20
"""The client's own bound; what really holds is the topic's, see `streams.letters.topic`."""
TOPICS_S = 30.0
"""How long topics may come after a broker that was waited for: whoever starts both makes them next."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did."""

    events: int
    applied: int
    duplicates: int
    redelivered: int
    rejected: int
    parked: int
    """of users in quarantine"""
    seconds: float


class Daemon:
    """Runs until `stop` is set, `drain` finds nothing left, or something is wrong enough to end the process.

    Args:
        open_intake: opens the store; called again while the store is unavailable.
        prepare: called with the intake before the first event (to load a catalogue, say).
        beginning: where sources begin of which the store knows nothing; default: as `daemon.start_from` says.
        take_group: the consumer group is taken over, should it be another store's.
    """

    def __init__(
        self,
        settings: Settings,
        open_intake: Callable[[Metrics], Intake],
        *,
        drain: bool = False,
        prepare: Callable[[Intake], None] | None = None,
        beginning: Beginning | None = None,
        take_group: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._open_intake = open_intake
        self._drain = drain
        self._prepare = prepare
        self._beginning = beginning or Beginning(StartRule.parse(settings.daemon.start_from))
        self._take_group = take_group
        self._lost: LostRecords | None = None
        self._placement: Placement | None = None
        self._now = now
        self.metrics = Metrics()
        self.stop = asyncio.Event()
        self.ready = asyncio.Event()
        self.http = HttpServer(
            http_app(self.metrics, self.not_ready, self.warnings), settings.daemon.host, settings.daemon.port
        )
        self._waiting_for: str | None = "starting"
        self._broker_was_away = False
        self._lanes: Lanes | None = None
        self._letters: DeadLetters | None = None
        self._monitor: Monitor | None = None
        self._problem: str | None = None
        self._clock_told = False
        self._app: Any = None
        self._started = time.monotonic()

    def not_ready(self) -> str | None:
        """Why the daemon can't make progress now, or None."""
        if self._waiting_for is not None:
            return self._waiting_for
        if self._lanes is not None and self._lanes.trouble is not None:
            return self._lanes.trouble
        if self._placement is not None and self._placement.trouble is not None:
            return self._placement.trouble
        if self._app is not None and not self._app.consumer.has_coordinator:
            return f"broker unavailable: {self._settings.broker.url} does not answer, or knows no coordinator of the group"
        if self._monitor is not None and self._monitor.unreadable is not None:
            return self._monitor.unreadable
        return "rebalancing" if self._app is not None and self._app.rebalancing else None

    def warnings(self) -> list[str]:
        """What somebody should look at, although the daemon goes on."""
        found = [self._letters.warning if self._letters is not None else None]
        if self._lanes is not None:
            found += [self._lanes.clock.warning, self._lanes.quarantined]
        if self._lost is not None and not self._settings.daemon.acknowledge_loss:
            found.append(self._lost.warning)
        return [warning for warning in found if warning is not None]

    async def run(self) -> Summary:
        """Run to the end.

        Raises:
            DaemonError: topics missing or unequal, the app crashed, the watchdog saw no progress.
            ShutdownDeadline: the stop took longer than `daemon.shutdown_s`; what was not committed is read again.
            StoreError, EncoderError: the store or the model does not fit; says how to mend.
        """
        try:
            await self.http.start()
        except OSError as error:
            raise DaemonError(
                f"can't listen on {self.http.host}:{self.http.port}: {error.strerror or error}; "
                "choose another daemon.port (--metrics-port), 0 for a free one"
            ) from None
        log.info("listening", host=self.http.host, port=self.http.port)
        intake: Intake | None = None
        try:
            intake = await self._until_there(
                lambda: self._open_intake(self.metrics), StoreUnavailable, "store unavailable"
            )
            if intake is not None:
                self.metrics.info.labels(version("driftline"), intake.workspace.model.fingerprint).set(1)
                if self._settings.encoder.device.startswith("cuda"):
                    # Fails now, not at the first text, where the GPU that was asked for is missing.
                    await self._in_thread(intake.workspace.content.warm_up)
            if intake is not None and self._prepare is not None:
                await self._until_there(partial(self._load, intake), StoreUnavailable, "store unavailable")
            cluster: str | None = await self._until_there(
                lambda: cluster_id(self._settings.broker), BrokerUnavailable, "broker unavailable"
            )
            if intake is not None and cluster is not None and not self.stop.is_set():
                await self._check_topics()
                await self._consume(intake, cluster)
        except ShutdownDeadline:
            raise  # the lane's thread may still be in a write: the process has to end, the store is not closed
        except BaseException:
            await self._close(intake)
            raise
        await self._close(intake)
        return self.summary()

    def _load(self, intake: Intake) -> None:
        self._waiting_for = "loading the catalogue"
        assert self._prepare is not None
        self._prepare(intake)

    async def _close(self, intake: Intake | None) -> None:
        self._waiting_for = "stopping"
        if intake is not None:
            intake.close()
        await self.http.stop()

    async def _until_there(
        self, call: Callable[[], Any], absent: type[Exception] | tuple[type[Exception], ...], what: str
    ) -> Any:
        """Call in a thread until it does not raise `absent`, with jittered backoff; None when told to stop."""
        backoff_s = 0.2
        while not self.stop.is_set():
            try:
                return await self._in_thread(call)
            except absent as error:
                self._waiting_for = f"{what}: {error}"
                self._broker_was_away |= isinstance(error, BrokerUnavailable)
                log.warning("waiting", what=what, error=str(error), next_try_s=round(backoff_s, 1))
                try:
                    await asyncio.wait_for(self.stop.wait(), backoff_s * random.uniform(0.7, 1.3))
                except TimeoutError:
                    backoff_s = min(5.0, 2 * backoff_s)
        return None

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        """Call in a thread; once told to stop, wait for it no longer than the deadline."""
        calling = asyncio.create_task(asyncio.to_thread(call))
        told = asyncio.create_task(self.stop.wait())
        await asyncio.wait({calling, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not calling.done():
            await asyncio.wait({calling}, timeout=self._settings.daemon.shutdown_s)
        if not calling.done():
            raise self._deadline()
        return calling.result()

    def _deadline(self, failure: BaseException | None = None) -> ShutdownDeadline:
        return ShutdownDeadline(
            f"{f'{failure}; and then ' if failure else ''}"
            f"did not stop within {self._settings.daemon.shutdown_s:g} s (daemon.shutdown_s); "
            "what was not committed is read again, nothing is lost"
        )

    async def _check_topics(self) -> None:
        topics = self._settings.topics
        patient_until = time.monotonic() + TOPICS_S
        while True:
            found: dict[str, int | None] | None = await self._until_there(
                lambda: describe_topics(self._settings.broker, topics.all_names()),
                BrokerUnavailable,
                "broker unavailable",
            )
            problem = missing_topics(found) if found is not None else None
            if problem is None:
                return
            if not self._broker_was_away or time.monotonic() > patient_until:
                raise DaemonError(problem)
            if self._waiting_for != problem:
                log.warning("waiting", what="topics", error=problem)
            self._waiting_for = problem
            await asyncio.sleep(POLL_S)

    async def _consume(self, intake: Intake, cluster: str) -> None:
        settings = self._settings
        sources = PartitionSources(cluster)
        self._lost = LostRecords(intake.store.sources, self.metrics)
        stamp = GroupStamp(intake.store.id, 0 if self._take_group else int(self._now() * 1000))
        start = StartPositions(
            settings.broker,
            intake.store,
            sources,
            [*settings.topics.by_action().values(), settings.topics.name("items")],
            Pairing(settings.daemon.group, stamp, self._take_group),
            self._lost,
            self._beginning,
        )
        away = (BrokerUnavailable, StoreUnavailable)
        await self._until_there(start.check_group, away, "group not known")
        if self.stop.is_set():
            return
        producer = await self._start_producer()
        if producer is None:
            return
        progress = PartitionProgress()
        self._app = app = faust_app(settings, stamp)
        letters_topic = settings.topics.name("dead_letters")
        self._letters = letters = DeadLetters(
            producer,
            letters_topic,
            self.metrics,
            LetterTopic(settings.broker, letters_topic),
            settings.daemon.on_dead_letter_failure,
        )
        self._lanes = lanes = Lanes(
            intake,
            letters,
            GroupMembership(app, progress),
            config=settings.daemon,
            cluster=cluster,
            now=self._now,
        )
        connect(app, settings, lanes, progress, sources, on_problem=self._note_problem)
        self._placement = placement = Placement(
            app, start, self._note_problem, settings.daemon.sources_check_s
        )
        self._monitor = monitor = Monitor(
            app, lanes, progress, self.metrics, settings.daemon.watchdog_s, self._now
        )
        self._waiting_for = "joining the group"
        collect_seldom()
        starting = asyncio.create_task(app.start())
        counts = CountsWriter(intake.counts, settings.daemon.counts_s)
        writing_counts = asyncio.create_task(counts.run())
        watching = asyncio.create_task(placement.watch())
        failure: BaseException | None = None
        try:
            await self._watch(app, monitor, lanes, starting, writing_counts)
        except Exception as error:
            failure = error
        self.metrics.ready.set(0)
        self._waiting_for = "stopping"
        watching.cancel()

        async def stop() -> None:
            writing_counts.cancel()
            if starting.done() and failure is None:
                await lanes.close()
                await app.consumer.commit()
            else:
                lanes.abandon()
            # After what must not wait.
            await counts.finish(settings.daemon.shutdown_s / 4)
            starting.cancel()
            await app.stop()
            with suppress(TimeoutError):  # letters that nobody takes: their records are read again
                await asyncio.wait_for(producer.stop(), PRODUCER_STOP_S)

        # Waited for, not cancelled: a stop that hangs may well ignore that too.
        stopping = asyncio.create_task(stop())
        await asyncio.wait({stopping}, timeout=settings.daemon.shutdown_s)
        lanes.shutdown()
        if not stopping.done():
            raise self._deadline(failure) from failure
        if failure is not None:
            raise failure
        stopping.result()

    def _note_problem(self, problem: str) -> None:
        self._problem = problem

    async def _start_producer(self) -> AIOKafkaProducer | None:
        """The producer of dead letters; None when told to stop while the broker is away again."""
        from aiokafka import AIOKafkaProducer
        from aiokafka.errors import KafkaError

        while not self.stop.is_set():
            producer = AIOKafkaProducer(
                **self._settings.broker.aiokafka(), acks="all", max_request_size=LETTER_BYTES
            )
            try:
                await producer.start()
                return producer
            except KafkaError as error:
                await producer.stop()
                self._waiting_for = f"broker unavailable: {type(error).__name__}"
                await asyncio.sleep(random.uniform(0.5, 1.5))
        return None

    async def _watch(
        self,
        app: Any,
        monitor: Monitor,
        lanes: Lanes,
        starting: asyncio.Task[None],
        counts: asyncio.Task[None],
    ) -> None:
        while not self.stop.is_set():
            try:
                await asyncio.wait_for(self.stop.wait(), POLL_S)
            except TimeoutError:
                pass
            if starting.done() and starting.exception() is not None:
                raise DaemonError(f"the consumer did not start: {starting.exception()!r}")
            if counts.done() and counts.exception() is not None:
                raise DaemonError(f"the counts can't be written: {counts.exception()}")
            if lanes.failure is not None:
                raise lanes.failure
            if self._problem is not None:
                raise DaemonError(self._problem)
            if app.crashed:
                raise DaemonError(f"the consumer crashed: {crash_reason(app)}")
            if not starting.done():
                continue
            monitor.update()
            self._tell_clock(lanes)
            if monitor.assigned and not self.ready.is_set():
                self._waiting_for = None
                self.ready.set()
                log.info("ready", partitions=monitor.assigned)
            self.metrics.ready.set(self.not_ready() is None)
            problem = monitor.problem(self._drain)
            if problem is not None:
                raise DaemonError(problem)
            if self._drain and await monitor.drained():
                log.info("drained")
                return

    def _tell_clock(self, lanes: Lanes) -> None:
        behind_s = lanes.clock.behind_s
        if behind_s and not self._clock_told:
            log.warning("clock", error=lanes.clock.warning)
        self._clock_told = behind_s > 0
        self.metrics.clock_behind.set(behind_s)

    def summary(self) -> Summary:
        """What was processed so far."""
        by_outcome: dict[str, int] = {}
        for family in self.metrics.events.collect():
            for sample in family.samples:
                if sample.name.endswith("_total"):
                    outcome = sample.labels["outcome"]
                    by_outcome[outcome] = by_outcome.get(outcome, 0) + int(sample.value)
        return Summary(
            events=sum(by_outcome.values()),
            applied=by_outcome.get("applied", 0),
            duplicates=by_outcome.get("duplicate", 0),
            redelivered=by_outcome.get("redelivered", 0),
            rejected=by_outcome.get("rejected", 0),
            parked=by_outcome.get("parked", 0),
            seconds=time.monotonic() - self._started,
        )


def crash_reason(service: Any) -> str:
    """The exception that ended a mode service or one below it."""
    reason = getattr(service, "crash_reason", None) or getattr(service, "_crash_reason", None)
    return repr(reason) if reason is not None else "see the log"
