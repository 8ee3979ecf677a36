"""The counts of items and transitions of a store: counted beside the states, written periodically, read as one.

What a process counts of an event is what the accepted write of its user says, once; it is added to its memory after the store
has acknowledged the user, and written every `daemon.counts_s` seconds and when it stops cleanly. Each process, be
it a daemon or a replay, has a slot of its own, under a lease, so that none overwrites another. An orderly stop releases it;
the next start takes a released one, or one that has not been renewed for an hour (in a folder, which one process has at a time:
any), and continues with what is there. A process that has lost its lease takes another one, and writes there what was not
acknowledged.

What a crash changes here, and never in a user's state:

- the counts since the last write are lost: the users' marks have passed those events;
- events of a flush that was cut off between the store's acknowledgement and the counting are lost, too;
- counts come twice where two processes work on one partition at once, as a worker that has lost it without knowing and its
  successor, and bring the same events to one user within one flush: each finds them inside and takes them for its own;
- and where a write of the counts was not answered but carried out, and the lease lost before it could be repeated.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import structlog

from sinks.errors import LeaseLost, StoreMismatch
from sinks.protocols import BlobStore, Leases
from streams.counts.slot import CountsSlot, read_slots
from streams.errors import settings_that_differ
from transfer.counts.config import COUNTS_VERSION, CountsConfig
from transfer.counts.counts import ItemCounts, empty_counts
from transfer.counts.steps import Steps
from transfer.counts.sums import MOST_PAIRS, merge_counts, sum_steps

if TYPE_CHECKING:
    from streams.metrics import Metrics

log = structlog.get_logger(__name__)

CONFIG_BLOB = "tables/config"
"""Stores keep the names that the counts had when they were first written."""
SLOTS = "tables"
"""The kind of the leases of slots."""
_MOST_LEASES = 3


class CountsBuffer:
    """What this process has counted and not written yet, and the slot that it writes to. Thread-safe."""

    def __init__(self, blobs: BlobStore, leases: Leases, config: CountsConfig, metrics: Metrics) -> None:
        self.config = config
        self._blobs = blobs
        self._leases = leases
        self._metrics = metrics
        self._lock = threading.Lock()
        self._waiting: list[Steps] = []
        self._pairs = 0
        self._summed = empty_counts(config)
        self._writing = threading.Lock()
        self._slot: CountsSlot | None = None

    def count(self, steps: Steps) -> None:
        """Take what an acknowledged batch adds."""
        with self._lock:
            self._waiting.append(steps)
            self._pairs += steps.pairs + len(steps.event)
            if self._pairs < MOST_PAIRS:
                return
            waiting = self._take_waiting()
        self._put_back(sum_steps(waiting, self.config))

    def write(self, join: bool = True) -> None:
        """Add all that was counted to this process's slot. After an error it is kept, and goes with the next write.

        join: whether there is time for the slot to be compacted (`streams.counts.slot`).

        Raises:
            StoreUnavailable: try again later.
            LeaseLost: others keep taking the slots.
            CountsFormatError: what is in the slot can't be read with these settings.
        """
        with self._writing:
            with self._lock:
                waiting, summed = self._take_waiting(), self._summed
                self._summed = empty_counts(self.config)
            counted = merge_counts(summed, sum_steps(waiting, self.config), self.config)
            if not len(counted.items):
                return
            try:
                self._add(counted, join)
            except BaseException:
                self._put_back(counted)
                self._metrics.counts_writes.labels("failed").inc()
                raise
            self._metrics.counts_writes.labels("written").inc()

    def finish(self) -> None:
        """Write what is left, and let the next process have the slot.

        Raises:
            As `write`.
        """
        self.write(join=False)
        with self._writing:
            if self._slot is not None:
                self._leases.release(self._slot.lease)
                self._slot = None

    def _add(self, counted: ItemCounts, join: bool) -> None:
        for attempt in range(_MOST_LEASES):
            if self._slot is None:
                self._slot = CountsSlot(self._blobs, self._leases.take(SLOTS), self.config)
            try:
                n_bytes = self._slot.add(counted, join)
            except LeaseLost:
                log.info("another process has taken the slot of the counts", slot=self._slot.name)
                self._slot = None
                if attempt == _MOST_LEASES - 1:
                    raise
            else:
                log.debug("counts written", slot=self._slot.name, bytes=n_bytes)
                return

    def _take_waiting(self) -> list[Steps]:
        waiting, self._waiting, self._pairs = self._waiting, [], 0
        return waiting

    def _put_back(self, counts: ItemCounts) -> None:
        with self._lock:
            self._summed = merge_counts(self._summed, counts, self.config)


def read_counts(blobs: BlobStore) -> ItemCounts:
    """All that was counted into the store, by any process; empty where nothing was.

    Raises:
        StoreUnavailable: the store does not answer.
        CountsFormatError: the counts are damaged, or of another release.
    """
    config = counts_config(blobs) or CountsConfig()
    counts = empty_counts(config)
    for part in read_slots(blobs, config):
        counts = merge_counts(counts, part, config)
    return counts


def counts_config(blobs: BlobStore) -> CountsConfig | None:
    """The settings that the store's counts were made with; None: it has none."""
    kept = _kept(blobs)
    return None if kept is None else kept[1]


def agree_on_config(blobs: BlobStore, wanted: CountsConfig, location: str) -> None:
    """Keep the settings and the version of the counts in the store, or require that they are those that it has.

    Raises:
        StoreMismatch: they differ; says in what.
    """
    found = _kept(blobs)
    if found is None:
        content = {"version": COUNTS_VERSION, **json.loads(wanted.model_dump_json())}
        blobs.put(CONFIG_BLOB, json.dumps(content).encode())
        return
    version, kept = found
    if version != COUNTS_VERSION:
        raise StoreMismatch(
            f"the counts in the store {location} have version {version}, this release counts {COUNTS_VERSION}. Use the "
            "release that wrote them, set counts.keep = false, or replay the log into a new store"
        )
    if kept.fingerprint() == wanted.fingerprint():
        return
    before, after = (json.loads(config.model_dump_json()) for config in (kept, wanted))
    decisive = ("half_lives_s", "pair_window", "pair_events", "pair_half_life_s")
    differences = settings_that_differ("counts", before, after, decisive)
    raise StoreMismatch(
        f"the counts in the store {location} were counted with other settings: {differences}. Set them as "
        "the store has them, set counts.keep = false, or replay the log into a new store"
    )


def _kept(blobs: BlobStore) -> tuple[int, CountsConfig] | None:
    """Version and settings of the store's counts. (Version 1 did not say so.)"""
    blob = blobs.get(CONFIG_BLOB)
    if blob is None:
        return None
    content = json.loads(blob)
    version = int(content.pop("version", 1))
    return version, CountsConfig.model_validate_json(json.dumps(content))
