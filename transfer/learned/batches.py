"""States of many users as the network's tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from transfer.arrays import F32, I64, U64
from transfer.codes import NONE
from transfer.config import InterestConfig
from transfer.learned.config import NetworkConfig
from transfer.learned.gaps import gap_class
from transfer.learned.network import Context, RingTokens
from transfer.learned.slot_features import horizon_masses, horizon_sums, slot_features, slot_width, unit_slots
from transfer.names import NameLookup
from transfer.rows import last_in_segment, offsets_of, owners, segment_positions, sizes_of
from transfer.state.emergence import ScenarioFeatures
from transfer.state.states import InterestStates

ItemLookup = Callable[[U64], tuple[F32, I64]]
"""(R,) item keys to (R, D) base vectors and (R,) rows of the id table, 0 for none."""
ReadItems = Callable[[U64], torch.Tensor]
"""(R,) item keys to (R, d) what the network reads of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Scenarios that requests name: one a user, "" for none."""

    names: Sequence[str]


def ring_tokens(
    states: InterestStates, config: NetworkConfig, items: ReadItems, names: NameLookup
) -> tuple[RingTokens, torch.Tensor]:
    """The latest `config.ring` events on items of each user, oldest first, and (U,) the place of the last one, -1: none."""
    with_item = states.ring_item != 0
    owner = owners(states.ring_offsets)[with_item]
    offsets = offsets_of(np.bincount(owner, minlength=states.users))
    rows = np.flatnonzero(with_item)[last_in_segment(offsets, config.ring)]
    owner = owners(states.ring_offsets)[rows]
    sizes = np.bincount(owner, minlength=states.users)
    place = segment_positions(offsets_of(sizes))
    shape = (states.users, max(int(sizes.max(initial=0)), 1))
    time = states.ring_time[rows]
    gap = np.zeros(len(rows))
    gap[1:] = time[1:] - time[:-1]
    gap[place == 0] = 0.0
    distinct, inverse = np.unique(states.ring_item[rows], return_inverse=True)
    scenario_vectors = names(states.scenario_names)

    def filled(values: np.ndarray, kind: type = np.int64) -> torch.Tensor:
        table = np.zeros((*shape, *values.shape[1:]), kind)
        table[owner, place] = values
        return torch.from_numpy(table)

    tokens = RingTokens(
        items=items(distinct),
        item=filled(inverse),
        actions=filled(states.ring_action[rows]),
        gaps=filled(gap_class(gap, config.gap_edges_s)),
        names=torch.from_numpy(scenario_vectors),
        scenario=filled(states.ring_scenario[rows]),
    )
    return tokens, torch.from_numpy(sizes - 1)


def context(
    states: InterestStates,
    interest: InterestConfig,
    config: NetworkConfig,
    names: NameLookup,
    asked: Asked | None = None,
    found: ScenarioFeatures | None = None,
) -> Context:
    """Horizons and slots of each user; a scenario that is asked for and not the user's gets a place of its own, the last.

    Without slots in the network it holds none. found: the states' features, if they are there already.
    """
    users = states.users
    sizes = sizes_of(states.scenario_offsets) if config.use_slots else np.zeros(users, np.int64)
    width = max(int(sizes.max(initial=0)) + (asked is not None), 1)
    features = np.zeros((users, width, slot_width(config.horizons, config.actions)), np.float32)
    slots = np.zeros((users, width, config.dim), np.float32)
    name = np.zeros((users, width), np.int64)
    known = np.zeros((users, width), np.bool_)
    new = np.zeros((users, width), np.bool_)
    table = list(states.scenario_names)
    if config.use_slots:
        owner, place = states.slot_users(), segment_positions(states.scenario_offsets)
        known[owner, place] = True
        slots[owner, place] = unit_slots(states)
        features[owner, place] = slot_features(states, interest, found)
        name[owner, place] = states.scenario_code
        if asked is not None:
            row, at = unvisited(states, asked)
            new[row, at] = True
            wanted = [asked.names[user] for user in row.tolist()]
            code = {text: number for number, text in enumerate(table)}
            for text in wanted:
                if text not in code:
                    code[text] = len(table)
                    table.append(text)
            name[row, at] = [code[text] for text in wanted]
    vectors = names(table) if table else np.zeros((1, config.dim), np.float32)
    return Context(
        horizons=torch.from_numpy(horizon_sums(states)),
        masses=torch.from_numpy(horizon_masses(states, interest)),
        slots=torch.from_numpy(slots),
        features=torch.from_numpy(features),
        names=torch.from_numpy(vectors),
        name=torch.from_numpy(name),
        known=torch.from_numpy(known),
        asked=torch.from_numpy(new),
    )


def unvisited(states: InterestStates, asked: Asked) -> tuple[I64, I64]:
    """Users whose request names a scenario that they have no slot of, and the number it gets: after their slots."""
    found = [
        (user, int(states.scenario_offsets[user + 1] - states.scenario_offsets[user]))
        for user, name in enumerate(asked.names)
        if name and name not in states.slot_names(user)
    ]
    table = np.array(found, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def asked_slot(states: InterestStates, asked: Asked) -> I64:
    """(U,) number of the asked scenario among the slots, -1 where none is asked for."""
    result = np.full(states.users, NONE, np.int64)
    for user, name in enumerate(asked.names):
        if name:
            own = states.slot_names(user)
            result[user] = own.index(name) if name in own else len(own)
    return result
