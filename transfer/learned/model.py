"""The learned transfer model as the daemon, replay and recommenders use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from transfer.analytic.against import directions_against
from transfer.arrays import F32, F64, I64, U64
from transfer.codes import NONE
from transfer.config import InterestConfig, TransferConfig
from transfer.learned.batches import Asked, ItemLookup, asked_slot, context, ring_tokens
from transfer.learned.config import NetworkConfig
from transfer.learned.mixture import Mixture, MixtureConfig
from transfer.learned.network import RingItems, TransferNetwork
from transfer.learned.threads import torch_threads
from transfer.learned.vocabulary import ActionReading, reading_of
from transfer.names import NameLookup, NameSource, hashed_names
from transfer.protocols import Fusion
from transfer.rows import positions_in, segment_positions, sizes_of
from transfer.state.emergence import scenario_features
from transfer.state.leading import leading_slots
from transfer.state.states import InterestStates, take_users

USERS_AT_A_TIME = 1024
MOST_NAMES = 65_536
"""Scenario names whose vectors are remembered, about."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedItems:
    """Items that the model was trained with."""

    keys: U64
    """(N,) ascending"""
    vectors: F32
    """(N, D) base vectors"""
    ids: I64
    """(N,) row of the id table, 0: too rare to have one"""


@dataclass(frozen=True, slots=True, eq=False)
class UserQueries:
    """What the network makes of U states."""

    query: F32
    """(U, d)"""
    asked: F32
    """(U, d) query in the scenario that was asked for; `query` where none was"""
    weights: F32
    """(S,) of each slot"""
    interests: F32
    """(S, d)"""
    emergence: F32
    """(S,) as in `transfer.state.emergence`"""
    mass: F32
    """(S,)"""


