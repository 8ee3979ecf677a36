"""What the network is trained for: the user's next items, in everything and in a scenario that a request names.

Targets that the user never had are judged against the items that the user never had: how well the network *explores*
(RepeatNet, Ren et al. 2019, separates the two modes alike). Targets that come back count with a small weight, against all.
Full softmax, or over the targets and uniform samples that stand for the rest (Wu et al. 2023, "On the effectiveness of
sampled softmax loss"); never over other positions' targets alone, which made the worst of rankings.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from transfer.learned.network import Reading, TransferNetwork
from transfer.training.batches import Batch
from transfer.training.config import TrainConfig

OWN = -1e9


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
    positions = len(reading.query)
    items, place = candidates.items, candidates.place
    towers = network.items(catalogue.vectors[items], catalogue.ids[items])
    had = torch.zeros(positions, len(items), dtype=torch.bool)
    column = place[batch.own_item]
    inside = column >= 0
    had[batch.own_position[inside], column[inside]] = True
    target, owner = place[batch.target], batch.target_position
    old = had[owner, target]
    zero = reading.query.sum() * 0
    logits = reading.query @ towers.T + candidates.log_weight
    found = {"new": zero, "repeat": zero, "given": zero, "scenario": zero}
    hit = logits[owner, target]
    if (~old).any():
        among = torch.logsumexp(logits.masked_fill(had, OWN), dim=1)
        found["new"] = (among[owner] - hit)[~old].mean()
    if config.repeat_loss and old.any():
        found["repeat"] = (torch.logsumexp(logits, dim=1)[owner] - hit)[old].mean()
    if not network.config.use_slots:
        return found
    if config.given_loss:
        found["given"] = _given(network, batch, reading, catalogue, candidates, towers, had, old)
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


def _given(
    network: TransferNetwork,
    batch: Batch,
    reading: Reading,
    catalogue: Catalogue,
    candidates: Candidates,
    towers: Tensor,
    had: Tensor,
    old: Tensor,
) -> Tensor:
    """Targets of the asked scenario that are new to the user, among its items where items belong to scenarios."""
    rows = torch.arange(len(reading.query))
    query = reading.interests[rows, batch.asked_place]
    chosen = torch.nonzero(batch.target_asked & ~old).squeeze(1)
    if not len(chosen):
        return reading.query.sum() * 0
    owner, target = batch.target_position[chosen], batch.target[chosen]
    if not catalogue.has_homes:
        logits = (query @ towers.T + candidates.log_weight).masked_fill(had, OWN)
        return (torch.logsumexp(logits, 1)[owner] - logits[owner, candidates.place[target]]).mean()
    total, count = reading.query.sum() * 0, 0
    home = catalogue.home[catalogue.candidates]
    fits = catalogue.home[target] == batch.asked_scenario[owner]
    for scenario in torch.unique(batch.asked_scenario[owner[fits]]).tolist():
        members = catalogue.candidates[home == scenario]
        mine = torch.nonzero(fits & (batch.asked_scenario[owner] == scenario)).squeeze(1)
        asking, row = torch.unique(owner[mine], return_inverse=True)
        place = torch.full((len(catalogue.vectors),), -1, dtype=torch.long)
        place[members] = torch.arange(len(members))
        within = torch.zeros(len(reading.query), len(members), dtype=torch.bool)
        column = place[batch.own_item]
        inside = column >= 0
        within[batch.own_position[inside], column[inside]] = True
        logits = query[asking] @ network.items(catalogue.vectors[members], catalogue.ids[members]).T
        logits = logits.masked_fill(within[asking], OWN)
        total = total + (torch.logsumexp(logits, 1)[row] - logits[row, place[target[mine]]]).sum()
        count += len(mine)
    return total / max(count, 1)
