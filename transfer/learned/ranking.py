"""The mixture over all items: probabilities to rank by, and how much each component says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array

from transfer.arrays import F32, I64
from transfer.codes import NONE
from transfer.learned.item_index import ItemIndex
from transfer.learned.mixture import COMPONENTS, Mixture, MixtureConfig, MixtureWeights
from transfer.learned.requests import Requests

OWN = -1e9
"""Logit of the user's own items where they do not compete."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Probabilities of B requests over the N items of an index; 0 for items that are no candidates."""

    scores: F32
    """(B, N)"""
    parts: dict[str, F32]
    """component of COMPONENTS -> (B, N), if they were asked for; they sum to the scores"""
    gates: F32
    """(B, G)"""
    weights: MixtureWeights


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioCandidates:
    """Requests of one scenario (or of none), and what is known of its items."""

    rows: I64
    """(R,) which requests"""
    given: bool
    members: I64
    """(C,) codes"""
    logits: F32
    """(R, C) q . t"""
    follow: F32
    """(R, C) p_next"""
    shares: F32
    """(C, 2 H)"""
    own_row: I64
    """(O,) and `own_column`: the users' own items among them"""
    own_column: I64

    def log_new(self, mixture: Mixture) -> torch.Tensor:
        """(R, C) log p_new, next to nothing for own items."""
        return torch.log_softmax(self.pooled(mixture), dim=1)

    def pooled(self, mixture: Mixture) -> torch.Tensor:
        """The same but for a constant of each row."""
        pooled = mixture.pool(self.given, *map(torch.from_numpy, (self.logits, self.follow, self.shares)))
        return self.without_own(pooled)

    def speaks(self, mixture: Mixture) -> dict[str, F32]:
        """Component of the pool -> (R, C) its part in what sets an item apart from the others that are likely; sums to 1."""
        logits, follow, shares = map(torch.from_numpy, (self.logits, self.follow, self.shares))
        with torch.inference_mode():
            found = mixture.pool.speaks(self.given, logits, follow, shares, torch.exp(self.log_new(mixture)))
        return {name: part.numpy() for name, part in found.items()}

    def without_own(self, logits: torch.Tensor) -> torch.Tensor:
        """(R, C) with OWN for the users' own items."""
        own = torch.from_numpy(self.own_row), torch.from_numpy(self.own_column)
        return logits.index_put(own, logits.new_tensor(OWN))


def candidates_by_scenario(
    requests: Requests, follow: F32, index: ItemIndex, config: MixtureConfig
) -> Iterator[ScenarioCandidates]:
    """By scenario; follow (B, N) as of `follow_shares`. By config own items compete like all others, and shares of all events
    stand where those of debuts would. Scenarios without items are left out."""
    for scenario in np.unique(requests.scenario).tolist():
        rows, members = np.flatnonzero(requests.scenario == scenario), index.members(scenario)
        if not len(members):
            continue
        row_of, column_of = np.full(len(requests), NONE), np.full(len(index.keys), NONE)
        row_of[rows], column_of[members] = np.arange(len(rows)), np.arange(len(members))
        own_row, own_column = row_of[requests.own_request], column_of[requests.own]
        own = (own_row >= 0) & (own_column >= 0) & config.use_again
        shares = index.shares(scenario)[members]
        if not config.use_debuts:
            shares = np.tile(shares[:, : config.shares], 2)
        yield ScenarioCandidates(
            rows,
            scenario >= 0,
            members,
            requests.query[rows] @ index.towers[members].T,
            follow[np.ix_(rows, members)],
            shares,
            own_row[own],
            own_column[own],
        )


def rank(requests: Requests, mixture: Mixture, index: ItemIndex, parts: bool = False) -> Ranking:
    """Score all items for a few hundred requests at once."""
    with torch.inference_mode():
        weights = mixture(requests.mixture_input())
    gates = np.exp(weights.gates.numpy())
    follow = follow_shares(requests, weights, index)
    total = np.zeros((len(requests), len(index.keys)), np.float32)
    by_component = {name: np.zeros_like(total) for name in COMPONENTS} if parts else {}
    for group in candidates_by_scenario(requests, follow, index, mixture.config):
        own_cells = group.own_row, group.own_column
        left = gates[group.rows, 1]
        added: dict[str, F32] = {}
        if group.given:
            gate = gates[group.rows][group.own_row]
            added["next"] = gate[:, 2] * group.follow[own_cells]
            events = group.shares[group.own_column, : mixture.config.shares]
            added["popular"] = (gate[:, 3:] * events).sum(axis=1)
            # What they do not give to own items goes to the others, in the pool's order.
            taken = np.bincount(group.own_row, added["next"] + added["popular"], minlength=len(group.rows))
            left = np.maximum(gates[group.rows, 1:].sum(axis=1) - taken, 0)
        with torch.inference_mode():
            share = torch.exp(group.log_new(mixture)).numpy() * left[:, None].astype(np.float32)
        share[own_cells] = 0  # also where a user has all there is
        at = np.ix_(group.rows, group.members)
        speaks = group.speaks(mixture) if parts else {}
        for name, part in speaks.items():
            by_component[name][at] = share * part
        rows, columns = group.rows[group.own_row], group.members[group.own_column]
        total[at] = share
        for name, part in added.items():
            total[rows, columns] += part
            if parts:
                by_component[name][rows, columns] += part
    if mixture.config.use_again:
        owner = requests.own_request
        own = gates[owner, 0] * np.exp(weights.own.numpy())
        total[owner, requests.own] += own
        if parts:
            by_component["again"][owner, requests.own] = own
    return Ranking(total, by_component, gates.astype(np.float32), weights)


def follow_shares(requests: Requests, weights: MixtureWeights, index: ItemIndex) -> F32:
    """(B, N) p_next."""
    column = weights.column.numpy()
    mass = requests.place_mass @ column
    share = np.where(mass > 0, weights.places.numpy() / np.maximum(mass, 1e-9), 0.0)
    row, place = np.nonzero((requests.places >= 0) & (share > 0))
    start = csr_array(
        (share[row, place].astype(np.float32), (row, requests.places[row, place])),
        shape=(len(requests), len(index.keys)),
    )
    next_, window = index.transitions
    part: F32 = ((start @ next_) * column[0] + (start @ window) * column[1]).toarray().astype(np.float32)
    if index.has_item_scenarios and (requests.scenario >= 0).any():
        outside = (requests.scenario[:, None] >= 0) & (
            index.item_scenario[None, :] != requests.scenario[:, None]
        )
        part[outside] = 0
    return part
