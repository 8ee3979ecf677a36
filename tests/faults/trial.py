"""One run of one fault: its topics and log, its daemons, what they told, and the verdict."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.servers.real_kafka import RealKafka
from faults.comparison import Comparison, compare_with_replay
from streams.broker.embedded import EmbeddedBroker
from support.data.event_log import TOPICS, EventLog, Record
from support.data.samples import Samples
from support.data.streamed_logs import make_topics
from support.servers.background_load import BackgroundLoad
from support.servers.daemon_process import DaemonProcess

Broker = RealKafka | EmbeddedBroker

LAG = "driftline_consumer_lag_records"
TAKEOVERS, REFUSED = "driftline_takeovers_total", "driftline_refused_writes_total"
OK, FAILED, NOT_EXERCISED = "ok", "FAILED", "not exercised"
PATIENCE_S = 120.0
IDLE_S = 1.5
POLL_S = 0.03
"""Often enough to hit a daemon at work, seldom enough not to be its main work."""


@dataclass(frozen=True)
class Result:
    """One row of the table. times: what the fault was and how long things took, in words.

    A run whose trigger did not happen says nothing of the promise, however right the states are: it fails, too.
    """

    fault: str
    broker: str
    events: int
    times: str
    comparison: Comparison
    reread: int
    seconds: float
    problems: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """triggers that did not happen"""

    @property
    def verdict(self) -> str:
        """One of OK, FAILED, NOT_EXERCISED."""
        return FAILED if self.problems else NOT_EXERCISED if self.missing else OK

    @property
    def passed(self) -> bool:
        """Whether the fault happened and every promise was kept."""
        return self.verdict == OK

    @property
    def reasons(self) -> list[str]:
        """Why it did not pass."""
        return [*self.problems, *(f"not exercised: {trigger}" for trigger in self.missing)]


class Trial:
    """Everything random in it follows from `seed`. `outcomes` counts what the daemons said became of their events.

    Every event id is in the log once, and the load sends each record once. So an event with the outcome `duplicate` is
    one that was applied before and was not ruled out by its user's watermark: only the ring caught it.
    """

    def __init__(self, fault: str, folder: Path, broker: Broker, seed: int, partitions: int = 4) -> None:
        self.fault = fault
        self.folder = folder
        self.broker = broker
        self.seed = seed
        self.rng = random.Random(f"{fault} {seed}")
        self.partition_count = partitions
        self.prefix = f"{fault.replace(' ', '-')}-{time.time_ns():x}-"
        self.outcomes: Counter[str] = Counter()
        self.problems: list[str] = []
        self.missing: list[str] = []
        self._seen: dict[DaemonProcess, Counter[str]] = {}
        self._samples: dict[DaemonProcess, Samples] = {}
        self._began = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    def log(self, events: int, users: int, exponent: float = 1.1) -> EventLog:
        """The log of this run, and the topics for it. exponent: of the Zipf law by which users act."""
        make_topics(self.broker.config, self.prefix, self.partition_count)
        return EventLog.drawn(events, users, self.rng.randrange(1 << 30), exponent)

    def load(
        self, records: list[Record], rate: float | None = None, place: Callable[[bytes], int] | None = None
    ) -> BackgroundLoad:
        """The records into the topics, in the background. place: from a key to a partition, murmur2 by default."""
        return BackgroundLoad(
            self.broker.config,
            records,
            partitions=self.partition_count,
            rate=rate,
            place=place,
            idempotent=isinstance(self.broker, RealKafka),
        )

    def daemon(self, store: str, *arguments: str, **environment: str) -> DaemonProcess:
        """A daemon of this run's group on its topics."""
        own = ["--broker", self.broker.url, "--store", store, "--prefix", self.prefix, "--group", self.prefix]
        return DaemonProcess(self.folder, *own, *arguments, **environment)

    def slow(self, batch_events: int) -> dict[str, str]:
        """Settings that let a daemon take small batches, few at a time, so that a backlog lasts."""
        return {
            "DRIFTLINE_DAEMON__BATCH_EVENTS": str(batch_events),
            "DRIFTLINE_DAEMON__IN_FLIGHT_EVENTS": str(4 * batch_events),
        }

    def worker(self, store: str, **environment: str) -> DaemonProcess:
        """A daemon with small batches, one of several."""
        return self.daemon(store, **{**self.slow(100), **environment})

    def require(self, holds: bool, problem: str) -> None:
        """Note a promise that was not kept; the run continues, so that the comparison still tells what came of it."""
        if not holds:
            self.problems.append(problem)

    def exercised(self, happened: bool, trigger: str) -> None:
        """Note a trigger that did not happen; the run continues, and its verdict tells."""
        if not happened:
            self.missing.append(trigger)

    def samples(self, daemon: DaemonProcess) -> Samples:
        """Its metrics now, and its outcomes counted; the last ones known where it does not answer yet or any longer."""
        if daemon.process.poll() is None and daemon.listens:
            self._samples[daemon] = found = Samples(daemon.get("/metrics")[1])
            self._count(daemon, found.by("driftline_events_total", "outcome"))
        return self._samples.setdefault(daemon, Samples(""))

    def events(self, daemon: DaemonProcess) -> int:
        """Events with an outcome in this daemon so far."""
        return int(self.samples(daemon).total("driftline_events_total"))

    def applied(self, daemon: DaemonProcess) -> int:
        """Events that this daemon has applied so far, those that it dropped as applied before not counted."""
        return self.samples(daemon).by("driftline_events_total", "outcome")["applied"]

    def has_work(self, daemon: DaemonProcess, wait_s: float = 10.0) -> bool:
        """Wait until it has applied events and has others in flight; False where it had not in time."""
        return self.comes(
            lambda: self.applied(daemon) > 0 and self.total("driftline_in_flight_events", [daemon]) > 0,
            wait_s,
        )

    def comes(self, condition: Callable[[], bool], wait_s: float) -> bool:
        """Wait for what may not come; whether it did in time."""
        end = time.monotonic() + wait_s
        while not (there := condition()) and time.monotonic() < end:
            time.sleep(POLL_S)
        return there

    def total(self, metric: str, daemons: Iterable[DaemonProcess]) -> int:
        """Sum of a metric over these daemons, ended ones as they were last seen."""
        return int(sum(self.samples(daemon).total(metric) for daemon in daemons))

    def summed_up(self, daemon: DaemonProcess) -> None:
        """Take the counts of the line that an ended daemon left."""
        summary = daemon.summary
        parts = {"applied": "applied", "duplicates": "duplicate"}
        parts |= {name: name for name in ("redelivered", "rejected")}
        self._count(daemon, Counter({parts[key]: summary[key] for key in parts}))

    def _count(self, daemon: DaemonProcess, seen: Counter[str]) -> None:
        self.outcomes += seen - self._seen.get(daemon, Counter())
        self._seen[daemon] = seen

    def until(self, condition: Callable[[], bool], what: str, wait_s: float, *daemons: DaemonProcess) -> None:
        """Wait in short steps while these daemons run."""
        end = time.monotonic() + wait_s
        while not condition():
            for daemon in daemons:
                code = daemon.process.poll()
                assert code is None, f"a daemon ended with {code} before {what}:\n{daemon.log[-4000:]}"
            logs = "".join(f"\n{daemon.log[-3000:]}" for daemon in daemons if time.monotonic() >= end)
            assert time.monotonic() < end, f"not within {wait_s} s: {what}{logs}"
            time.sleep(POLL_S)

    def flows(self, events: int, what: str, *daemons: DaemonProcess, wait_s: float = PATIENCE_S) -> None:
        """Wait until these daemons together have applied so many more events."""
        goal = sum(map(self.applied, daemons)) + events
        self.until(lambda: sum(map(self.applied, daemons)) >= goal, what, wait_s, *daemons)

    def finished(self, *daemons: DaemonProcess, wait_s: float = PATIENCE_S) -> None:
        """Wait until these daemons hold all partitions together and have had nothing left to do for a while."""
        since = time.monotonic()

        def idle() -> bool:
            nonlocal since
            held = sum(map(self.partitions, daemons))
            lag = sum(self.samples(daemon).total(LAG) for daemon in daemons)
            if held < len(TOPICS) * self.partition_count or lag:
                since = time.monotonic()
            return time.monotonic() - since > IDLE_S

        self.until(idle, "everything is through", wait_s, *daemons)

    def partitions(self, daemon: DaemonProcess) -> int:
        """How many topic-partitions of events it holds, as far as a fetch has reported."""
        return sum(not topic.endswith("items") for topic in self.samples(daemon).labels(LAG, "topic"))

    def stop(self, daemon: DaemonProcess, within_s: float = 30.0) -> None:
        """SIGTERM; exit status 0 is required."""
        status = daemon.stop(within_s)
        self.require(status == 0, f"the stop ended with {status}:\n{daemon.log[-2000:]}")
        if status == 0:
            self.summed_up(daemon)

    def drain(self, store: str, **environment: str) -> int:
        """A last daemon on what is left, to the end; how many events it applied."""
        with self.daemon(store, "--drain", **environment) as last:
            assert last.wait(PATIENCE_S) == 0, last.log[-4000:]
            self.summed_up(last)
            return int(last.summary["applied"])

    def result(self, store: str, log: EventLog, times: str) -> Result:
        """Compare every user with a replay of the log, and judge."""
        seconds = time.monotonic() - self._began
        found = compare_with_replay(self.folder, store, log)
        problems = [*self.problems, *found.problems]
        if self.outcomes["duplicate"]:
            problems.append(f"{self.outcomes['duplicate']} events passed the watermark twice")
        kind = "kafka" if isinstance(self.broker, RealKafka) else "embedded"
        reread = self.outcomes["redelivered"]
        (self.folder / "result.json").write_text(
            json.dumps(
                {
                    "seed": self.seed,
                    "outcomes": self.outcomes,
                    "problems": problems,
                    "missing": self.missing,
                    "times": times,
                }
            )
        )
        return Result(self.fault, kind, len(log), times, found, reread, seconds, problems, self.missing)


def not_ready(daemon: DaemonProcess) -> str:
    """What /ready says is in the way; "" when ready."""
    status, body = daemon.get("/ready")
    return "" if status == 200 else str(json.loads(body)["reason"])
