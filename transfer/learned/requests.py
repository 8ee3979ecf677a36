"""Requests for recommendations: states, network and counts put together as the mixture's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from transfer.arrays import F32, F64, I32, I64, Bool
from transfer.codes import OPEN
from transfer.learned.item_index import TRANSITIONS, ItemIndex, own_count_features
from transfer.learned.mixture import MixtureConfig, MixtureInput
from transfer.learned.mixture_features import (
    latest_items,
    own_item_features,
    own_width,
    place_width,
    user_features,
    user_width,
)
from transfer.learned.model import LearnedModel, UserQueries
from transfer.learned.slot_features import slot_features, slot_width
from transfer.rows import kept_offsets, owners, segment_shares, segment_sum
from transfer.state.states import InterestStates

SCENARIO_EXTRA = 4
"""Features of the request's scenario besides those of its slot."""


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """B requests, each of one user's state and at most one scenario."""

    scenario: I32
    """(B,) code, OPEN: none is named"""
    user: F32
    """(B, Fu)"""
    scenario_features: F32
    """(B, Fs), zeros for open requests"""
    own_offsets: I64
    own: I64
    """(O,) codes of own items that are candidates of the request"""
    own_features: F32
    places: I64
    """(B, M) codes, -1: none"""
    place_features: F32
    """(B, M, Fp)"""
    place_mass: F32
    """(B, M, 2)"""
    query: F32
    """(B, d)"""
    others: Bool
    """(B,) whether there is any candidate that is not the user's own"""
    declared: F32 | None = None
    """(B, D) unit vectors of what the users declare of the request's scenario, zeros for nothing; None: nobody declares"""
    declared_beside: F64 | None = None
    """(B,) events of the users, if any of them declares"""

    def __len__(self) -> int:
        return len(self.user)

    @property
    def own_request(self) -> I64:
        """(O,) the request of each own item."""
        return owners(self.own_offsets)

    def mixture_input(self) -> MixtureInput:
        """As the mixture takes it."""
        return MixtureInput(
            user=torch.from_numpy(self.user),
            scenario=torch.from_numpy(self.scenario_features),
            given=torch.from_numpy(self.scenario >= 0),
            own_request=torch.from_numpy(self.own_request),
            own=torch.from_numpy(self.own_features),
            places=torch.from_numpy(self.place_features),
            place_mass=torch.from_numpy(self.place_mass),
            others=torch.from_numpy(self.others),
        )


def mixture_config(
    horizons: int, actions: int, shares_: int, places: int = 24, **settings: object
) -> MixtureConfig:
    """Widths as the functions of this file give them."""
    return MixtureConfig.model_validate(
        {
            "own_features": own_width(horizons, actions) + TRANSITIONS + 1 + 2 * shares_,
            "place_features": place_width(actions),
            "user_features": user_width(horizons),
            "scenario_features": slot_width(horizons, actions) + SCENARIO_EXTRA,
            "shares": shares_,
            "places": places,
            **settings,
        }
    )


def requests_of(
    states: InterestStates,
    scenario: I32,
    model: LearnedModel,
    index: ItemIndex,
    places: int,
    queries: UserQueries | None = None,
) -> Requests:
    """One request for each of U states; scenario (U,): the code that it names, OPEN for none.

    queries: what the model makes of the states and `names_asked`, if it is there already.
    """
    names = names_asked(scenario, index)
    user_queries = queries or model.queries(states, names)
    own, leading = own_item_features(states, model.interest), latest_items(states, model.interest, places)
    owner = owners(own.offsets)
    codes = index.codes(own.item)
    kept = codes >= 0
    if index.has_item_scenarios:
        asked = scenario[owner]
        kept &= (asked < 0) | (index.item_scenario[np.maximum(codes, 0)] == asked)
    place_codes = np.where(
        leading.item > 0, index.codes(leading.item.reshape(-1)).reshape(leading.item.shape), -1
    )
    offsets, own_codes, owner = kept_offsets(own.offsets, kept), codes[kept], owner[kept]
    by_counts = own_count_features(index, owner, own_codes, place_codes)
    near = np.einsum("ij,ij->i", user_queries.asked[owner], index.towers[own_codes])[:, None]
    return Requests(
        scenario=scenario,
        user=user_features(states, model.interest),
        scenario_features=_scenario_features(states, scenario, names, model, index),
        own_offsets=offsets,
        own=own_codes,
        own_features=np.concatenate([own.features[kept], by_counts, near / 8], axis=1).astype(np.float32),
        places=place_codes,
        place_features=leading.features,
        place_mass=index.follow_mass(place_codes, scenario),
        query=user_queries.asked,
        others=_counted(scenario, index) > np.diff(offsets),
        declared=_declared(states, names),
        declared_beside=None if states.declared is None else states.n_events.astype(np.float64),
    )


def _declared(states: InterestStates, names: list[str]) -> F32 | None:
    declared = states.declared
    if declared is None or not declared.speaks().any():
        return None
    said = declared.everything()
    for user, name in enumerate(names):
        if name:
            said[user], _ = declared.within(user, name)
    return said.astype(np.float32)


def _counted(scenario: I32, index: ItemIndex) -> I64:
    """(U,) how many items compete."""
    codes, place = np.unique(scenario, return_inverse=True)
    return np.array([len(index.members(code)) for code in codes.tolist()], np.int64)[place]


def names_asked(scenario: I32, index: ItemIndex) -> list[str]:
    """(U,) names of the scenarios, "" for OPEN."""
    return [index.scenarios[code] if code >= 0 else "" for code in scenario.tolist()]


def _scenario_features(
    states: InterestStates, scenario: I32, names: list[str], model: LearnedModel, index: ItemIndex
) -> F32:
    """(U, F + 4): the slot's features, whether there is a slot, log number of items, shares of own mass and of own items."""
    actions = len(model.interest.action_weights)
    width = slot_width(states.horizons, actions)
    table = np.zeros((states.users, width + SCENARIO_EXTRA), np.float32)
    given = np.flatnonzero(scenario >= 0)
    if not len(given):
        return table
    features = slot_features(states, model.interest)
    own_scenario = states.scenario_names
    mass = segment_shares(states.own_masses()[:, -1], states.own_offsets)
    owner = owners(states.own_offsets)
    codes = np.array(
        [index.scenarios.index(name) if name in index.scenarios else -2 for name in own_scenario] or [-2]
    )
    in_scenario = codes[states.own_scenario] == scenario[owner]
    table[:, width + 2] = segment_sum(mass * in_scenario, states.own_offsets)
    table[:, width + 3] = np.log1p(segment_sum(in_scenario.astype(np.float64), states.own_offsets)) / 4
    size: dict[int, float] = {}
    for user in given.tolist():
        code = int(scenario[user])
        size.setdefault(code, float(np.log1p(len(index.members(code))) / 8))
        table[user, width + 1] = size[code]
        own = states.slot_names(user)
        if names[user] in own:
            table[user, :width] = features[states.scenario_offsets[user] + own.index(names[user])]
            table[user, width] = 1
    open_ = scenario == OPEN
    table[open_] = 0
    return table
