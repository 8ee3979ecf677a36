"""Which shares tell best what users take first: of those that are counted, judged by the first baskets of later users."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from streams.learning.count_rows import count_rows, shares_alone
from streams.learning.history import History
from streams.learning.queries import Queries, given_queries, open_queries
from transfer.arrays import F64, I32, I64
from transfer.codes import NONE, OPEN
from transfer.counts.config import CountsConfig
from transfer.counts.counts import ItemCounts
from transfer.counts.reading import CodedCounts
from transfer.popular import PopularRule, Shares, popular_among
from transfer.rows import group_starts

QUESTIONS = 1000
"""First baskets that are asked about, at most: the latest ones, of the later half of the events."""
BLOCKS = 32
"""How often counts are brought up to date meanwhile."""
CUT = 10
SURE = 1.0
"""Standard errors by which shares have to be better than the usual ones."""


@dataclass(frozen=True, slots=True, eq=False)
class PopularChoice:
    """The chosen shares, and mean NDCG@10 by column of the shares (2 H,) of open requests and of those that name a scenario."""

    rule: PopularRule
    gains: dict[str, list[float]]
    asked: dict[str, int]


def choose_popular(
    history: History, rows: I64, config: CountsConfig, debuts_alone: bool = False
) -> PopularChoice:
    """By `rows` of a history (in order of time) alone. Where little speaks for another choice, the usual one stays.

    debuts_alone: shares of all events are no choice.
    """
    counted = shares_alone(config)
    first = _first_baskets(history, rows)
    asked = {"open": open_queries(history, first), "given": given_queries(history, first)}
    gains = {name: np.zeros((part.targets, 2 * len(config.half_lives_s))) for name, part in asked.items()}
    begin = float(history.time[first].min()) if len(first) else np.inf
    edges = (
        [*np.linspace(begin, float(history.time[first].max()), BLOCKS + 1)[:-1].tolist(), np.inf]
        if len(first)
        else []
    )
    time, counts, done = history.time[rows], None, 0
    for low, high in pairwise(edges):
        upto = int(np.searchsorted(time, low))
        counts = count_rows(history, rows[done:upto], counted, counts)
        done = upto
        for name, part in asked.items():
            inside = np.flatnonzero((part.time >= low) & (part.time < high))
            if len(inside):
                targets = _targets_of(part, inside)
                gains[name][targets] = _gains(history, counts, part.take(inside))
    usual = PopularRule().taken(False, len(config.half_lives_s))
    first_column = len(config.half_lives_s) if debuts_alone else 0
    column, given = (
        _best(gains[name], part.target_query, usual, first_column) for name, part in asked.items()
    )
    return PopularChoice(
        PopularRule(column=column, column_given=given),
        {name: found.mean(axis=0).round(5).tolist() if len(found) else [] for name, found in gains.items()},
        {name: len(part) for name, part in asked.items()},
    )


def _first_baskets(history: History, rows: I64) -> I64:
    """Rows of the latest users' first baskets, ascending."""
    later = np.zeros(len(history), np.bool_)
    later[rows[len(rows) // 2 :]] = True
    starts = history.basket_starts
    ends = np.append(starts[1:], len(history))
    first = (starts == history.offsets[history.user[starts]]) & later[starts]
    chosen = np.flatnonzero(first)
    chosen = np.sort(chosen[np.argsort(-history.time[starts[chosen]], kind="stable")[:QUESTIONS]])
    parts = [np.arange(starts[each], ends[each]) for each in chosen.tolist()]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _targets_of(queries: Queries, chosen: I64) -> I64:
    """Numbers of the targets of some queries."""
    offsets = queries.target_offsets
    return np.concatenate([np.arange(offsets[each], offsets[each + 1]) for each in chosen.tolist()])


def _gains(history: History, counts: ItemCounts, queries: Queries) -> F64:
    """(T, 2 H) NDCG@10 of each target by each of the shares."""
    coded = CodedCounts(counts, history.item_keys, history.scenarios)
    columns = 2 * counts.horizons
    gains = np.zeros((queries.targets, columns))
    placed = bool((history.item_scenario != NONE).any())
    target = queries.target_item
    for scenario in np.unique(queries.scenario).tolist():
        members = np.arange(len(history.items))
        if scenario != OPEN and placed:
            members = np.flatnonzero(history.item_scenario == scenario)
        everywhere = Shares(coded.open_shares[members], coded.totals())
        here = None if scenario == OPEN else Shares(coded.shares(scenario)[members], coded.totals(scenario))
        mine = np.flatnonzero(queries.scenario[queries.target_query] == scenario)
        place = np.searchsorted(members, target[mine])
        inside = np.append(members, NONE)[place] == target[mine]
        for column in range(columns):
            shares = popular_among(everywhere, here, PopularRule(column=column, column_given=column))
            falling = np.sort(-shares)
            of_target = -np.append(shares, 0.0)[np.where(inside, place, -1)]
            # Ties count half.
            before, upto = (np.searchsorted(falling, of_target, side=side) for side in ("left", "right"))
            rank = 1 + before + np.maximum(upto - before - 1, 0) / 2
            gains[mine, column] = np.where((of_target < 0) & (rank <= CUT), 1 / np.log2(rank + 1), 0.0)
    return gains


def _best(gains: F64, question: I64 | I32, usual: int, first: int) -> int:
    """The column, from the first one on, of the best mean by question, if it is surely better than the usual one."""
    if not len(gains):
        return usual
    starts = group_starts([question])
    sizes = np.diff(np.append(starts, len(question)))
    means = np.add.reduceat(gains, starts, axis=0) / sizes[:, None]
    best = first + int(means.mean(axis=0)[first:].argmax())
    difference = means[:, best] - means[:, usual]
    error = float(difference.std()) / np.sqrt(len(difference))
    return best if difference.mean() > SURE * error else usual
