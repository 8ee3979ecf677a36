"""What the network is trained for: the user's next items, in everything and in a scenario that a request names.

Targets that the user never had are judged against the items that the user never had: how well the network *explores*
(RepeatNet, Ren et al. 2019, separates the two modes alike). Targets that come back count with a small weight, against all.
Full softmax, or over the targets and uniform samples that stand for the rest (Wu et al. 2023, "On the effectiveness of
sampled softmax loss"); never over other positions' targets alone, which made the worst of rankings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from transfer.learned.mixture import segment_logsumexp
from transfer.learned.network import Reading, TransferNetwork
from transfer.training.batches import Batch
from transfer.training.config import TrainConfig

OWN = -1e9
ASKED_SAMPLES = 2048
"""Items that requests for a scenario are judged against where items belong to none."""


@dataclass(slots=True)
class Candidates:
    """Items that compete in a step."""

    items: Tensor
    """(C,) codes"""
    log_weight: Tensor
    """(C,) log of how many items each stands for"""
    place: Tensor
    """(N,) place of each item in `items`, -1"""


@dataclass(slots=True)
class Catalogue:
    """All items: base vectors (N, D), rows of the id table (N,), home scenario (N,) or -1, those that compete (M,)."""

    vectors: Tensor
    ids: Tensor
    home: Tensor
    candidates: Tensor

    @property
    def has_homes(self) -> bool:
        """Whether items belong to scenarios."""
        return bool((self.home >= 0).any())


def draw(
    catalogue: Catalogue, targets: Tensor, config: TrainConfig, generator: torch.Generator
) -> Candidates:
    """All candidates, or above `full_softmax_items` the targets and a uniform sample."""
    every = catalogue.candidates
    place = torch.full((len(catalogue.vectors),), -1, dtype=torch.long)
    if len(every) <= config.full_softmax_items:
        place[every] = torch.arange(len(every))
        return Candidates(every, torch.zeros(len(every)), place)
    wanted = torch.unique(targets)
    place[wanted] = torch.arange(len(wanted))
    sampled = every[torch.randint(len(every), (config.samples,), generator=generator)]
    sampled = sampled[place[sampled] < 0]
    sampled = torch.unique(sampled)
    place[sampled] = len(wanted) + torch.arange(len(sampled))
    items = torch.cat([wanted, sampled])
    weight = torch.zeros(len(items))
    weight[len(wanted) :] = torch.log(torch.tensor((len(every) - len(wanted)) / max(len(sampled), 1)))
    return Candidates(items, weight, place)


def loss(
    network: TransferNetwork,
    batch: Batch,
    reading: Reading,
    catalogue: Catalogue,
    candidates: Candidates,
    config: TrainConfig,
) -> dict[str, Tensor]:
    """Mean losses: "new", "repeat", "given", "scenario"; zero where a batch has no such target."""
    place = candidates.place
    towers = network.items(catalogue.vectors[candidates.items], catalogue.ids[candidates.items])
    target, owner = place[batch.target], batch.target_position
    zero = reading.query.sum() * 0
    found = {"new": zero, "repeat": zero, "given": zero, "scenario": zero}
    logits = reading.query @ towers.T + candidates.log_weight
    hit = logits[owner, target]
    among, had = _without_own(logits, batch, place)
    old = _is_own(batch, place, target, len(candidates.items))
    if (~old).any():
        found["new"] = (among[owner] - hit)[~old].mean()
    if config.repeat_loss and old.any():
        every = torch.logaddexp(among, had)
        found["repeat"] = (every[owner] - hit)[old].mean()
    if not network.config.use_slots:
        return found
    if config.given_loss:
        found["given"] = _given(network, batch, reading, catalogue, candidates, towers, old)
    if config.scenario_loss:
        there = batch.target_place >= 0
        if there.any():
            logs = F.log_softmax(reading.logits.masked_fill(reading.logits == -torch.inf, OWN), dim=1)
            chosen = logs[owner[there], batch.target_place[there]]
            # A slot that dropout hides has no weight to learn.
            seen = chosen > OWN / 2
            if seen.any():
                found["scenario"] = -chosen[seen].mean()
    return found


def _without_own(logits: Tensor, batch: Batch, place: Tensor) -> tuple[Tensor, Tensor]:
    """(P,) log of the sum of exp over the items that the user never had, and over those that the user had.

    Writes over `logits`: a second copy of this matrix, or a mask of its size, takes longer than all of the network.
    """
    column = place[batch.own_item]
    inside = column >= 0
    row, column = batch.own_position[inside], column[inside]
    own = segment_logsumexp(logits[row, column], row, len(logits))
    logits.index_put_((row, column), logits.new_tensor(OWN))
    return torch.logsumexp(logits, dim=1), own


def _is_own(batch: Batch, place: Tensor, target: Tensor, width: int) -> Tensor:
    """(T,) whether the user had the target before."""
    column = place[batch.own_item]
    inside = column >= 0
    own = batch.own_position[inside] * width + column[inside]
    return torch.isin(batch.target_position * width + target, own)


def _given(
    network: TransferNetwork,
    batch: Batch,
    reading: Reading,
    catalogue: Catalogue,
    candidates: Candidates,
    towers: Tensor,
    old: Tensor,
) -> Tensor:
    """Targets of the asked scenario that are new to the user, among its items where items belong to scenarios."""
    rows = torch.arange(len(reading.query), device=towers.device)
    query = reading.interests[rows, batch.asked_place]
    chosen = torch.nonzero(batch.target_asked & ~old).squeeze(1)
    if not len(chosen):
        return reading.query.sum() * 0
    owner, target = batch.target_position[chosen], batch.target[chosen]
    if not catalogue.has_homes:
        few = _fewer(candidates, target)
        logits = query @ towers[candidates.place[few.items]].T + few.log_weight
        hit = logits[owner, few.place[target]]
        among, _ = _without_own(logits, batch, few.place)
        return (among[owner] - hit).mean()
    total, count = reading.query.sum() * 0, 0
    home = catalogue.home[catalogue.candidates]
    fits = catalogue.home[target] == batch.asked_scenario[owner]
    for scenario in torch.unique(batch.asked_scenario[owner[fits]]).tolist():
        members = catalogue.candidates[home == scenario]
        mine = torch.nonzero(fits & (batch.asked_scenario[owner] == scenario)).squeeze(1)
        asking, row = torch.unique(owner[mine], return_inverse=True)
        place = torch.full((len(catalogue.vectors),), -1, dtype=torch.long, device=towers.device)
        place[members] = torch.arange(len(members), device=towers.device)
        at = torch.full((len(rows),), -1, dtype=torch.long, device=towers.device)
        at[asking] = torch.arange(len(asking), device=towers.device)
        logits = query[asking] @ network.items(catalogue.vectors[members], catalogue.ids[members]).T
        hit = logits[row, place[target[mine]]]
        column, own_row = place[batch.own_item], at[batch.own_position]
        inside = (column >= 0) & (own_row >= 0)
        logits.index_put_((own_row[inside], column[inside]), logits.new_tensor(OWN))
        total = total + (torch.logsumexp(logits, 1)[row] - hit).sum()
        count += len(mine)
    return total / max(count, 1)


def _fewer(candidates: Candidates, targets: Tensor) -> Candidates:
    """The targets and every n-th other candidate, weighed for the rest: the same softmax at a part of its cost."""
    every = candidates.items
    if len(every) <= 2 * ASKED_SAMPLES:
        return candidates
    wanted = torch.unique(targets)
    place = torch.full_like(candidates.place, -1)
    place[wanted] = torch.arange(len(wanted), device=every.device)
    start = int(torch.randint(len(every), (1,)))
    step = max(1, len(every) // ASKED_SAMPLES)
    at = (start + step * torch.arange(ASKED_SAMPLES, device=every.device)) % len(every)
    at = at[place[every[at]] < 0]
    weight = candidates.log_weight[at] + math.log(max(len(every) - len(wanted), 1) / max(len(at), 1))
    sampled = every[at]
    place[sampled] = len(wanted) + torch.arange(len(sampled), device=every.device)
    zeros = torch.zeros(len(wanted), device=every.device)
    return Candidates(torch.cat([wanted, sampled]), torch.cat([zeros, weight]), place)
