"""A shop's store: a catalogue, a year of its households, what was counted of it, and a model of the shipped sizes.

Shapes are those of groceries: a few items are in most baskets and most in few, households come back to favourites of theirs,
items belong to departments of different size. Vectors and weights are random; they cost what trained ones cost.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sinks.points import ItemPoints, UserPoints, item_key
from sinks.writer import NEW
from streams.counts.counts import SLOTS, agree_on_config
from streams.counts.slot import CountsSlot
from streams.settings import Settings
from streams.workspace.transfer_model import searched_vectors
from streams.workspace.workspace import Workspace
from transfer.arrays import F32, I64, U64
from transfer.counts.of_log import LogColumns, counts_of_log
from transfer.learned.config import NetworkConfig
from transfer.learned.folder import save_model
from transfer.learned.mixture import Mixture
from transfer.learned.model import LearnedModel, TrainedItems
from transfer.learned.network import TransferNetwork
from transfer.learned.requests import mixture_config
from transfer.rows import first_of_each
from transfer.state.packing import pack_states
from transfer.state.states import empty_states
from transfer.state.terms import EventTerms
from transfer.state.update import apply_events
from transfer.training.config import TrainConfig

DEPARTMENTS, HOUSEHOLDS, EVENTS, BASKET, FAVOURITES = 30, 2000, 300, 8, 120
YEAR_S, DAY_S = 365 * 86400.0, 86400.0


class Shop:
    """Items, and the events of all households; the first `users` of them have states in the store."""

    def __init__(self, items: int, users: int, dim: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.ids = [f"item {number}" for number in range(items)]
        self.keys: U64 = np.array([item_key(item_id) for item_id in self.ids], np.uint64)
        self.vectors: F32 = rng.standard_normal((items, dim)).astype(np.float32)
        self.vectors /= np.linalg.norm(self.vectors, axis=1, keepdims=True)
        size = rng.dirichlet(np.full(DEPARTMENTS, 1.5))
        self.department: I64 = rng.choice(DEPARTMENTS, items, p=size)
        self.departments = tuple(f"department {number:02}" for number in range(DEPARTMENTS))
        self.users = [f"user {number}" for number in range(users)]
        self._log = self._year(max(HOUSEHOLDS, users), rng)

    def write_model(self, folder: Path, settings: Settings, seed: int = 0) -> Path:
        """An untrained model of the sizes of `driftline train`, which knows all items."""
        torch.manual_seed(seed)
        sizes, interest = TrainConfig(), settings.interest
        order = np.argsort(self.keys)
        shape = NetworkConfig(
            dim=interest.dim,
            horizons=len(interest.half_lives_s),
            width=sizes.width,
            heads=sizes.heads,
            layers=sizes.layers,
            feed_forward=sizes.feed_forward,
            ring=sizes.ring,
            gap_edges_s=tuple(float(edge) for edge in np.geomspace(1, 1e6, 15)),
        )
        shares = len(settings.counts.half_lives_s)
        mixture = Mixture(mixture_config(shape.horizons, shape.actions, shares, sizes.places))
        table = TrainedItems(self.keys[order], self.vectors[order], np.arange(1, len(order) + 1))
        network = TransferNetwork(shape, len(order))
        save_model(
            folder,
            LearnedModel(network, mixture, interest, table, {}, "untrained"),
            settings.counts,
            {},
        )
        return folder

    def fill(self, workspace: Workspace, at_a_time: int = 1000) -> None:
        """Write catalogue, users and counts."""
        store, settings = workspace.store, workspace.settings
        searched = searched_vectors(workspace.model, self.keys, self.vectors)
        for begin in range(0, len(self.ids), at_a_time):
            part = slice(begin, begin + at_a_time)
            some = self.ids[part]
            belongs = [self.departments[code] for code in self.department[part].tolist()]
            found = None if searched is None else searched[part]
            store.items.write(
                ItemPoints(some, self.vectors[part], some, belongs, ["made up"] * len(some), found)
            )
        self._write_users(workspace)
        agree_on_config(store.blobs, settings.counts, "the store")
        slot = CountsSlot(store.blobs, store.leases.take(SLOTS), settings.counts)
        log = self._log
        slot.add(counts_of_log(log, np.argsort(log.time, kind="stable"), settings.counts))
        store.leases.release(slot.lease)
        store.optimize()

    def _write_users(self, workspace: Workspace) -> None:
        log, count = self._log, len(self.users)
        rows = int(log.offsets[count])
        terms = EventTerms(
            user=np.repeat(np.arange(count, dtype=np.int32), np.diff(log.offsets[: count + 1])),
            time=log.time[:rows],
            key=np.arange(1, rows + 1, dtype=np.uint64),
            action=(np.arange(rows) % 3).astype(np.uint8),
            item=self.keys[log.item[:rows]],
            scenario=log.scenario[:rows],
            scenario_names=self.departments,
            vectors=self.vectors,
            vector=log.item[:rows],
        )
        interest = workspace.interest
        states = apply_events(empty_states(count, interest), terms, interest)[0]
        fusion = workspace.model(states)
        points = UserPoints(
            user_ids=self.users,
            fused=fusion.fused,
            interests=fusion.interests,
            interest_offsets=fusion.interest_offsets,
            states=pack_states(states, interest),
            watermarks=[{}] * count,
            weights=[{}] * count,
            updated_at=states.t_ref,
        )
        workspace.store.users.write(points, [NEW] * count)

    def _year(self, households: int, rng: np.random.Generator) -> LogColumns:
        """Half of what a household takes are favourites of its own."""
        items, count = len(self.ids), households * EVENTS
        chance = 1.0 / (np.arange(items) + 20.0) ** 0.9
        chance /= chance.sum()
        shelf = rng.permutation(items)
        favourites = shelf[rng.choice(items, (households, FAVOURITES), p=chance)]
        user = np.repeat(np.arange(households), EVENTS)
        own = favourites[user, (FAVOURITES * rng.random(count) ** 2).astype(np.int64)]
        item = np.where(rng.random(count) < 0.5, own, shelf[rng.choice(items, count, p=chance)])
        trips = np.sort(rng.uniform(0, YEAR_S, (households, -(-EVENTS // BASKET))), axis=1)
        time = 1.7e9 + np.repeat(np.floor(trips), BASKET, axis=1)[:, :EVENTS].reshape(-1)
        return LogColumns(
            offsets=np.arange(households + 1, dtype=np.int64) * EVENTS,
            time=time,
            item=item.astype(np.int32),
            item_keys=self.keys,
            scenario=self.department[item].astype(np.int32),
            scenarios=self.departments,
            debut=first_of_each([user, item]),
        )
