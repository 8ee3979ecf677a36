"""Events into the store: what the daemon does with a flush and replay with a chunk; the same code, so the same states.

Order within `apply`, so that a crash or a failed call at any point loses and doubles nothing:

1. read the users' states and watermarks (memory, else the store);
2. drop what is at or below a watermark, update, transfer, fuse;
3. write vector, state and watermark of each user in one upsert, and wait for the answer;
4. only then take the new states into memory. The caller commits offsets after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import numpy.typing as npt

from encoders.content import ContentEncoder
from sinks.protocols import Store
from streams.columns import EventColumns, take
from streams.item_source import ItemSource
from streams.metrics import Metrics
from streams.pipeline import advance, user_points
from streams.user_cache import NOBODY, HeldUser, UserCache
from streams.watermarks import advanced, redelivered
from transfer.config import InterestConfig
from transfer.packing import unpack
from transfer.protocols import TransferModel

APPLIED, DUPLICATE, REDELIVERED = 0, 1, 2
OUTCOMES = ("applied", "duplicate", "redelivered")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each event, (B,) uint8 code of OUTCOMES."""

    code: npt.NDArray[np.uint8]

    def count(self, code: int) -> int:
        """Number of events with that outcome."""
        return int((self.code == code).sum())


class Ingest:
    """Applies event columns to a store. One thread at a time."""

    def __init__(
        self,
        *,
        store: Store,
        content: ContentEncoder,
        items: ItemSource,
        cache: UserCache,
        config: InterestConfig,
        model: TransferModel,
        metrics: Metrics,
        on_text: Callable[[], None],
    ) -> None:
        self._store = store
        self._content = content
        self._items = items
        self._cache = cache
        self._config = config
        self._model = model
        self._metrics = metrics
        self._on_text = on_text

    def apply(self, columns: EventColumns) -> Outcome:
        """Apply the events and return after the store acknowledged them.

        Raises:
            StoreUnavailable: nothing of memory changed; call again with the same columns.
        """
        code = np.full(len(columns), REDELIVERED, np.uint8)
        if not len(columns):
            return Outcome(code)
        with self._stage("read"):
            held = self._read(columns.users)
        fresh = ~redelivered(columns, [user.watermark for user in held])
        if not fresh.any():
            return Outcome(code)
        if not fresh.all():
            by_name = dict(zip(columns.users, held, strict=True))
            columns = take(columns, fresh)
            held = [by_name[name] for name in columns.users]
        applied = self._advance(columns, held)
        code[fresh] = np.where(applied, APPLIED, DUPLICATE)
        return Outcome(code)

    def _advance(self, columns: EventColumns, held: list[HeldUser]) -> npt.NDArray[np.bool_]:
        with self._stage("encode"):
            keys, item_vectors = self._items.vectors(columns.items)
            text_vectors = self._encode(columns.texts)
        with self._stage("update"):
            states = unpack([user.state for user in held], self._config)
            result = advance(columns, states, keys, item_vectors, text_vectors, self._config, self._model)
        with self._stage("transfer"):
            watermarks = advanced(columns, [user.watermark for user in held])
            points = user_points(columns.users, result, watermarks, self._config)
        with self._stage("write"):
            self._store.users.write(points)
        shifts = 0
        for row, name in enumerate(columns.users):
            leader = next(iter(points.weights[row]), "")
            shifts += held[row].leader not in ("", leader)
            self._cache.put(name, HeldUser(points.states[row], watermarks[row], leader))
        self._metrics.scenario_shifts.inc(shifts)
        self._metrics.users_written.inc(len(columns.users))
        self._metrics.batch.observe(len(columns))
        return result.applied

    def _read(self, users: list[str]) -> list[HeldUser]:
        found = [self._cache.get(user) for user in users]
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
        vectors = self._content.encode(texts)
        hits = self._content.cached - cached
        self._metrics.cache.labels("texts", "hit").inc(hits)
        self._metrics.cache.labels("texts", "miss").inc(len(texts) - hits)
        return vectors

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self._metrics.stage.labels(name).observe(perf_counter() - start)
