"""The analytic ranking: the user's own items again, and new items near the query, in one readable mixture.

    p(i) = g p_again(i)                for the user's own items
    p(i) = (1 - g) exp(cos_i / T) / Z  for all others         Z = sum over all items that are not the user's own

g is the smoothed share of repeats in the user's own history (`transfer.analytic.again.repeat_share`); p_again the decayed
counts and recency of the own items (`transfer.analytic.again.again_scores`); cos_i the similarity of item i to the user's
fused vector, or to the query of the scenario that the request names. Such a request is answered by the scenario's items, with
these very scores: sums within the scenario were no better there (.0007 [-.0004, .0018] worse on Complete Journey).

Z and T were chosen on the validation part of logs (the tenth of the time before the last one; vectors by `fit`, settings by
`profile`, both without test). NDCG@10 of open requests / of those that name a scenario, seed 0, samples of 4,000 requests,
1,000 of Complete Journey:

                                     Z of the 100 nearest, T .05     of all, T .05    of all, T .15 (this)
    Complete Journey, 68,492 items   .0217 / .0830                   .0407 / .0789    .0644 / .1334
    JD micro-behaviours, 11,444      .4919 / .4908                   .4921 / .4916    .5098 / .5095
    Alibaba brands, 9,531            .1117 / .1118                   .1154 / .1150    .1208 / .1208

The gain over the first column is significant everywhere (users drawn again; the least is .0090 [.0074, .0107]). With the 100
nearest alone, new items outweigh the own ones, more so with more items, and no T fixes that (.0417 at best on
Complete Journey, open). Of nine T from .01 to .3 it is .15 that gives what users took new the highest likelihood (.2 on
MovieLens 100K); at .05 the mean log p was below that of equal shares. Items that are new to their users pay for it where both
kinds stand in one list (JD .0469 after .0613, Complete Journey .0000 after .0020); among each other they are ranked as before.

Z is exact where the items are few. Else it is the sum over the `NEAREST`, which a search finds, and the mean over a sample of
the others times their number: log Z is then off by .015 on average, by .05 at the 95th percentile (JD, Alibaba). Evaluations
use the same sum, and give the figures above. What an answer takes: `benchmarks/recommend.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sinks.item_filter import AttributeTest
from sinks.point_stores import ItemStore
from streams.serving.ranker import Reason
from streams.serving.refreshed import Refreshed
from transfer.analytic.again import again_scores, repeat_share
from transfer.arrays import F32, F64, I64, U64, Bool
from transfer.config import TransferConfig
from transfer.protocols import TransferModel
from transfer.rows import owners
from transfer.state.states import InterestStates

TEMPERATURE = 0.15
NEAREST = 100
"""New items that are counted one by one in Z."""
SAMPLE = 1000
"""Items that stand for all others in Z."""


@dataclass(frozen=True, slots=True, eq=False)
class ItemSample:
    """The `SAMPLE` items of the lowest keys, which are hashes: a fair sample, or all items where there are no more."""

    keys: U64
    vectors: F32
    """(M, D)"""
    count: int
    """of all items"""


class AnalyticItems(Protocol):
    """The items that compete: those of a store, or of a log."""

    def scope(self, scenario: str | None) -> str | None:
        """The scenario to whose items a request that names `scenario` is limited; None: all items compete."""
        ...

    def inside(self, keys: U64, scope: str | None) -> Bool:
        """(O,) which of these items are there, and in the scope."""
        ...

    def nearest(
        self,
        queries: F32,
        scopes: Sequence[str | None],
        own: Sequence[U64],
        k: int,
        tests: Sequence[AttributeTest] = (),
    ) -> tuple[U64, F32]:
        """Keys (C,) and cosines (U, C) to queries (U, D), among them at least the `k` nearest items of each query's scope that
        are not in `own` and pass the tests.

        -inf: is not in the scope, is in `own`, or is not known to be among the nearest.
        """
        ...

    def sample(self) -> ItemSample:
        """Of all the items."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AnalyticScores:
    """Probabilities of C items for U requests."""

    keys: U64
    scores: F32
    own: Sequence[U64]
    """own items of each of the users"""

    def reasons(self, request: int, columns: I64) -> list[Reason]:
        """Own items are there again, all others are new."""
        again = np.isin(self.keys[columns], self.own[request])
        return [Reason("again" if own else "new") for own in again.tolist()]


