"""Runs of a worker's lanes that can be killed anywhere, in processes of their own.

As a program it forks a child for each JSON line on its standard input, so that hundreds of runs cost one start of Python.
The child reads fetches from where the store says that each partition stands, as a daemon does at an assignment, and
is killed with SIGKILL when it reaches a step for the n-th time. What it was allowed to commit it writes into a file first.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

if not __package__:  # run as a program, not imported by a test
    sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[2:4]]

from streams.ingest.intake import open_intake
from streams.settings import Settings
from streams.topics.slot import PROFILES_SLOT
from streams.worker.batch import LaneBatch
from support.data.event_columns import NOW
from support.data.fetched import Fetched
from support.data.placements import PLACEMENTS, fetches, some_events
from support.fakes.lane_story import Worker, one_worker

CLUSTER = "test"


@dataclass(frozen=True)
class Run:
    """What a child is to do."""

    location: str
    marked: str
    """file of the batches that it may commit: topic, partition, next offset a line"""
    step: str = ""
    """one of `streams.failpoints.STEPS` or DECLARING_STEPS, "" for none"""
    nth: int = 1
    events: int = 150
    users: int = 12
    seed: int = 0
    user_cache: int = 6
    """fewer than there are users, so that many are claimed again"""
    declarations: int = 0
    """records of the profiles topic, among the others"""
    model: str = ""
    """folder of the text model, "" for the packaged one"""


class Children:
    """The program, running. `run` returns a child's exit status, negative for a signal."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def start(self, run: Run) -> int:
        """Begin a run and return the child's process id; `wait` has its status."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(run)) + "\n")
        self._process.stdin.flush()
        return self.wait()

    def wait(self) -> int:
        """The next line of the program."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def run(self, run: Run) -> int:
        """Run to its end."""
        self.start(run)
        return self.wait()


def all_fetches(run: Run) -> list[LaneBatch]:
    """What the partitions have, in the order in which it is fetched."""
    events = some_events(run.events, run.users, run.seed)
    found = fetches(events, PLACEMENTS["null keys"], run.seed + 1, size=10)
    for number, batch in enumerate(profile_fetches(run)):
        found.insert(2 * number, batch)
    return found


def profile_fetches(run: Run) -> list[LaneBatch]:
    """What users declare, some of it twice, late, or taken back; some of them never act."""
    rng = random.Random(run.seed + 2)
    values: list[tuple[bytes, bytes | None]] = []
    for _ in range(run.declarations):
        user = f"u{rng.randrange(run.users + 3)}"
        record = {
            "user_id": user,
            "interests": rng.choice(["jazz", "chess and go", "hiking boots", ""]),
            "scenario": rng.choice(["", "games", "books"]),
            "timestamp": NOW - rng.randrange(1, 50),
        }
        value = None if rng.random() < 0.1 else json.dumps(record).encode()
        values.append((user.encode(), value))
    records = [
        Fetched(value, number, key, "profiles", 0, int((NOW - 60 + number) * 1000))
        for number, (key, value) in enumerate(values)
    ]
    return [
        LaneBatch(PROFILES_SLOT, "profiles", 0, records[start : start + 6])
        for start in range(0, len(records), 6)
    ]


def source_of(fetch: LaneBatch) -> str:
    """The source that the lanes take it for."""
    return f"{CLUSTER}/{fetch.topic}/{fetch.partition}"


def child(run: Run) -> None:
    """Apply what the store does not have, and die on the way."""
    encoder = {"model": run.model} if run.model else {}
    daemon = {"user_cache": run.user_cache, "counts_s": 1e6}
    settings = Settings.model_validate({"daemon": daemon, "encoder": encoder})
    reached: Counter[str] = Counter()

    def on_step(step: str) -> None:
        reached[step] += 1
        if step == run.step and reached[step] == run.nth:
            os.kill(os.getpid(), signal.SIGKILL)

    async def story(worker: Worker, todo: list[LaneBatch], marked: Any) -> None:
        done = worker.group.done

        def note(fetch: LaneBatch) -> None:
            line = f"{source_of(fetch)} {fetch.records[-1].offset + 1}\n"
            os.write(marked, line.encode())
            done(fetch)

        worker.group.done = note  # type: ignore[method-assign]
        for at in range(0, len(todo), 2):
            await worker.through(*todo[at : at + 2])
            await worker.lanes.sync()

    async def main(marked: int) -> None:
        with open_intake(run.location, settings, create=True) as intake:
            intake.failpoints.on_step = on_step
            everything = all_fetches(run)
            numbers = intake.store.sources.numbers(sorted({source_of(each) for each in everything}))
            progress = intake.store.sources.progress(numbers.values())
            todo = [
                each for each in everything if each.records[-1].offset >= progress[numbers[source_of(each)]]
            ]
            worker = one_worker(intake, cluster=CLUSTER, linger_s=0.0)
            try:
                await story(worker, todo, marked)
            finally:
                worker.lanes.shutdown()

    marked = os.open(run.marked, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    asyncio.run(main(marked))


def main() -> None:
    for line in sys.stdin:
        run = Run(**json.loads(line))
        if run.model:  # once, and not in each child
            import_module("transformers.models.bert.modeling_bert")
        pid = os.fork()
        if not pid:
            try:
                sys.stdin.close()
                child(run)
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
