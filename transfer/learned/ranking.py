"""The mixture over all items: probabilities to rank by, and how much each component says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array

from transfer.arrays import F32, I64
from transfer.codes import NONE
from transfer.learned.item_index import ItemIndex
from transfer.learned.mixture import COMPONENTS, Mixture, MixtureConfig, MixtureWeights
from transfer.learned.requests import Requests
from transfer.learned.temperatures import OWN, mixed
from transfer.rows import owners, positions_in


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
    logs: F32
    """(C, 2 H) of the smoothed shares"""
    own_row: I64
    """(O,) and `own_column`: the users' own items among them"""
    own_column: I64
    declared: F32 | None = None
    """(R, C) cosine to what was declared, less what fades beside events; 0 where nothing was; None: nobody declares"""

    def new(self, mixture: Mixture, weights: MixtureWeights) -> torch.Tensor:
        """(R, C) p_new, 0 for own items; weights of all requests."""
        rungs = torch.exp(weights.rungs[torch.from_numpy(self.rows)])
        return mixed(self.pooled(mixture), rungs, mixture.config.heads)

    def log_rungs(self, mixture: Mixture, row: I64, column: I64) -> torch.Tensor:
        """(T, K) log of what each rung of p_new says of some items."""
        places = torch.from_numpy(row), torch.from_numpy(column)
        return mixture.config.ladder.log_parts(self.pooled(mixture), *places)

    def pooled(self, mixture: Mixture) -> torch.Tensor:
        """(R, C) what p_new orders by, OWN for own items."""
        pooled = mixture.pool(self.given, *map(torch.from_numpy, (self.logits, self.follow, self.logs)))
        if self.declared is not None:
            pooled = pooled + mixture.config.declared.of(self.given) * torch.from_numpy(self.declared)
        return self.without_own(pooled)

    def own_share(self, horizons: int) -> F32:
        """(R, 1 + H) of p_next and of the share at each half-life the part that own items have."""
        own = np.concatenate(
            [self.follow[self.own_row, self.own_column][:, None], self.shares[self.own_column, :horizons]],
            axis=1,
        )
        found = np.zeros((len(self.rows), 1 + horizons), np.float32)
        np.add.at(found, self.own_row, own)
        return found

    def speaks(self, mixture: Mixture, row: int, likely: F32, columns: I64) -> dict[str, F32]:
        """Component of the pool -> (K,) its part in what sets each of the items at these columns apart from the others that are
        likely for one of the requests; sums to 1. likely (C,): p_new, or in proportion to it."""
        one = slice(row, row + 1)
        logits, follow, logs, of_new, at = map(
            torch.from_numpy, (self.logits[one], self.follow[one], self.logs, likely[None], columns)
        )
        power = mixture.config.declared.of(self.given)
        said = None if self.declared is None else power * torch.from_numpy(self.declared[one])
        with torch.inference_mode():
            found = mixture.pool.speaks(self.given, logits, follow, logs, of_new, at, said)
        return {name: part[0].numpy() for name, part in found.items()}

    def without_own(self, logits: torch.Tensor) -> torch.Tensor:
        """(R, C) with OWN for the users' own items."""
        own = torch.from_numpy(self.own_row), torch.from_numpy(self.own_column)
        return logits.index_put(own, logits.new_tensor(OWN))