class AnalyticRanker:
    """See the head of this file; any model will do whose vectors items are searched by."""

    def __init__(self, model: TransferModel, config: TransferConfig, items: AnalyticItems) -> None:
        """config: weights of *again*."""
        self._model = model
        self._config = config
        self._items = items

    def has_items(self, scenario: str) -> bool:
        """Whether items belong to the scenario."""
        return self._items.scope(scenario) is not None

    def score(
        self,
        states: InterestStates,
        scenarios: Sequence[str | None],
        k: int,
        *,
        explained: bool = False,
        tests: Sequence[AttributeTest] = (),
    ) -> AnalyticScores:
        """One request for each of U states, as `Ranker` says; reasons are always there."""
        items, queries = self._items, self._queries(states, scenarios)
        own = np.split(states.own_item, states.own_offsets[1:-1])
        scopes = [items.scope(scenario) for scenario in scenarios]
        keys, cosines = items.nearest(queries, scopes, own, max(k, NEAREST), tests)
        if tests or any(scope is not None for scope in scopes):
            total = normaliser(
                *items.nearest(queries, [None] * len(own), own, NEAREST), queries, own, items.sample()
            )
        else:
            total = normaliser(keys, cosines, queries, own, items.sample())
        gate = repeat_share(states, self._config)
        new = likelihoods(cosines) * ((1 - gate) / np.maximum(total, 1e-30)).astype(np.float32)[:, None]
        inside = np.concatenate([items.inside(*each) for each in zip(own, scopes, strict=True)])
        owner = owners(states.own_offsets)[inside]
        keys, columns = _columns(keys, states.own_item[inside])
        scores = new
        if len(keys) > new.shape[1]:
            scores = np.zeros((len(own), len(keys)), np.float32)
            scores[:, : new.shape[1]] = new
        scores[owner, columns] = gate[owner] * again_scores(states, self._config)[inside]
        return AnalyticScores(keys, scores, own)

    def _queries(self, states: InterestStates, scenarios: Sequence[str | None]) -> F32:
        """(U, D)"""
        queries = self._model(states).fused
        for row, scenario in enumerate(scenarios):
            if scenario is not None:
                queries[row] = self._model.scenario_query(states, row, scenario)
        return queries


class StoredItems:
    """The items of a store, which searches them. They belong where the catalogue says."""

    def __init__(self, items: ItemStore, dim: int) -> None:
        """dim: of the vectors that they are searched by."""
        self._items = items
        self._anywhere = np.eye(1, dim, dtype=np.float32)[0]
        self._sample = Refreshed(self._read_sample)

    def scope(self, scenario: str | None) -> str | None:
        """The scenario itself if the catalogue has items there."""
        return scenario if scenario is not None and self._items.search(self._anywhere, 1, scenario) else None

    def inside(self, keys: U64, scope: str | None) -> Bool:
        """(O,) which of these the store has, and in the scope."""
        records = self._items.read(keys.tolist())
        return np.array([one is not None and scope in (None, one.scenario) for one in records], np.bool_)

    def nearest(
        self,
        queries: F32,
        scopes: Sequence[str | None],
        own: Sequence[U64],
        k: int,
        tests: Sequence[AttributeTest] = (),
    ) -> tuple[U64, F32]:
        """A search for each query."""
        found = [
            {item.key: item.score for item in self._items.search(query, k, scope, mine.tolist(), tests)}
            for query, scope, mine in zip(queries, scopes, own, strict=True)
        ]
        keys = np.array(sorted(set().union(*found)), np.uint64)
        cosines = [[near.get(key, -np.inf) for key in keys.tolist()] for near in found]
        return keys, np.array(cosines, np.float32).reshape(len(queries), len(keys))

    def sample(self) -> ItemSample:
        """As of a minute ago at most."""
        return self._sample.get()

    def _read_sample(self) -> ItemSample:
        page = next(iter(self._items.scan(SAMPLE, with_vectors=True)), [])
        vectors = [item.vector if item.searched is None else item.searched for item in page]
        keys = np.array([item.key for item in page], np.uint64)
        stacked = np.array(vectors, np.float32).reshape(len(page), len(self._anywhere))
        return ItemSample(keys, stacked, self._items.count())


def likelihoods(cosines: F32) -> F32:
    """exp(cos / T), up to a factor that keeps it at 1 or below; 0 at -inf.

    >>> likelihoods(np.array([1.0, -np.inf], np.float32)).tolist()
    [1.0, 0.0]
    """
    found: F32 = np.exp((cosines - np.float32(1)) / np.float32(TEMPERATURE))
    return found


def normaliser(keys: U64, cosines: F32, queries: F32, own: Sequence[U64], sample: ItemSample) -> F64:
    """(U,) Z of queries (U, D): the sum of likelihoods of all items that are not in `own`.

    keys (C,), cosines (U, C): of items that are not in `own`, the `NEAREST` of each query among them.
    """
    count = min(NEAREST, len(keys))
    columns = (
        np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        if count
        else np.zeros((len(own), 0), np.int64)
    )
    near = likelihoods(np.take_along_axis(cosines, columns, axis=1)).astype(np.float64)
    others = likelihoods(queries @ sample.vectors.T).astype(np.float64)
    total: F64 = near.sum(axis=1)
    for row, mine in enumerate(own):
        counted = keys[columns[row][near[row] > 0]]
        rest = others[row][~np.isin(sample.keys, np.concatenate([counted, mine]))]
        if len(sample.keys) == sample.count:
            total[row] += rest.sum()
        elif len(rest):
            total[row] += rest.mean() * max(sample.count - len(counted) - len(mine), 0)
    return total


def _columns(keys: U64, wanted: U64) -> tuple[U64, I64]:
    """All keys, those of `wanted` that are missing at the end, and the place of each of `wanted` (O,) among them."""
    missing = np.setdiff1d(wanted, keys)
    keys = np.concatenate([keys, missing]) if len(missing) else keys
    order = np.argsort(keys)
    return keys, order[np.searchsorted(keys[order], wanted)]
