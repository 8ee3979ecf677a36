"""Events into the store: what the daemon does with a flush and replay with a chunk; the same code, so the same states.

Order, so that a crash or a failed call at any point loses and doubles nothing:

1. read the users' states and watermarks (memory, else the store);
2. drop what is at or below a watermark, update, transfer, fuse: `prepare`, which changes nothing outside;
3. write vector, state and watermark of each user in one upsert, and wait for the answer: `write`;
4. only then take the new states into memory. The caller commits offsets after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import numpy.typing as npt

from encoders.content import ContentEncoder
from encoders.item_space import ItemSpace
from sinks.fence import Fence
from sinks.points import UserPoints
from sinks.protocols import Store
from streams.batch_sequences import batch_sequences
from streams.columns import EventColumns, take
from streams.item_source import ItemSource
from streams.item_tables import TableCounts
from streams.metrics import Metrics
from streams.pipeline import advance, user_points
from streams.user_cache import NOBODY, HeldUser, UserCache
from streams.watermarks import Watermark, advanced, redelivered
from transfer.config import InterestConfig
from transfer.packing import unpack
from transfer.protocols import TransferModel
from transfer.tables import Steps, steps_of

APPLIED, DUPLICATE, REDELIVERED = 0, 1, 2
OUTCOMES = ("applied", "duplicate", "redelivered")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each event, (B,) uint8 code of OUTCOMES."""

    code: npt.NDArray[np.uint8]

    @classmethod
    def none(cls) -> Outcome:
        """Of no events."""
        return cls(np.empty(0, np.uint8))

    def count(self, code: int) -> int:
        """Number of events with that outcome."""
        return int((self.code == code).sum())


@dataclass(frozen=True, slots=True)
class Prepared:
    """Users' points that are ready to be written, and what becomes of the events when they are."""

    outcome: Outcome
    points: UserPoints | None = None
    """None: there is nothing new in the events"""
    held: Sequence[HeldUser] = ()
    """the users as they were"""
    watermarks: Sequence[Watermark] = ()
    events: int = 0
    steps: Steps | None = None
    """what the events add to the tables"""


class Ingest:
    """Applies event columns to a store. Thread-safe as far as no two threads have the same user.

    `lock` guards the encoder and the item vectors, which all threads share.
    """

    def __init__(
        self,
        *,
        store: Store,
        content: ContentEncoder,
        space: ItemSpace,
        items: ItemSource,
        lock: AbstractContextManager[object],
        config: InterestConfig,
        model: TransferModel,
        metrics: Metrics,
        on_text: Callable[[], None],
        tables: TableCounts | None = None,
    ) -> None:
        self._store = store
        self._content = content
        self._space = space
        self._items = items
        self._lock = lock
        self._config = config
        self._model = model
        self._metrics = metrics
        self._on_text = on_text
        self._tables = tables

    def apply(self, columns: EventColumns, cache: UserCache | None = None) -> Outcome:
        """Prepare and write, for a process that has the store to itself. Without a cache states are read from the store.

        Raises:
            StoreUnavailable: nothing of memory changed; call again with the same columns.
        """
        cache = UserCache(0) if cache is None else cache
        prepared = self.prepare(columns, cache)
        self.write(prepared, cache)
        return prepared.outcome

    def prepare(self, columns: EventColumns, cache: UserCache) -> Prepared:
        """Everything up to the write. May be repeated: but for item placeholders it has no effect.

        Raises:
            StoreUnavailable: call again.
        """
        code = np.full(len(columns), REDELIVERED, np.uint8)
        if not len(columns):
            return Prepared(Outcome(code))
        with self._stage("read"):
            held = self._read(columns.users, cache)
        fresh = ~redelivered(columns, [user.watermark for user in held])
        if not fresh.any():
            return Prepared(Outcome(code))
        if not fresh.all():
            by_name = dict(zip(columns.users, held, strict=True))
            columns = take(columns, fresh)
            held = [by_name[name] for name in columns.users]
        with self._stage("encode"), self._lock:
            keys, item_vectors = self._items.vectors(columns.items)
            text_vectors = self._encode(columns.texts)
        with self._stage("update"):
            states = unpack([user.state for user in held], self._config)
            result = advance(columns, states, keys, item_vectors, text_vectors, self._config, self._model)
            steps = None
            if self._tables is not None:
                tables = self._tables.config
                sequences = batch_sequences(columns, states, keys, result.applied, self._config.ring, tables)
                steps = None if sequences is None else steps_of(sequences, tables)
        with self._stage("transfer"):
            watermarks = advanced(columns, [user.watermark for user in held])
            points = user_points(columns.users, result, watermarks, self._config)
        code[fresh] = np.where(result.applied, APPLIED, DUPLICATE)
        return Prepared(Outcome(code), points, held, watermarks, len(columns), steps)

    def write(
        self,
        prepared: Prepared,
        cache: UserCache,
        fence: Fence | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        """Write what was prepared and return after the store acknowledged it; then the cache knows it too.

        fence, before: see `sinks.protocols.UserStore.write`.

        Raises:
            StoreUnavailable: call again with the same.
            FenceRefused: another worker has the lane; the cache did not change, and what it holds is of no use any more.
        """
        points = prepared.points
        if points is None:
            return
        with self._stage("write"):
            self._store.users.write(points, fence, before)
        if self._tables is not None and prepared.steps is not None:
            self._tables.count(prepared.steps)
        shifts = 0
        for row, name in enumerate(points.user_ids):
            leader = next(iter(points.weights[row]), "")
            shifts += prepared.held[row].leader not in ("", leader)
            cache.put(name, HeldUser(points.states[row], prepared.watermarks[row], leader))
        self._metrics.scenario_shifts.inc(shifts)
        self._metrics.users_written.inc(len(points.user_ids))
        self._metrics.batch.observe(prepared.events)

    def _read(self, users: list[str], cache: UserCache) -> list[HeldUser]:
        found = [cache.get(user) for user in users]
        missing = [user for user, held in zip(users, found, strict=True) if held is None]
        self._metrics.cache.labels("users", "hit").inc(len(users) - len(missing))
        self._metrics.cache.labels("users", "miss").inc(len(missing))
        stored: dict[str, HeldUser] = {}
        for record in self._store.users.read(missing) if missing else ():
            if record is not None:
                leader = max(record.weights, key=record.weights.__getitem__, default="")
                stored[record.user_id] = HeldUser(record.state, record.watermarks, leader)
        return [
            held if held is not None else stored.get(user, NOBODY)
            for user, held in zip(users, found, strict=True)
        ]

    def _encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        if not texts:
            return np.empty((0, self._config.dim), np.float32)
        self._on_text()
        cached = self._content.cached
        vectors = self._space.texts(texts)
        hits = self._content.cached - cached
        self._metrics.cache.labels("texts", "hit").inc(hits)
        self._metrics.cache.labels("texts", "miss").inc(len(texts) - hits)
        return vectors

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self._metrics.stage.labels(name).observe(perf_counter() - start)
