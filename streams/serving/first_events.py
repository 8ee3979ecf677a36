"""What new visitors get, and users of whom little is known: what is popular, alone or beside the model. One rule for
`recommend` and `evaluate`. What a user declared counts as so many events here, too (`transfer.declared`).

    no event       p(i) = p_popular(i)
    n events       p(i) = (1 - b) p_model(i) + b m p_popular(i)    for items that are not the user's own
                   b = k / (k + n), 0 from `transfer.popular.FEW` events on; m: what the model gives to all such items

p_popular is of the items that compete, the user's own ones left out; what the model says of own items stays, and so does every
sum. k is fitted in training, 0 where it is of no use (`streams.learning.training.first_events`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sinks.item_filter import AttributeTest
from streams.serving.popular import PopularItems
from streams.serving.ranker import ItemScores, Ranker, Reason
from transfer.arrays import F32, F64, I64, U64
from transfer.codes import NONE
from transfer.popular import PopularRule, blended, popular_part
from transfer.rows import ascending_order, positions_in
from transfer.state.states import InterestStates, take_users

REACH = 500
"""Items beyond those asked for that a model scores where what is popular is added: they may change places."""


@dataclass(frozen=True, slots=True, eq=False)
class FirstEventsScores:
    """Probabilities of C items for U requests."""

    keys: U64
    scores: F32
    inner: ItemScores | None
    place: I64
    """(U,) row of each request in `inner`, -1: it got what is popular alone"""
    popular: Mapping[int, F32]
    """row -> (C,) what being popular gave to each item, of requests that got both"""

    def reasons(self, request: int, columns: I64) -> list[Reason]:
        """The model's own, or that the item is popular."""
        if self.inner is None or self.place[request] == NONE:
            return [Reason("popular")] * len(columns)
        told = columns < len(self.inner.keys)
        if request in self.popular:
            told &= 2 * self.popular[request][columns] <= self.scores[request, columns]
        reasons = [Reason("popular")] * len(columns)
        of_model = self.inner.reasons(int(self.place[request]), columns[told])
        for column, reason in zip(np.flatnonzero(told).tolist(), of_model, strict=True):
            reasons[column] = reason
        return reasons


class FirstEventsRanker:
    """See the head of this file."""

    def __init__(
        self, ranker: Ranker, popular: PopularItems, rule: PopularRule, declared: float = 0.0
    ) -> None:
        """ranker: the model's, for users with events. declared: events that a declaration is worth to that model."""
        self._ranker = ranker
        self._popular = popular
        self._rule = rule
        self._declared = declared

    def has_items(self, scenario: str) -> bool:
        """Whether items belong to the scenario."""
        return self._ranker.has_items(scenario)

    def score(
        self,
        states: InterestStates,
        scenarios: Sequence[str | None],
        k: int,
        *,
        explained: bool = False,
        tests: Sequence[AttributeTest] = (),
    ) -> ItemScores:
        """One request for each of U states, as `Ranker` says; states without events are answered, too."""
        events = self._events(states)
        part = self._part(events, scenarios)
        if not part.any():
            return self._ranker.score(states, scenarios, k, explained=explained, tests=tests)
        asked = np.flatnonzero(events > 0)
        place = np.full(states.users, NONE)
        place[asked] = np.arange(len(asked))
        inner: ItemScores | None = None
        if len(asked):
            some = states if len(asked) == states.users else take_users(states, asked)
            names = [scenarios[row] for row in asked.tolist()]
            more = REACH if part[asked].any() else 0
            inner = self._ranker.score(some, names, k + more, explained=explained, tests=tests)
        rows = np.flatnonzero(part).tolist()
        popular = {name: self._popular.popular(name) for name in {scenarios[row] for row in rows}}
        keys = inner.keys if inner is not None else np.zeros(0, np.uint64)
        taken = np.concatenate([found for found, _ in popular.values()])
        missing = np.unique(taken[positions_in(keys, taken, ascending_order(keys)) == NONE])
        keys = np.concatenate([keys, missing]) if len(missing) else keys
        scores = np.zeros((states.users, len(keys)), np.float32)
        if inner is not None:
            scores[asked, : len(inner.keys)] = inner.scores
        order = ascending_order(keys)
        at = {name: positions_in(keys, found, order) for name, (found, _) in popular.items()}
        added: dict[int, F32] = {}
        for row in rows:
            shares = np.zeros(len(keys))
            shares[at[scenarios[row]]] = popular[scenarios[row]][1]
            own = states.own_item[slice(*states.own_offsets[row : row + 2].tolist())]
            if part[row] == 1:
                scores[row] = shares
            else:
                mine = np.zeros(len(keys), np.bool_)
                place_of = positions_in(keys, own, order)
                mine[place_of[place_of != NONE]] = True
                added[row] = blended(scores[row], shares, mine, float(part[row]))
        return FirstEventsScores(keys, scores, inner, place, added)

    def _events(self, states: InterestStates) -> F64:
        """(U,) events, and what is worth as many."""
        events = states.n_events.astype(np.float64)
        if states.declared is not None:
            events += self._declared * states.declared.speaks()
        return events

    def _part(self, events: F64, scenarios: Sequence[str | None]) -> F64:
        """(U,) how far what is popular speaks."""
        given = np.array([name is not None for name in scenarios], np.bool_)
        few = [popular_part(events, k) for k in (self._rule.events, self._rule.events_given)]
        part: F64 = np.where(given, few[1], few[0])
        return part
