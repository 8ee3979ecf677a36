"""Events and users as they were -> users' points as they will be. Changes nothing else, except for item placeholders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from sinks.points import UserPoints, item_key
from streams.counts.sequences import batch_sequences
from streams.events.columns import EventColumns, take_events
from streams.events.watermarks import Watermark
from streams.ingest.item_source import ItemSource
from streams.ingest.pipeline import Advance, advance, user_points
from streams.metrics import Metrics
from streams.workspace.workspace import Workspace
from transfer.arrays import F32, U64, Bool
from transfer.codes import NONE
from transfer.counts.config import CountsConfig
from transfer.counts.steps import Steps, steps_of
from transfer.state.declared import Declaration, declare
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates
from transfer.state.states import take_users as take_states


@dataclass(frozen=True, slots=True, eq=False)
class PreparedEvents:
    """What some events make of their users, and what is needed to count them once the store has it."""

    columns: EventColumns
    before: InterestStates
    """of `columns.users`, as they were"""
    item_keys: U64
    """(I,) of `columns.items`"""
    applied: Bool
    """(B,), False: a duplicate"""
    points: UserPoints


class Preparation:
    """Makes points of events. Thread-safe."""

    def __init__(self, workspace: Workspace, metrics: Metrics) -> None:
        self._space = workspace.space
        self._items = ItemSource(workspace.store.items, workspace.space, metrics)
        self._config = workspace.interest
        self._weights = workspace.interest.action_weights
        self._model = workspace.model
        self._metrics = metrics

    def prepare(
        self, columns: EventColumns, states: Sequence[bytes], watermarks: Sequence[Watermark]
    ) -> PreparedEvents:
        """The users' points after these events. May be repeated.

        Args:
            states: packed, of `columns.users`; b"" for none.
            watermarks: of the same users, after these events.

        Raises:
            StoreUnavailable: items could not be read; call again.
        """
        with self._stage("encode"), self._space.lock:
            keys, item_vectors = self._item_vectors(columns)
            text_vectors = self._encode(columns.texts)
        with self._stage("update"):
            before = unpack_states(states, self._config)
            result = advance(columns, before, keys, item_vectors, text_vectors, self._config, self._model)
        with self._stage("transfer"):
            points = user_points(columns.users, result, list(watermarks), self._config)
        return PreparedEvents(columns, before, keys, result.applied, points)

    def declare(
        self,
        users: Sequence[str],
        states: Sequence[bytes],
        watermarks: Sequence[Watermark],
        declarations: Sequence[Sequence[Declaration]],
        vectors: Sequence[F32],
    ) -> tuple[UserPoints | None, Bool]:
        """The points of those users of whom something changes by what they declare, and (U,) which these are; None: nobody.

        Args:
            states, watermarks: of the users, as they are.
            declarations, vectors: as `transfer.state.declared.declare` takes them.
        """
        before = unpack_states(states, self._config)
        declared, changed = declare(before.declared, declarations, vectors)
        rows = np.flatnonzero(changed)
        if not len(rows):
            return None, changed
        after = take_states(replace(before, declared=declared), rows)
        result = Advance(after, self._model(after), np.ones(len(rows), np.bool_))
        chosen = rows.tolist()
        marks = [dict(watermarks[row]) for row in chosen]
        return user_points([users[row] for row in chosen], result, marks, self._config), changed

    def steps(self, prepared: PreparedEvents, events: Bool, counts: CountsConfig) -> Steps | None:
        """What some of the prepared events add to the counts, (B,) bool; None: nothing."""
        columns, before, keys, applied = (
            prepared.columns,
            prepared.before,
            prepared.item_keys,
            prepared.applied,
        )
        if not events.all():
            columns = take_events(prepared.columns, events)
            rows = dict(zip(prepared.columns.users, range(len(prepared.columns.users)), strict=True))
            before = take_states(before, np.array([rows[user] for user in columns.users], np.int64))
            of_item = dict(zip(prepared.columns.items, prepared.item_keys.tolist(), strict=True))
            keys = np.array([of_item[item] for item in columns.items], np.uint64)
            applied = applied[events]
        # What was hidden or merely shown follows nothing, and is nobody's first.
        applied = applied & (self._weights[columns.action] > 0)
        sequences = batch_sequences(columns, before, keys, applied, self._config.ring, counts)
        return None if sequences is None else steps_of(sequences, counts)

    def _item_vectors(self, columns: EventColumns) -> tuple[U64, F32]:
        """Keys and vectors of `columns.items`; zeros for those that were merely shown, which need none."""
        acted = self._weights[columns.action] != 0
        if acted.all():
            return self._items.vectors(columns.items)
        named = np.unique(columns.item[acted & (columns.item != NONE)])
        keys = np.array([item_key(item_id) for item_id in columns.items], np.uint64)
        vectors = np.zeros((len(keys), self._config.dim), np.float32)
        _, vectors[named] = self._items.vectors([columns.items[row] for row in named.tolist()])
        return keys, vectors

    def _encode(self, texts: list[str]) -> F32:
        if not texts:
            return np.empty((0, self._config.dim), np.float32)
        cached = self._space.content.cached
        vectors = self._space.texts(texts)
        hits = self._space.content.cached - cached
        self._metrics.cache.labels("texts", "hit").inc(hits)
        self._metrics.cache.labels("texts", "miss").inc(len(texts) - hits)
        return vectors

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self._metrics.stage.labels(name).observe(perf_counter() - start)