class LearnedModel:
    """States to weights, transferred interests and fused vectors; see `transfer.learned.network` and `.mixture`.

    These are read from the exact part of the states (`transfer.state.update`): own items serve the mixture alone.

    Fused vectors and item vectors are unit vectors of `interest.dim`, whose cosine orders items as q . t does: towers are
    divided by the greatest norm and filled up to length 1 in one more dimension, in which queries are 0 (Bachrach et al.
    2014, the reduction of inner products to cosine).
    """

    def __init__(
        self,
        network: TransferNetwork,
        mixture: Mixture | None,
        interest: InterestConfig,
        items: TrainedItems,
        names: dict[str, F32],
        fingerprint: str,
        name_source: NameSource | None = None,
    ) -> None:
        """names: vectors of the scenarios that it was trained with, made as name_source says. `threads` may be set
        (`transfer.learned.threads`)."""
        if network.config.width >= interest.dim:
            raise ValueError(f"width {network.config.width} must be below dim {interest.dim}")
        self.network = network.eval()
        self.mixture = mixture.eval() if mixture is not None else None
        self.interest = interest
        self.items = items
        self.fingerprint = fingerprint
        self.name_source = name_source or NameSource()
        self.threads = 0
        self._transfer = TransferConfig()
        self._lookup: ItemLookup | None = None
        self._encode_names: NameLookup | None = None
        self._reading: ActionReading | None = None
        self._trained_names, self._names = dict(names), dict(names)
        with torch.no_grad():
            towers = self.towers(items.keys, items.vectors)
            self._read = self.network.read_items(
                RingItems(torch.from_numpy(items.vectors), torch.from_numpy(items.ids))
            )
        self._norm = float(np.linalg.norm(towers, axis=1).max(initial=1e-6))

    @property
    def config(self) -> NetworkConfig:
        """Of the network."""
        return self.network.config

    @property
    def mixture_config(self) -> MixtureConfig | None:
        """Of the mixture, if the model has one."""
        return self.mixture.config if self.mixture is not None else None

    @property
    def names(self) -> dict[str, F32]:
        """Vectors of the scenario names that training has seen."""
        return self._trained_names

    def bind(self, lookup: ItemLookup | None, encode_names: NameLookup | None) -> None:
        """Where to find vectors of items and scenario names that training has not seen."""
        self._lookup, self._encode_names = lookup, encode_names

    def read_states_of(self, interest: InterestConfig) -> None:
        """Take states of these settings from now on, whose actions may be others than the model's.

        Raises:
            ModelError: an action has another weight than in training.
        """
        self._reading = reading_of(interest, self.interest)

    def take_against(self, share: float) -> None:
        """Let events below weight 0 take up to this part of a query's length from now on."""
        self.network.config = self.config.model_copy(update={"against_share": share})

    def own_states(self, states: InterestStates) -> InterestStates:
        """States as they are outside, with the model's actions: what `queries` and the mixture take."""
        return states if self._reading is None else self._reading(states)

    def __call__(self, states: InterestStates) -> Fusion:
        """Fuse U users."""
        states = self.own_states(states)
        found = self.queries(states)
        rows, offsets = leading_slots(states.scenario_offsets, found.weights, self._transfer)
        return Fusion(
            fused=self._searched(found.query),
            weights=found.weights,
            emergence=found.emergence,
            mass=found.mass,
            interests=self._searched(found.interests[rows]),
            interest_offsets=offsets,
        )

    def scenario_query(self, states: InterestStates, row: int, name: str) -> F32:
        """(D,) unit vector to search with for one user who is in the scenario `name` now."""
        found = self.queries(self.own_states(take_users(states, np.array([row]))), [name])
        vector: F32 = self._searched(found.asked)[0]
        return vector

    def item_vectors(self, keys: U64, base: F32) -> F32:
        """(N, D) unit vectors to be searched, of items with base vectors (N, D)."""
        towers = self.towers(keys, base) / self._norm
        length = np.linalg.norm(towers, axis=1, keepdims=True)
        towers /= np.maximum(length, 1.0)
        vectors = np.zeros((len(keys), self.interest.dim), np.float32)
        width = towers.shape[1]
        vectors[:, :width] = towers
        vectors[:, width] = np.sqrt(np.maximum(0.0, 1 - (towers**2).sum(axis=1)))
        return vectors

    def towers(self, keys: U64, base: F32) -> F32:
        """(N, d) item towers."""
        with torch.inference_mode():
            ids = torch.from_numpy(self._known(keys)[1])
            towers: F32 = (
                self.network.items(torch.from_numpy(np.asarray(base, np.float32)), ids).numpy().copy()
            )
        return towers

    def queries(self, states: InterestStates, asked: Sequence[str] | None = None) -> UserQueries:
        """All that the network says of U states; asked (U,): the scenario that each request names, "" for none."""
        parts = []
        for start in range(0, states.users, USERS_AT_A_TIME):
            rows = np.arange(start, min(start + USERS_AT_A_TIME, states.users))
            part = states if len(rows) == states.users else take_users(states, rows)
            parts.append(
                self._queries(part, None if asked is None else Asked(asked[start : start + len(rows)]))
            )
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return self._queries(states, None)
        return UserQueries(
            *(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(UserQueries))
        )

    def _queries(self, states: InterestStates, asked: Asked | None) -> UserQueries:
        config = self.config
        features = scenario_features(states, self.interest, self._transfer)
        with torch.inference_mode(), torch_threads(self.threads):
            latest = self.network.without_ring(states.users).clone()
            if config.use_ring and states.ring_item.any():
                tokens, last = ring_tokens(states, config, self._items_read, self._name_vectors)
                some = last >= 0
                read = self.network.read_ring(tokens, last.clamp_min(0))[:, 0]
                latest = torch.where(some.unsqueeze(1), read, latest)
            found = self.network(
                latest, context(states, self.interest, config, self._name_vectors, asked, features)
            )
            query = found.query.numpy()
            interests, logits = found.interests.numpy(), found.logits
            owner, place = states.slot_users(), segment_positions(states.scenario_offsets)
            if config.use_slots:
                slots = torch.softmax(logits, dim=1).numpy()[owner, place]
                vectors = interests[owner, place]
            else:
                slots = 1.0 / np.maximum(sizes_of(states.scenario_offsets), 1)[owner]
                vectors = query[owner]
            in_scenario = query
            if asked is not None and config.use_slots:
                at = asked_slot(states, asked)
                rows = np.flatnonzero(at >= 0)
                in_scenario = query.copy()
                in_scenario[rows] = interests[rows, at[rows]]
        against = directions_against(states, self.interest)
        if against is not None:
            taken = self.config.against_share * self._as_towers(against)
            query, in_scenario = _less(query, taken), _less(in_scenario, taken)
        return UserQueries(
            query,
            in_scenario,
            slots.astype(np.float32),
            vectors,
            features.emergence.astype(np.float32),
            features.mass.astype(np.float32),
        )

    def _as_towers(self, against: F64) -> F32:
        """(U, d) what users are against, as an item of that content is compared with queries; as long as it was."""
        length = np.linalg.norm(against, axis=1, keepdims=True)
        base = (against / np.maximum(length, 1e-12)).astype(np.float32)
        towers = self.towers(np.zeros(len(base), np.uint64), base)
        norm = np.linalg.norm(towers, axis=1, keepdims=True)
        found: F32 = (towers / np.maximum(norm, 1e-12) * length).astype(np.float32)
        return found

    def _items_read(self, keys: U64) -> torch.Tensor:
        """(R, d) what the network reads of items: made once of those it was trained with, now of others."""
        place, _ = self._known(keys)
        new = np.flatnonzero(place < 0)
        if not len(new):
            return self._read.index_select(0, torch.from_numpy(place))
        read = self._read.new_zeros((len(keys), self._read.shape[1]))
        known = np.flatnonzero(place >= 0)
        read[torch.from_numpy(known)] = self._read[torch.from_numpy(place[known])]
        if self._lookup is not None:
            vectors, ids = (
                torch.from_numpy(self._lookup(keys[new])[0]),
                torch.zeros(len(new), dtype=torch.long),
            )
            read[torch.from_numpy(new)] = self.network.read_items(RingItems(vectors, ids))
        return read

    def _known(self, keys: U64) -> tuple[I64, I64]:
        """Place of each key among the trained items, -1 for none, and its id row, 0 for none."""
        table = self.items
        place = positions_in(table.keys, keys)
        known = place != NONE
        ids = np.zeros(len(keys), np.int64)
        ids[known] = table.ids[place[known]]
        return place, ids

    def _name_vectors(self, names: Sequence[str]) -> F32:
        known = self._names
        missing = [name for name in names if name not in known]
        if missing:
            encode = self._encode_names or hashed_names(self.interest.dim)
            fresh = dict(zip(missing, encode(missing), strict=True))
            if len(known) + len(fresh) > MOST_NAMES:  # names come from outside and never end
                known = self._trained_names | {name: known[name] for name in names if name in known}
                self._names = known
            known.update(fresh)
        if not len(names):
            return np.zeros((0, self.interest.dim), np.float32)
        return np.stack([known[name] for name in names]).astype(np.float32)

    def _searched(self, queries: F32) -> F32:
        vectors = np.zeros((len(queries), self.interest.dim), np.float32)
        length = np.linalg.norm(queries, axis=1, keepdims=True)
        vectors[:, : queries.shape[1]] = queries / np.maximum(length, 1e-12)
        vectors[length[:, 0] <= 1e-12, 0] = 1.0
        return vectors


def _less(queries: F32, taken: F32) -> F32:
    """Queries (U, d) without what is taken of each: a part of its length, (U, d)."""
    found: F32 = queries - taken * np.linalg.norm(queries, axis=1, keepdims=True)
    return found
