"""The trained model's ranking: probabilities over all items by its mixture, and for each item the strongest component.

The mixture is that of `transfer.learned.mixture`. An item's source is the component that gives most of its probability; what
*new* gives counts for the part of it that sets the item apart most from others that are likely: *new* the transferred
interest, *next* what follows the latest items, *popular* what everybody takes; *again* are the user's own items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from sinks.item_filter import AttributeTest
from streams.serving.ranker import Reason
from transfer.arrays import F32, I64, U64
from transfer.codes import NONE, OPEN
from transfer.learned.item_index import ItemIndex, picked
from transfer.learned.mixture import Mixture
from transfer.learned.model import LearnedModel, UserQueries
from transfer.learned.ranking import Ranking, rank
from transfer.learned.requests import Requests, names_asked, requests_of
from transfer.learned.threads import torch_threads
from transfer.state.states import InterestStates, take_users


class MixtureItems(Protocol):
    """The items that compete, and what is counted of them as of now: those of a store, or an index as it is."""

    def asked(self, scenarios: Sequence[str | None]) -> list[tuple[ItemIndex, int]]:
        """For each request the index to rank by and the code in it of the scenario that the request names, as `ItemIndex.asked`
        says; all indices have the same items in the same order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RankedRequests:
    """Requests that one index ranks, and all that was found on the way."""

    rows: I64
    """(R,) which of the requests"""
    states: InterestStates
    index: ItemIndex
    queries: UserQueries
    requests: Requests
    ranking: Ranking


@dataclass(frozen=True, slots=True, eq=False)
class MixtureScores:
    """Probabilities of N items for U requests."""

    keys: U64
    scores: F32
    mixture: Mixture
    groups: Sequence[RankedRequests]

    def reasons(self, request: int, columns: I64) -> list[Reason]:
        """For each item the strongest component, and what it goes by."""
        (group,) = (group for group in self.groups if request in group.rows)
        row = int(np.flatnonzero(group.rows == request)[0])
        parts = group.ranking.parts(self.mixture, row, columns)
        names, share = list(parts), np.stack(list(parts.values()))
        sources = [names[place] for place in share.argmax(axis=0).tolist()]
        leads = _leads(group, row, columns)
        lenders = _lenders(group, row, columns)
        belongs = group.index.item_scenario[columns].tolist()
        reasons = [
            Reason(
                source,
                int(self.keys[lead]) if lead >= 0 else 0,
                lender,
                group.index.scenarios[scenario] if scenario >= 0 else "",
            )
            for source, lead, lender, scenario in zip(sources, leads.tolist(), lenders, belongs, strict=True)
        ]
        return [
            _declared(reason, group, row, column) if reason.source == "declared" else reason
            for reason, column in zip(reasons, columns.tolist(), strict=True)
        ]


class MixtureRanker:
    """See the head of this file."""

    def __init__(self, model: LearnedModel, mixture: Mixture, items: MixtureItems) -> None:
        self._model = model
        self._mixture = mixture
        self._items = items

    def has_items(self, scenario: str) -> bool:
        """Whether items belong to the scenario."""
        ((index, code),) = self._items.asked([scenario])
        return code != OPEN and index.has_item_scenarios

    def score(
        self,
        states: InterestStates,
        scenarios: Sequence[str | None],
        k: int,
        *,
        explained: bool = False,
        tests: Sequence[AttributeTest] = (),
    ) -> MixtureScores:
        """One request for each of U states, as `Ranker` says; all items are scored, whatever `k` and the tests are."""
        states = self._model.own_states(states)
        asked = self._items.asked(scenarios)
        rows_of: dict[int, list[int]] = {}
        for row, (index, _) in enumerate(asked):
            rows_of.setdefault(id(index), []).append(row)
        with torch_threads(self._model.threads):
            groups = [self._group(states, np.array(rows), asked, explained) for rows in rows_of.values()]
        if len(groups) == 1:
            return MixtureScores(groups[0].index.keys, groups[0].ranking.scores, self._mixture, groups)
        scores = np.zeros((len(asked), len(asked[0][0].keys)), np.float32)
        for group in groups:
            scores[group.rows] = group.ranking.scores
        return MixtureScores(asked[0][0].keys, scores, self._mixture, groups)

    def _group(
        self, states: InterestStates, rows: I64, asked: Sequence[tuple[ItemIndex, int]], explained: bool
    ) -> RankedRequests:
        """The requests `rows`, all of one index."""
        index = asked[rows[0]][0]
        codes = np.array([asked[row][1] for row in rows.tolist()], np.int32)
        states = states if len(rows) == states.users else take_users(states, rows)
        queries = self._model.queries(states, names_asked(codes, index))
        requests = requests_of(states, codes, self._model, index, self._mixture.config.places, queries)
        ranking = rank(requests, self._mixture, index, explained)
        return RankedRequests(rows, states, index, queries, requests, ranking)


def _declared(reason: Reason, group: RankedRequests, row: int, column: int) -> Reason:
    """The reason with the text that is nearest to the item, and its scenario as what lends."""
    declared, code = group.states.declared, int(group.requests.scenario[row])
    if declared is None or group.index.base is None:
        return reason
    texts, vector = declared.texts(row), group.index.base[column]
    if code != OPEN:
        texts, _ = declared.texts_within(row, group.index.scenarios[code])
    nearest = max(texts, key=lambda text: float(text.vector @ vector))
    return replace(reason, text=nearest.text, lender=nearest.scenario)


def _lenders(group: RankedRequests, row: int, columns: I64) -> list[str]:
    """(C,) the scenario that the request names; else for each item the scenario s whose w_s T_s . t is greatest: of the
    query's parts the one that it answers most."""
    code = int(group.requests.scenario[row])
    names = [group.index.scenarios[code]] if code != OPEN else group.states.slot_names(row)
    if len(names) < 2:
        return [*names, ""][:1] * len(columns)
    slots = slice(*group.states.scenario_offsets[row : row + 2].tolist())
    found = group.queries
    share = group.index.towers[columns] @ (found.weights[slots, None] * found.interests[slots]).T
    return [names[slot] for slot in share.argmax(axis=1).tolist()]


def _leads(group: RankedRequests, row: int, columns: I64) -> I64:
    """(C,) code of the latest item from which most of p_next of each item comes, -1 where none leads to it."""
    requests, weights = group.requests, group.ranking.weights
    column = weights.column.numpy()
    mass = requests.place_mass[row] @ column
    at = np.flatnonzero((requests.places[row] >= 0) & (mass > 0))
    if not len(at):
        return np.full(len(columns), NONE)
    start = requests.places[row, at]
    pairs = np.repeat(start, len(columns)), np.tile(columns, len(at))
    next_, window = (
        picked(matrix, *pairs).reshape(len(at), len(columns)) for matrix in group.index.transitions
    )
    share = (weights.places.numpy()[row, at] / mass[at])[:, None]
    value: F32 = share * (next_ * column[0] + window * column[1])
    most = value.argmax(axis=0)  # of equal ones that of the latest item
    return np.where(value.max(axis=0) > 0, start[most], NONE)
