"""Method: what is judged; and what methods share: sums of a user's own earlier events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array

from encoders.joined import ContentSpace
from streams.learning.fit import ItemContent
from streams.learning.history import History
from streams.learning.queries import Queries, seen_rows
from streams.settings import Settings
from transfer.arrays import F32, F64, I32, I64, Bool
from transfer.codes import NONE
from transfer.rows import offsets_of, sizes_of


class Method(Protocol):
    """Ranks items for queries. The runner calls `fit` once, then `learn` and `scores` in turn, forward in time.

    A trained method may have `curve`, a list of (epoch, NDCG@10 on validation) that the report draws. One whose scores are
    probabilities of the next item, 1 in sum at most, says so by `probabilities = True`: its reliability is reported.
    """

    name: str

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Learn from `rows` of the history, in order of time, all strictly before validation.

        Of other rows only what `seen` of a query allows may be read. What can't be changed after fitting (a
        regularisation, a number of steps) is chosen here, on `validation`.
        """
        ...

    def learn(self, rows: I64) -> None:
        """Take in events that have happened meanwhile, in order of time, each once; doing nothing is allowed."""
        ...

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32, higher is better; N = len(history.items). At most a few hundred queries at once.

        What is particular to the user is read through `seen`, exactly; shared counts are as far as `learn` has come.
        Items that can't be candidates may have any score. NaN counts as last.
        """
        ...


@runtime_checkable
class Tunable(Protocol):
    """A method with settings that `scores` reads: the runner tries them side by side on validation queries.

    `set` takes effect at the next `scores`, costs next to nothing and may come again at any time: one fitted method
    answers with other settings for each task.
    """

    grid: Sequence[Mapping[str, Any]]

    def set(self, **params: Any) -> None:
        """Use these settings from now on."""
        ...


@runtime_checkable
class Refitted(Protocol):
    """A method that is fitted as a whole: what it has learned since counts only after it is fitted again.

    The runner calls `refit` once, after settings are chosen and the whole validation part is learned, right before the test:
    so every method knows the same when it is judged. Where time is not one for all users, nothing is learned and nothing
    fitted again.
    """

    def refit(self) -> None:
        """Fit on all events learned so far, with the settings that are chosen."""
        ...


Content = Callable[[ContentSpace | None], ItemContent | None]
"""Encodes the items' texts when it is called; with a whitening, for an encoder that has it, else with one fitted on them."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a method is built from: `Method(setup)` (see `registry.py`)."""

    seed: int = 0
    model: Path | None = None
    """a trained model's folder"""
    encoder: Path | None = None
    """a fitted item encoder's folder"""
    words: Path | None = None
    """a tuned encoder's folder; None: it is tuned on the log"""
    settings: Settings = field(default_factory=Settings)
    """of states, counts, encoder and training"""
    item_content: Content | None = None
    """content vectors of the history's items as fitting takes them"""
    content: Callable[[], tuple[F32, Bool]] | None = None
    """text vectors of the history's items, (N, D) float32 unit rows, and which have one (N,); encoded when called"""
    max_seconds: float = 600.0
    """time that training of one method may take"""
    progress: Callable[[str], None] | None = None
    """takes a short line about what is being done"""
    shared: dict[Any, Any] = field(default_factory=dict)
    """what methods of one run leave for each other: ablations that differ in the mixture alone share a network"""

    @property
    def encoder_folder(self) -> Path | None:
        """The item encoder of the model: the one named, else that in the model's folder, else that of the settings."""
        if self.encoder is not None or self.model is None:
            return self.encoder
        beside = self.model / "encoder"
        return beside if beside.is_dir() else self.settings.encoder.fitted


DecayClock = Literal["time", "count"]


def profiles(
    history: History,
    queries: Queries,
    half_life: float | None = None,
    by: DecayClock = "time",
    weights: F64 | None = None,
    since: Literal["query", "latest"] = "query",
    tail: float = 0.0,
) -> csr_array:
    """Decayed sums of each query's user's own earlier events, (Q, N) float32 in CSR with sorted, distinct columns.

    An event counts 2 ** (-age / half_life). Its age is the time from it to the query (`by="time"`, in the log's unit) or
    the number of the user's events after it (`by="count"`); with `since="latest"` it is taken to the user's latest earlier
    event: the same ranking of one user's items, without vanishing after a pause. `half_life=None`: every event counts 1.
    `weights` (E,) multiply each event of the history. `tail` adds tail / (1 + age / half_life) to each event, so that items
    of which the power has nothing left in float32 still rank by recency.
    """
    rows, offsets = seen_rows(history, queries)
    if half_life is None:
        mass = np.ones(len(rows))
    else:
        last = np.maximum(queries.seen - 1, 0)
        sizes = sizes_of(offsets)
        if by == "time":
            now = history.time[last] if since == "latest" else queries.time
            age = (np.repeat(now, sizes) - history.time[rows]) / half_life
        else:
            age = (np.repeat(last, sizes) - rows) / half_life
        mass = np.exp2(-age)
        if tail:
            mass += tail / (1 + age)
    if weights is not None:
        mass *= weights[rows]
    return _summed(history.item[rows], mass, offsets, len(history.items))


def last_items(history: History, queries: Queries, count: int) -> I32:
    """(Q, count) int32 items of each user's latest earlier events, the latest first; -1 where there are no more.

    Events without an item are passed over; the same item may be there again.
    """
    item_rows = np.flatnonzero(history.item != NONE)
    end = np.searchsorted(item_rows, queries.seen)
    begin = np.searchsorted(item_rows, history.offsets[queries.user])
    place = end[:, None] - 1 - np.arange(count)
    inside = place >= begin[:, None]
    rows = item_rows[np.where(inside, place, 0)] if len(item_rows) else np.zeros(place.shape, np.int64)
    return np.where(inside, history.item[rows], NONE).astype(np.int32)


def last_baskets(history: History, queries: Queries) -> csr_array:
    """(Q, N) float32 in CSR: 1 for each item of the user's latest earlier basket."""
    starts = history.basket_starts
    begin = starts[np.searchsorted(starts, queries.seen - 1, side="right") - 1]
    begin = np.maximum(begin, history.offsets[queries.user])
    size = np.maximum(queries.seen - begin, 0)
    offsets = offsets_of(size)
    rows = np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], size)
    summed = _summed(history.item[rows], np.ones(len(rows)), offsets, len(history.items))
    summed.data[:] = 1
    return summed


def _summed(item: I32, mass: F64, offsets: I64, items: int) -> csr_array:
    """CSR of the sums of `mass` by (query, item); events without an item are left out."""
    with_item = item != NONE
    if not with_item.all():
        offsets = offsets_of(with_item)[offsets]
        item, mass = item[with_item], mass[with_item]
    matrix = csr_array((mass.astype(np.float32), item, offsets), shape=(len(offsets) - 1, items))
    matrix.sum_duplicates()
    return matrix
