"""Ranks of the targets among the candidates: exact, in full, ties pinned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.learning.evaluation.candidates import Candidates, Competing
from streams.learning.evaluation.families import ALL, NEW, Family
from streams.learning.history import History
from streams.learning.queries import Queries, new_targets
from transfer.arrays import F32, I32, I64, Bool
from transfer.codes import NONE

TOP = 10
"""Length of the lists that coverage and popularity bias look at."""
CHUNK = 128
FEW = 5
"""Up to this many targets it is faster to count what is before each than to find the best."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Ranks from 1 on, of T targets of Q queries."""

    rank: I32
    """(T,) int32 among all that compete; 0: the target does not, which is a miss in every measure"""
    without_own: I32
    """(T,) int32 with the user's earlier items taken out; 0 where the target is one of them, too"""
    top: I32
    """(Q, TOP) int32 best candidates, the best first; -1 where there are fewer"""


@dataclass(frozen=True, slots=True, eq=False)
class OwnColumns:
    """Of one query with targets that are new to its user."""

    columns: I64
    """places of the user's distinct earlier items among those that compete"""
    fresh: Bool
    """which of the query's targets are new, and compete"""


def rank_targets(
    scores: F32, queries: Queries, candidates: Candidates, history: History, first: I64
) -> Ranked:
    """Rank the targets of a block of queries by `scores` (Q, N) float32.

    Equal scores rank in the order of `Candidates`; NaN comes after all numbers. `first` is `first_rows(history)`.
    """
    rank = np.zeros(queries.targets, np.int32)
    without_own = np.zeros(queries.targets, np.int32)
    top = np.full((len(queries), TOP), NONE, np.int32)
    new = new_targets(queries, first)
    for query in range(len(queries)):
        competing = candidates.at(int(queries.scenario[query]), float(queries.time[query]))
        row = comparable(scores[query], competing.codes)
        begin, end = queries.target_offsets[query : query + 2]
        columns = competing.places(queries.target_item[begin:end])
        rank[begin:end] = ranks_of(row, columns)
        top_columns = top_k(row, TOP)
        top[query, : len(top_columns)] = competing.codes[top_columns]
        fresh = new[begin:end] & (columns != NONE)
        if fresh.any():
            own = own_places(history, queries, query, competing, first)
            ahead = _ahead(row, own, columns[fresh])
            without_own[begin:end][fresh] = rank[begin:end][fresh] - ahead
    return Ranked(rank, without_own, top)


def shallow_ranks(scores: F32, queries: Queries, candidates: Candidates) -> I32:
    """(T,) int32 ranks as in `rank_targets` up to `TOP`, 0 beyond: all that choosing settings needs, for less."""
    return shallow_family_ranks(scores, queries, candidates, [None] * len(queries))[ALL]


def shallow_family_ranks(
    scores: F32, queries: Queries, candidates: Candidates, own: Sequence[OwnColumns | None]
) -> dict[Family, I32]:
    """The same for each slice family; `own` is `own_columns` of these queries. `new`: 0 also where a target isn't new."""
    rank = np.zeros(queries.targets, np.int32)
    without_own = np.zeros(queries.targets, np.int32)
    for query, mine in enumerate(own):
        competing = candidates.at(int(queries.scenario[query]), float(queries.time[query]))
        row = comparable(scores[query], competing.codes)
        begin, end = queries.target_offsets[query : query + 2]
        columns = competing.places(queries.target_item[begin:end])
        if len(columns) <= FEW:
            found = ranks_of(row, columns)
            rank[begin:end] = np.where(found <= TOP, found, 0)
            if mine is not None:
                left = found[mine.fresh] - _ahead(row, mine.columns, columns[mine.fresh])
                without_own[begin:end][mine.fresh] = np.where(left <= TOP, left, 0)
        else:
            rank[begin:end] = _among_best(top_k(row, TOP), columns)
            if mine is not None:
                others = np.delete(np.arange(len(row)), mine.columns)
                left = _among_best(others[top_k(row[others], TOP)], columns)
                without_own[begin:end] = np.where(mine.fresh, left, 0)
    return {ALL: rank, NEW: without_own}


