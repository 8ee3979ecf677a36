"""The daemon: waits for what it needs, runs the app, watches it, and stops cleanly within a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import Any

import structlog

from sinks.errors import StoreUnavailable
from streams.broker.sources import PartitionSources
from streams.broker.start_rule import StartRule
from streams.broker.topics import cluster_id
from streams.errors import BrokerUnavailable, DaemonError, RegistryUnavailable, ShutdownDeadline
from streams.ingest.intake import Intake
from streams.ingest.record_decoders import RecordDecoders
from streams.letters.sender import DeadLetters
from streams.letters.topic import LetterTopic
from streams.metrics import Metrics
from streams.settings import Settings
from streams.worker.app import GroupMembership, connect, crash_reason, faust_app
from streams.worker.counts_writer import CountsWriter
from streams.worker.first_starts import Beginning
from streams.worker.garbage import collect_seldom
from streams.worker.group_pairing import GroupStamp
from streams.worker.http import HttpServer, http_app
from streams.worker.lanes import Lanes
from streams.worker.lost_records import LostRecords
from streams.worker.monitor import Monitor
from streams.worker.outcome_counts import OutcomeCounts, Summary
from streams.worker.placement import Placement
from streams.worker.read_topics import ReadTopics
from streams.worker.readiness import Consumption, Readiness
from streams.worker.retention_sweep import RetentionSweep
from streams.worker.start_positions import Pairing, StartPositions
from streams.worker.startup import Startup, late
from streams.worker.topic_watch import TopicWatch

log = structlog.get_logger(__name__)

POLL_S = 0.2
PRODUCER_STOP_S = 3.0


class Daemon:
    """Runs until `stop` is set, `drain` finds nothing left, or something is wrong enough to end the process.

    Args:
        open_intake: opens the store; called again while the store is unavailable.
        prepare: called with the intake before the first event (to load a catalogue, say).
        beginning: where to begin with sources that the store does not know; default: as `daemon.start_from` says.
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
        self._joined = False
        self._drain = drain
        self._prepare = prepare
        self._beginning = beginning or Beginning(StartRule.parse(settings.daemon.start_from))
        self._take_group = take_group
        self._now = now
        self.metrics = Metrics()
        self.stop = asyncio.Event()
        self.ready = asyncio.Event()
        self.readiness = Readiness(settings.broker, settings.daemon.acknowledge_loss)
        self.http = HttpServer(
            http_app(self.metrics, self.readiness.not_ready, self.readiness.warnings),
            settings.daemon.host,
            settings.daemon.port,
        )
        self._startup = Startup(settings, self.stop, self.readiness)
        self._outcomes = OutcomeCounts(self.metrics)
        self._problem: str | None = None
        self._clock_told = False
        self._started = time.monotonic()

    async def run(self) -> Summary:
        """Run to the end.

        Raises:
            DaemonError: topics missing or unequal, the app crashed, the watchdog saw no progress.
            ShutdownDeadline: the stop took longer than `daemon.shutdown_s`; what was not committed is read again.
            StoreError, EncoderError: the store or the model does not fit; says how to fix it.
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
            await self._startup.until_there(
                self._check_decoders, RegistryUnavailable, "Schema Registry unavailable"
            )
            await self._startup.refuse_missing_topics(ReadTopics(self._settings.topics.layout()))
            intake = await self._startup.until_there(
                lambda: self._open_intake(self.metrics), StoreUnavailable, "store unavailable"
            )
            if intake is not None:
                self.metrics.info.labels(version("driftline"), intake.workspace.model.fingerprint).set(1)
                if self._settings.encoder.device.startswith("cuda"):
                    # Fails now, not at the first text, where the GPU that was asked for is missing.
                    await self._startup.in_thread(intake.workspace.content.warm_up)
            if intake is not None and self._prepare is not None:
                await self._startup.until_there(
                    partial(self._load, intake), StoreUnavailable, "store unavailable"
                )
            cluster: str | None = await self._startup.until_there(
                lambda: cluster_id(self._settings.broker), BrokerUnavailable, "broker unavailable"
            )
            if intake is not None and cluster is not None and not self.stop.is_set():
                read = ReadTopics(self._settings.topics.layout())
                await self._startup.require_topics(read)
                await self._consume(intake, cluster, read)
        except ShutdownDeadline:
            raise  # the lane's thread may still be in a write: the process has to end, the store is not closed
        except BaseException:
            await self._close(intake, failed=True)
            raise
        await self._close(intake)
        return self.summary()

    def _check_decoders(self) -> None:
        """Before anything is made: whether all topics can be read."""
        decoders = RecordDecoders(self._settings)
        try:
            decoders.check()
        finally:
            decoders.close()

    def _load(self, intake: Intake) -> None:
        self.readiness.wait_for("loading the catalogue")
        assert self._prepare is not None
        self._prepare(intake)

    async def _close(self, intake: Intake | None, failed: bool = False) -> None:
        self.readiness.stop()
        if intake is not None:
            if failed and not self._joined:
                intake.store.abandon()
            else:
                intake.close()
        await self.http.stop()

    async def _consume(self, intake: Intake, cluster: str, read: ReadTopics) -> None:
        settings = self._settings
        sources = PartitionSources(cluster)
        lost = LostRecords(intake.store.sources, self.metrics)
        self.readiness.watch_losses(lost, read)
        stamp = GroupStamp(intake.store.id, 0 if self._take_group else int(self._now() * 1000))
        start = StartPositions(
            settings.broker,
            intake.store,
            sources,
            read,
            Pairing(settings.daemon.group, stamp, self._take_group),
            lost,
            self._beginning,
        )
        away = (BrokerUnavailable, StoreUnavailable)
        await self._startup.until_there(start.check_group, away, "group not known")
        if self.stop.is_set():
            return
        producer = await self._startup.start_producer()
        if producer is None:
            return
        app = faust_app(settings, stamp)
        letters_topic = settings.topics.name("dead_letters")
        letters = DeadLetters(
            producer,
            letters_topic,
            self.metrics,
            LetterTopic(settings.broker, letters_topic),
            settings.daemon.on_dead_letter_failure,
            lambda topic: intake.decoders.is_plain(read.slot_of(topic)),
        )
        lanes = Lanes(
            intake,
            letters,
            GroupMembership(app),
            config=settings.daemon,
            cluster=cluster,
            now=self._now,
        )
        connect(app, settings, lanes, sources, read, on_problem=self._note_problem)
        placement = Placement(app, start, self._note_problem, settings.daemon.sources_check_s)
        monitor = Monitor(app, lanes, self.metrics, settings.daemon.watchdog_s, self._now)
        self._outcomes = lanes.outcomes
        self.readiness.watch(Consumption(app, lanes, placement, monitor, letters))
        self.readiness.wait_for("joining the group")
        collect_seldom()
        starting = asyncio.create_task(app.start())
        # From here on the group knows the store, and would refuse another one in its place.
        self._joined = True
        counts = CountsWriter(intake.counts, settings.daemon.counts_s)
        writing_counts = asyncio.create_task(counts.run())
        topics = TopicWatch(app, read, settings.broker, settings.daemon.metadata_age_s, self._note_problem)
        watches = (placement.watch, topics.watch, RetentionSweep(intake, self._now).watch)
        watching = [asyncio.create_task(watch()) for watch in watches]
        failure: BaseException | None = None
        try:
            await self._watch(app, monitor, lanes, starting, writing_counts)
        except Exception as error:
            failure = error
        self.metrics.ready.set(0)
        self.readiness.stop()
        for task in watching:
            task.cancel()

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
            with suppress(TimeoutError):  # letters that are not taken: their records are read again
                await asyncio.wait_for(producer.stop(), PRODUCER_STOP_S)

        # Waited for, not cancelled: a stop that hangs may well ignore that too.
        stopping = asyncio.create_task(stop())
        await asyncio.wait({stopping}, timeout=settings.daemon.shutdown_s)
        lanes.shutdown()
        if not stopping.done():
            raise late(settings.daemon.shutdown_s, failure) from failure
        if failure is not None:
            raise failure
        stopping.result()

    def _note_problem(self, problem: str) -> None:
        self._problem = problem

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
                self.readiness.run()
                self.ready.set()
                log.info("ready", partitions=monitor.assigned)
            self.metrics.ready.set(self.readiness.not_ready() is None)
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
        return self._outcomes.summary(time.monotonic() - self._started)
