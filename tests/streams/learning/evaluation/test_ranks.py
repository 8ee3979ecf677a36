"""Ranks: exact, whatever the scores look like."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.ranks import (
    TOP,
    own_columns,
    rank_targets,
    ranks_of,
    shallow_family_ranks,
    shallow_ranks,
    top_k,
)
from streams.learning.queries import first_rows, given_queries, open_queries
from support.data.histories import random_history


def scores_of(kind, shape, rng):
    """Scores of several shapes: all different, mostly zero, few values, all equal, with NaN and infinities."""
    dense = rng.standard_normal(shape).astype(np.float32)
    match kind:
        case "dense":
            return dense
        case "sparse":
            return np.where(rng.random(shape) < 0.05, np.abs(dense), 0).astype(np.float32)
        case "few":
            return rng.integers(0, 3, shape).astype(np.float32)
        case "equal":
            return np.zeros(shape, np.float32)
    dense[rng.random(shape) < 0.2] = np.nan
    dense[rng.random(shape) < 0.1] = -np.inf
    dense[rng.random(shape) < 0.1] = np.inf
    return dense


KINDS = ["dense", "sparse", "few", "equal", "broken"]


@pytest.mark.parametrize("kind", KINDS[:-1])
@pytest.mark.parametrize("size", [1, 9, 10, 11, 700, 5000])
def test_best_is_a_stable_sort_from_above(kind, size):
    """The fast search gives what sorting the whole row would, equal scores by the lower place; nothing has no rank."""
    row = scores_of(kind, size, np.random.default_rng(size))
    assert top_k(row, 10).tolist() == np.argsort(-row, kind="stable")[:10].tolist()
    places = np.arange(size)
    order = np.argsort(-row, kind="stable")
    assert ranks_of(row, places)[order].tolist() == (places + 1).tolist()
    assert ranks_of(row, np.array([-1])).tolist() == [0]


@pytest.mark.parametrize("in_scenarios", [True, False])
@pytest.mark.parametrize("make", [open_queries, given_queries])
@pytest.mark.parametrize("kind", KINDS)
def test_ranks_are_those_of_sorting_the_candidates(kind, make, in_scenarios):
    """Among the items seen before, and among them without the user's earlier items; NaN is last; lists are the first ten."""
    history = random_history(in_scenarios=in_scenarios)
    queries = make(history, np.arange(len(history)))
    scores = scores_of(kind, (len(queries), len(history.items)), np.random.default_rng(1))
    first, candidates = first_rows(history), Candidates(history)
    ranked = rank_targets(scores, queries, candidates, history, first)
    shallow = shallow_ranks(scores, queries, candidates)
    assert shallow.tolist() == np.where(ranked.rank <= TOP, ranked.rank, 0).tolist()
    place = {int(item): number for number, item in enumerate(candidates.at(-1, np.inf).codes.tolist())}
    assert len(place) == len(history.items)
    both = shallow_family_ranks(scores, queries, candidates, own_columns(queries, candidates, history, first))
    assert both["all"].tolist() == shallow.tolist()
    assert both["new"].tolist() == np.where(ranked.without_own <= TOP, ranked.without_own, 0).tolist()
    for query in range(len(queries)):
        seen = set(history.item[history.time < queries.time[query]].tolist())
        allowed = [
            item
            for item in seen
            if queries.scenario[query] < 0
            or not in_scenarios
            or history.item_scenario[item] == queries.scenario[query]
        ]
        row = scores[query]
        order = sorted(
            allowed, key=lambda item: (np.isnan(row[item]), -np.nan_to_num(row[item]), place[item])
        )
        own = set(history.item[history.offsets[queries.user[query]] : queries.seen[query]].tolist())
        fresh = [item for item in order if item not in own]
        assert [item for item in ranked.top[query].tolist() if item >= 0] == order[:TOP]
        for target in range(queries.target_offsets[query], queries.target_offsets[query + 1]):
            item = int(queries.target_item[target])
            assert ranked.rank[target] == (order.index(item) + 1 if item in seen else 0)
            assert ranked.without_own[target] == (fresh.index(item) + 1 if item in fresh else 0)