def own_columns(
    queries: Queries, candidates: Candidates, history: History, first: I64
) -> list[OwnColumns | None]:
    """For each query with a new target that competes, where the user's own items are: found once, for many settings."""
    new = new_targets(queries, first)
    out: list[OwnColumns | None] = []
    for query in range(len(queries)):
        begin, end = queries.target_offsets[query : query + 2]
        competing = candidates.at(int(queries.scenario[query]), float(queries.time[query]))
        fresh = new[begin:end] & (competing.places(queries.target_item[begin:end]) != NONE)
        own = own_places(history, queries, query, competing, first) if fresh.any() else None
        out.append(None if own is None else OwnColumns(own, fresh))
    return out


def _among_best(best: I64, columns: I64) -> I32:
    """Rank of each column if it is among the `best`, else 0."""
    hits = best[None] == columns[:, None]
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int32)


def ranks_of(row: F32, columns: I64) -> I32:
    """Rank of each of `columns` in one row of scores without NaN; of equal ones the lower column comes first. Column -1: 0.

    >>> ranks_of(np.array([0.5, 2.0, 0.5, 1.0], np.float32), np.array([0, 1, 2, -1])).tolist()
    [3, 1, 4, 0]
    """
    out = np.zeros(len(columns), np.int32)
    for number, column in enumerate(columns.tolist()):
        if column == NONE:
            continue
        score = row[column]
        out[number] = 1 + np.count_nonzero(row > score) + np.count_nonzero(row[:column] == score)
    return out


def top_k(row: F32, count: int) -> I64:
    """Columns of the `count` highest scores (or fewer), the best first; of equal scores the lower column comes first.

    >>> top_k(np.array([0.5, 2.0, 0.5, 1.0], np.float32), 3).tolist()
    [1, 3, 0]
    """
    if len(row) <= count:
        return np.argsort(-row, kind="stable")
    # As many runs of `CHUNK` scores as columns wanted reach this floor, so that nothing below it is wanted. A partition of
    # the whole row costs twice as much, and twenty times where most scores are equal.
    whole = len(row) // CHUNK * CHUNK
    peaks = row[:whole].reshape(-1, CHUNK).max(axis=1)
    floor = np.partition(peaks, -count)[-count] if len(peaks) > count else np.partition(row, -count)[-count]
    above = np.flatnonzero(row > floor)
    if len(above) < count:
        level = np.flatnonzero(row == floor)[: count - len(above)]
        above = np.sort(np.concatenate([above, level]))
    ordered: I64 = above[np.argsort(-row[above], kind="stable")[:count]]
    return ordered


def comparable(scores: F32, codes: I64) -> F32:
    """Scores of the candidates (C,) that rank as theirs do, without NaN: it is below all numbers, minus infinity included."""
    row: F32 = scores[codes]
    missing = np.isnan(row)
    if missing.any():
        level = np.unique(row, return_inverse=True)[1]
        row = np.where(missing, -1, level).astype(np.float32)
    return row


def own_places(history: History, queries: Queries, query: int, competing: Competing, first: I64) -> I64:
    """Places of the distinct earlier items of the query's user that compete; `first` is `first_rows(history)`."""
    begin, end = int(history.offsets[queries.user[query]]), int(queries.seen[query])
    own = history.item[begin:end][first[begin:end] == np.arange(begin, end)]
    places = competing.places(own)
    own_columns: I64 = places[places != NONE]
    return own_columns


def _ahead(row: F32, own: I64, columns: I64) -> I64:
    """How many of the columns `own` rank before each of `columns`."""
    score, others = row[columns][:, None], row[own]
    before = (others > score) | ((others == score) & (own < columns[:, None]))
    ahead: I64 = np.count_nonzero(before, axis=1)
    return ahead
