"""A model's ranking with what the user was against and what was merely shown: one rule for `recommend` and `evaluate`.

    hidden    p = 0                                  an event of a weight below 0 on the item within `serving.hide_days`,
                                                     and no act on it since
    shown     p = p 2^-max(0, n / N - m)             n impressions, decayed at the longest half-life; m the user's own mass
                                                     on the item; N `serving.fade_shown` [5]

Ten impressions without a click so leave a quarter, and a click makes up for five of them. Times are those of the user's latest
event of any kind, as everywhere. A user without any act gets what is popular (`streams.serving.first_events`), less what was
hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sinks.item_filter import AttributeTest
from streams.serving.ranker import ItemScores, Ranker, Reason
from streams.settings_sections import ServingConfig
from transfer.arrays import F32, I64, U64
from transfer.codes import NONE
from transfer.rows import ascending_order, positions_in, sizes_of
from transfer.state.decay import decay
from transfer.state.states import InterestStates

DAY_S = 86400.0


@dataclass(frozen=True, slots=True, eq=False)
class AsideScores:
    """Probabilities of C items for U requests."""

    keys: U64
    scores: F32
    inner: ItemScores

    def reasons(self, request: int, columns: I64) -> list[Reason]:
        """The model's own."""
        return self.inner.reasons(request, columns)


class AsideRanker:
    """See the head of this file."""

    def __init__(self, ranker: Ranker, longest_s: float, config: ServingConfig) -> None:
        """longest_s: the longest half-life."""
        self._ranker = ranker
        self._longest_s = longest_s
        self._config = config

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
        """One request for each of U states, as `Ranker` says."""
        aside = states.aside
        if aside is None:
            return self._ranker.score(states, scenarios, k, explained=explained, tests=tests)
        more = int((sizes_of(aside.hidden.offsets) + sizes_of(aside.shown.offsets)).max(initial=0))
        inner = self._ranker.score(states, scenarios, k + more, explained=explained, tests=tests)
        keys, scores = inner.keys, inner.scores.copy()
        order = ascending_order(keys)
        for row in range(states.users):
            items, factors = aside_factors(states, row, self._longest_s, self._config)
            columns = positions_in(keys, items, order)
            there = columns != NONE
            scores[row, columns[there]] *= factors[there]
        return AsideScores(keys, scores, inner)


def aside_factors(
    states: InterestStates, row: int, longest_s: float, config: ServingConfig
) -> tuple[U64, F32]:
    """Items (N,) of one user whose probability is not the model's, and the factor (N,) of each; hidden ones have 0.

    longest_s: the longest half-life.
    """
    half_life = np.array([longest_s])
    aside = states.aside
    if aside is None:
        return np.zeros(0, np.uint64), np.zeros(0, np.float32)
    own = slice(*states.own_offsets[row : row + 2].tolist())
    mass = states.own_mass[own, -1] * decay(states.t_ref[row] - states.own_last[own], half_life)[:, 0]
    now = float(states.latest()[row])
    shown = slice(*aside.shown.offsets[row : row + 2].tolist())
    count = aside.shown.count[shown] * decay(now - aside.shown.last[shown], half_life)[:, 0]
    place = positions_in(states.own_item[own], aside.shown.item[shown])
    made_up = np.where(place != NONE, np.append(mass, 0.0)[place], 0.0)
    often = config.fade_shown
    faded = np.exp2(-np.maximum(0.0, count / often - made_up)) if often else np.ones(len(count))
    hidden = hidden_items(states, row, config)
    kept = ~np.isin(aside.shown.item[shown], hidden)
    items = np.concatenate([hidden, aside.shown.item[shown][kept]])
    return items, np.concatenate([np.zeros(len(hidden)), faded[kept]]).astype(np.float32)


def hidden_items(states: InterestStates, row: int, config: ServingConfig) -> U64:
    """The items that are hidden from one user, ascending."""
    if states.aside is None:
        return np.zeros(0, np.uint64)
    rows = states.aside.hidden
    mine = slice(*rows.offsets[row : row + 2].tolist())
    item, time = rows.item[mine], rows.time[mine]
    own = slice(*states.own_offsets[row : row + 2].tolist())
    place = positions_in(states.own_item[own], item)
    acted = np.where(place != NONE, np.append(states.own_last[own], -np.inf)[place], -np.inf)
    # A light item leaves a full list of own items soon; the latest events still tell of it.
    ring = slice(*states.ring_offsets[row : row + 2].tolist())
    same = states.ring_item[ring][None, :] == item[:, None]
    latest = np.where(same, states.ring_time[ring][None, :], -np.inf).max(axis=1, initial=-np.inf)
    acted = np.maximum(acted, latest)
    recent = float(states.latest()[row]) - time <= config.hide_days * DAY_S
    chosen = recent & (item != 0) & (time >= acted) & bool(config.hide_days)
    hidden: U64 = np.unique(item[chosen])
    return hidden
