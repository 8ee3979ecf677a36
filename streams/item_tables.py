"""The tables of shares and transitions of a store: counted beside the states, written now and then, read as one.

What a worker counts is added to its memory after the store has acknowledged the users, and written every
`daemon.tables_s` seconds and when it stops in an orderly way. A crash loses the counts of the last interval, never states:
the users' watermarks have passed those events. Each writer has a slot of its own, so that none overwrites another: a
daemon that of the lowest partition number that it holds, under that lane's fencing token; a replay its own. Whoever gets
the slot next goes on with what is there.
"""

from __future__ import annotations

import json
import threading

import structlog

from sinks.errors import StoreMismatch
from sinks.fence import Fence
from sinks.protocols import Store
from streams.metrics import Metrics
from streams.table_slot import TableSlot, read_slots
from transfer.tables import ItemTables, Steps, TablesConfig, empty_tables, merge, sum_steps
from transfer.tables_config import TABLES_VERSION

log = structlog.get_logger(__name__)

CONFIG_BLOB = "tables/config"
REPLAY_SLOT = "replay"
MOST_PAIRS = 2_000_000
"""Pairs that wait to be summed: about 80 MB at most while it happens."""


class TableCounts:
    """What this process has counted and not written yet, and the slot that it writes to. Thread-safe."""

    def __init__(self, store: Store, config: TablesConfig, metrics: Metrics) -> None:
        self.config = config
        self._store = store
        self._metrics = metrics
        self._lock = threading.Lock()
        self._waiting: list[Steps] = []
        self._pairs = 0
        self._summed = empty_tables(config)
        self._writing = threading.Lock()
        self._slot: TableSlot | None = None

    def count(self, steps: Steps) -> None:
        """Take what an acknowledged batch adds."""
        with self._lock:
            self._waiting.append(steps)
            self._pairs += steps.pairs + len(steps.event)
            if self._pairs < MOST_PAIRS:
                return
            waiting = self._take_waiting()
        self._put_back(sum_steps(waiting, self.config))

    def write(self, slot: str, fence: Fence | None = None, join: bool = True) -> None:
        """Add all that was counted to the slot. After an error it is kept, and goes with the next write.

        join: whether there is time for the slot to be tidied up (`streams.table_slot`).

        Raises:
            StoreUnavailable: try again later.
            FenceRefused: the slot is another worker's now.
            TablesFormatError: what is in the slot can't be read with these settings.
        """
        with self._writing:
            with self._lock:
                waiting, summed = self._take_waiting(), self._summed
                self._summed = empty_tables(self.config)
            counted = merge(summed, sum_steps(waiting, self.config), self.config)
            if not len(counted.items):
                return
            if self._slot is None or (self._slot.name, self._slot.fence) != (slot, fence):
                self._slot = TableSlot(self._store, slot, self.config, fence)
            try:
                n_bytes = self._slot.add(counted, join)
            except BaseException:
                self._put_back(counted)
                self._metrics.table_writes.labels("failed").inc()
                raise
            self._metrics.table_writes.labels("written").inc()
            log.debug("tables written", slot=slot, bytes=n_bytes)

    def _take_waiting(self) -> list[Steps]:
        waiting, self._waiting, self._pairs = self._waiting, [], 0
        return waiting

    def _put_back(self, tables: ItemTables) -> None:
        with self._lock:
            self._summed = merge(self._summed, tables, self.config)


def read_tables(store: Store) -> ItemTables:
    """All that was counted into the store, by whomever; empty where nothing was.

    Raises:
        StoreUnavailable: the store does not answer.
        TablesFormatError: the tables are damaged, or of another release.
    """
    config = tables_config(store) or TablesConfig()
    tables = empty_tables(config)
    for part in read_slots(store, config):
        tables = merge(tables, part, config)
    return tables


def tables_config(store: Store) -> TablesConfig | None:
    """The settings that the store's tables are counted with; None: it has none."""
    kept = _kept(store)
    return None if kept is None else kept[1]


def agree_on_config(store: Store, wanted: TablesConfig, location: str) -> None:
    """Keep the settings and the version of the tables in the store, or require that they are those that it has.

    Raises:
        StoreMismatch: they differ; says in what.
    """
    found = _kept(store)
    if found is None:
        content = {"version": TABLES_VERSION, **json.loads(wanted.model_dump_json())}
        store.put_blob(CONFIG_BLOB, json.dumps(content).encode())
        return
    version, kept = found
    if version != TABLES_VERSION:
        raise StoreMismatch(
            f"the tables in the store {location} have version {version}, this release counts {TABLES_VERSION}. Use the "
            "release that wrote them, set tables.keep = false, or replay the log into a new store"
        )
    if kept.fingerprint() == wanted.fingerprint():
        return
    before, after = (json.loads(config.model_dump_json()) for config in (kept, wanted))
    differences = [
        f"tables.{key} is {before[key]} there and {after[key]} here"
        for key in ("half_lives_s", "pair_window", "pair_events", "pair_half_life_s")
        if before[key] != after[key]
    ]
    raise StoreMismatch(
        f"the tables in the store {location} were counted with other settings: {'; '.join(differences)}. Set them as "
        "they are there, set tables.keep = false, or replay the log into a new store"
    )


def _kept(store: Store) -> tuple[int, TablesConfig] | None:
    """Version and settings of the store's tables. (Version 1 did not say so.)"""
    blob = store.get_blob(CONFIG_BLOB)
    if blob is None:
        return None
    content = json.loads(blob)
    version = int(content.pop("version", 1))
    return version, TablesConfig.model_validate_json(json.dumps(content))
