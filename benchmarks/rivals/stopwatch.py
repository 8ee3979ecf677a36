"""The clock that every program of the race carries: from the first record in its hands to the last one done.

Each program is called as `program.py BROKER TOPIC GROUP EVENTS` and prints one JSON line. Start of the process, imports,
the group join and the first fetch lie before the clock's start; the shutdown lies after its end.
"""

from __future__ import annotations

import json
import sys
import time


class Stopwatch:
    """Wall and CPU seconds (all threads of this process) of `events` records."""

    def __init__(self, events: int) -> None:
        self.events = events
        self.done = 0
        self.valid = 0
        self._wall = self._cpu = 0.0
        self.seconds = self.cpu_s = 0.0

    def begin(self) -> None:
        """Before the first record is looked at; later calls do nothing."""
        if not self._wall:
            self._wall, self._cpu = time.perf_counter(), time.process_time()

    def add(self, records: int, valid: int) -> bool:
        """Count what is done; True when that was the last of it."""
        self.done += records
        self.valid += valid
        if self.done < self.events or self.seconds:
            return bool(self.seconds)
        self.seconds = time.perf_counter() - self._wall
        self.cpu_s = time.process_time() - self._cpu
        return True

    def report(self) -> None:
        """One JSON line on standard output."""
        print(
            json.dumps(
                {"events": self.done, "valid": self.valid, "seconds": self.seconds, "cpu_s": self.cpu_s}
            ),
            flush=True,
        )


def arguments() -> tuple[str, str, str, int]:
    """Broker (host:port), topic, group and number of events, from the command line."""
    broker, topic, group, events = sys.argv[1:]
    return broker, topic, group, int(events)