@dataclass(frozen=True, slots=True, eq=False)
class RankedCandidates:
    """What the mixture gives to the candidates of requests of one scenario."""

    candidates: ScenarioCandidates
    new: F32
    """(R, C) by the pool"""
    added: dict[str, F32]
    """component -> (O,) what it adds to the users' own items"""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Probabilities of B requests over the N items of an index; 0 for items that are no candidates."""

    scores: F32
    """(B, N)"""
    gates: F32
    """(B, G)"""
    weights: MixtureWeights
    requests: Requests
    again: F32
    """(O,) what *again* gives to the own items of the requests"""
    groups: Sequence[RankedCandidates] = ()
    """what else the scores come from, if that was asked for"""

    def parts(self, mixture: Mixture, request: int, columns: I64) -> dict[str, F32]:
        """Component of COMPONENTS, and "declared" where something was -> (K,) what it gives to each of the items at these
        columns; they sum to the scores."""
        parts = {name: np.zeros(len(columns), np.float32) for name in COMPONENTS}
        own = slice(*self.requests.own_offsets[request : request + 2].tolist())
        _add(parts["again"], columns, self.requests.own[own], self.again[own])
        for group in self.groups:
            of, row = group.candidates, np.flatnonzero(group.candidates.rows == request)
            if not len(row):
                continue
            place = positions_in(of.members, columns)
            there = np.flatnonzero(place != NONE)
            share = group.new[row[0], place[there]]
            for name, part in of.speaks(mixture, int(row[0]), group.new[row[0]], place[there]).items():
                parts.setdefault(name, np.zeros(len(columns), np.float32))[there] += share * part
            mine = np.flatnonzero(of.own_row == row[0])
            for name, added in group.added.items():
                _add(parts[name], columns, of.members[of.own_column[mine]], added[mine])
        return parts


def _add(values: F32, columns: I64, at: I64, added: F32) -> None:
    """Add to the values (K,) of some columns what is added at distinct ones."""
    order = np.argsort(at)
    place = positions_in(at, columns, order)
    there = place != NONE
    values[there] += added[place[there]]


def candidates_by_scenario(
    requests: Requests, follow: csr_array, index: ItemIndex, config: MixtureConfig
) -> Iterator[ScenarioCandidates]:
    """By scenario; follow (B, N) as of `follow_shares`. By config own items compete like all others, and shares of all events
    stand where those of debuts would. Scenarios without items are left out."""
    for scenario in np.unique(requests.scenario).tolist():
        rows, members = np.flatnonzero(requests.scenario == scenario), index.members(scenario)
        if not len(members):
            continue
        row_of = np.full(len(requests), NONE)
        row_of[rows] = np.arange(len(rows))
        own_row, own_column = row_of[requests.own_request], positions_in(members, requests.own)
        own = (own_row >= 0) & (own_column >= 0) & config.use_again
        counted = index.member_shares(scenario)
        shares, logs = counted.shares, counted.logs
        if not config.use_debuts:
            shares, logs = (np.tile(each[:, : config.shares], 2) for each in (shares, logs))
        yield ScenarioCandidates(
            rows,
            scenario >= 0,
            members,
            _products(requests.query[rows], index.member_towers(scenario)),
            _dense(follow, rows, members),
            shares,
            logs,
            own_row[own],
            own_column[own],
            _declared(requests, rows, index.member_base(scenario), config),
        )


def rank(requests: Requests, mixture: Mixture, index: ItemIndex, explained: bool = False) -> Ranking:
    """Score all items for a few hundred requests at once; `explained`: `Ranking.parts` can be asked for."""
    with torch.inference_mode():
        weights = mixture(requests.mixture_input())
    gates = np.exp(weights.gates.numpy())
    follow = follow_shares(requests, weights, index)
    total = np.zeros((len(requests), len(index.keys)), np.float32)
    groups = []
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
            share = group.new(mixture, weights).numpy() * left[:, None].astype(np.float32)
        if len(group.members) == total.shape[1]:
            total[group.rows] = share
        else:
            total[np.ix_(group.rows, group.members)] = share
        for part in added.values():
            total[group.rows[group.own_row], group.members[group.own_column]] += part
        if explained:
            groups.append(RankedCandidates(group, share, added))
    again = np.zeros(len(requests.own), np.float32)
    if mixture.config.use_again:
        owner = requests.own_request
        again = gates[owner, 0] * np.exp(weights.own.numpy())
        total[owner, requests.own] += again
    return Ranking(total, gates.astype(np.float32), weights, requests, again, groups)


def follow_shares(requests: Requests, weights: MixtureWeights, index: ItemIndex) -> csr_array:
    """(B, N) p_next, among all items: most follow nothing that the user did."""
    column = weights.column.numpy()
    mass = requests.place_mass @ column
    share = np.where(mass > 0, weights.places.numpy() / np.maximum(mass, 1e-9), 0.0)
    row, place = np.nonzero((requests.places >= 0) & (share > 0))
    start = csr_array(
        (share[row, place].astype(np.float32), (row, requests.places[row, place])),
        shape=(len(requests), len(index.keys)),
    )
    next_, window = index.transitions
    part: csr_array = (start @ next_) * column[0] + (start @ window) * column[1]
    return part


def _declared(requests: Requests, rows: I64, base: F32 | None, config: MixtureConfig) -> F32 | None:
    if requests.declared is None or base is None:
        return None
    found = _products(requests.declared[rows], base)
    if requests.declared_beside is not None:
        found *= config.declared.part(requests.declared_beside[rows]).astype(np.float32)[:, None]
    return found


def _products(queries: F32, towers: F32) -> F32:
    """(R, C) products of rows, as q . t, by torch: its library takes a tenth of the time of NumPy's for few queries."""
    with torch.inference_mode():
        found: F32 = (torch.from_numpy(queries) @ torch.from_numpy(towers).T).numpy()
    return found


def _dense(matrix: csr_array, rows: I64, columns: I64) -> F32:
    """(R, C) float32 some rows and columns (ascending) of a sparse matrix."""
    part = matrix[rows] if len(rows) < matrix.shape[0] else matrix
    if len(columns) == matrix.shape[1]:
        every: F32 = part.toarray().astype(np.float32, copy=False)
        return every
    found = np.zeros((len(rows), len(columns)), np.float32)
    place = positions_in(columns, part.indices)
    there = place != NONE
    found[owners(part.indptr)[there], place[there]] = part.data[there]
    return found
