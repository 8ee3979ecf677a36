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

from transfer.codes import NONE
from transfer.learned.mixture import segment_logsumexp
from transfer.learned.network import Reading, TransferNetwork
from transfer.learned.temperatures import OWN
from transfer.training.batches import TrainingBatch
from transfer.training.config import TrainConfig

ASKED_SAMPLES = 2048
"""Items that requests for a scenario are judged against, of more than twice as many."""


@dataclass(slots=True)
class StepCandidates:
    """Items that compete in a step."""

    items: Tensor
    """(C,) codes, ascending"""
    log_weight: Tensor
    """(C,) log of how many items each stands for"""

    def columns(self, items: Tensor) -> Tensor:
        """Column of each of some items among these, -1 for one that does not compete."""
        at = torch.searchsorted(self.items, items).clamp_max(len(self.items) - 1)
        return torch.where(self.items[at] == items, at, NONE)


@dataclass(slots=True)
class ItemTensors:
    """All items: base vectors (N, D), rows of the id table (N,), scenarios of the items (N,), those that compete (M,)."""

    vectors: Tensor
    ids: Tensor
    item_scenario: Tensor
    candidates: Tensor
    head: Tensor
    """(H,) the most frequent of them: they always compete, since most of the softmax is theirs"""

    @property
    def has_item_scenarios(self) -> bool:
        """Whether items belong to scenarios."""
        return bool((self.item_scenario >= 0).any())


def draw_candidates(
    catalogue: ItemTensors, targets: Tensor, config: TrainConfig, generator: torch.Generator
) -> StepCandidates:
    """All candidates, or above `full_softmax_items` the targets, the most frequent items and a uniform sample of the rest."""
    every = catalogue.candidates
    if len(every) <= config.full_softmax_items:
        return StepCandidates(every, torch.zeros(len(every), device=every.device))
    sampled = every[torch.randint(len(every), (config.samples,), generator=generator).to(every.device)]
    return _joined(torch.cat([targets, catalogue.head]), sampled, len(every))


def _joined(wanted: Tensor, sampled: Tensor, count: int) -> StepCandidates:
    """Some items, each for itself, and a sample that stands for the rest of `count` items."""
    wanted = torch.unique(wanted)
    sampled = torch.unique(sampled[~torch.isin(sampled, wanted)])
    rest = math.log(max(count - len(wanted), 1) / max(len(sampled), 1))
    items = torch.cat([wanted, sampled])
    weight = torch.cat([torch.zeros_like(wanted), torch.ones_like(sampled)]) * rest
    order = torch.argsort(items)
    return StepCandidates(items[order], weight[order])


def loss(
    network: TransferNetwork,
    batch: TrainingBatch,
    reading: Reading,
    catalogue: ItemTensors,
    candidates: StepCandidates,
    config: TrainConfig,
) -> dict[str, Tensor]:
    """Mean losses: "new", "repeat", "given", "scenario"; zero where a batch has no such target."""
    towers = network.items(catalogue.vectors[candidates.items], catalogue.ids[candidates.items])
    target, owner = candidates.columns(batch.target), batch.target_position
    zero = reading.query.sum() * 0
    losses = {"new": zero, "repeat": zero, "given": zero, "scenario": zero}
    logits = reading.query @ towers.T + candidates.log_weight
    hit = logits[owner, target]
    own = candidates.columns(batch.own_item)
    among, had = _without_own(logits, batch.own_position, own)
    old = _is_own(batch, own, target, len(candidates.items))
    if (~old).any():
        losses["new"] = (among[owner] - hit)[~old].mean()
    if config.repeat_loss and old.any():
        every = torch.logaddexp(among, had)
        losses["repeat"] = (every[owner] - hit)[old].mean()
    if not network.config.use_slots:
        return losses
    if config.given_loss:
        losses["given"] = _given(network, batch, reading, catalogue, candidates, towers, old)
    if config.scenario_loss:
        has_slot = batch.target_slot >= 0
        if has_slot.any():
            logs = F.log_softmax(reading.logits.masked_fill(reading.logits == -torch.inf, OWN), dim=1)
            chosen = logs[owner[has_slot], batch.target_slot[has_slot]]
            # A slot that dropout hides has no weight to learn.
            seen = chosen > OWN / 2
            if seen.any():
                losses["scenario"] = -chosen[seen].mean()
    return losses


def _without_own(logits: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """(P,) log of the sum of exp over the items that the user never had, and over those that the user had.

    row, column (O,): the users' own items, column -1 for one that does not compete. Writes over `logits`: a second copy of
    this matrix, or a mask of its size, takes longer than all of the network.
    """
    inside = column >= 0
    row, column = row[inside], column[inside]
    own = segment_logsumexp(logits[row, column], row, len(logits))
    logits.index_put_((row, column), logits.new_tensor(OWN))
    return torch.logsumexp(logits, dim=1), own


def _is_own(batch: TrainingBatch, column: Tensor, target: Tensor, width: int) -> Tensor:
    """(T,) whether the user had the target before."""
    inside = column >= 0
    own = batch.own_position[inside] * width + column[inside]
    return torch.isin(batch.target_position * width + target, own)


def _given(
    network: TransferNetwork,
    batch: TrainingBatch,
    reading: Reading,
    catalogue: ItemTensors,
    candidates: StepCandidates,
    towers: Tensor,
    old: Tensor,
) -> Tensor:
    """Targets of the asked scenario that are new to the user, among its items where items belong to scenarios."""
    rows = torch.arange(len(reading.query), device=towers.device)
    query = reading.interests[rows, batch.asked_slot]
    chosen = torch.nonzero(batch.target_asked & ~old).squeeze(1)
    if not len(chosen):
        return reading.query.sum() * 0
    owner, target = batch.target_position[chosen], batch.target[chosen]
    if not catalogue.has_item_scenarios:
        few = _fewer(candidates, target, catalogue.head)
        logits = query @ towers[candidates.columns(few.items)].T + few.log_weight
        hit = logits[owner, few.columns(target)]
        among, _ = _without_own(logits, batch.own_position, few.columns(batch.own_item))
        return (among[owner] - hit).mean()
    total, count = reading.query.sum() * 0, 0
    item_scenario = catalogue.item_scenario[catalogue.candidates]
    fits = catalogue.item_scenario[target] == batch.asked_scenario[owner]
    own_item_scenario = catalogue.item_scenario[batch.own_item]
    asked_own = batch.asked_scenario[batch.own_position] == own_item_scenario
    for scenario in torch.unique(batch.asked_scenario[owner[fits]]).tolist():
        mine = torch.nonzero(fits & (batch.asked_scenario[owner] == scenario)).squeeze(1)
        members = catalogue.candidates[item_scenario == scenario]
        head = catalogue.head[catalogue.item_scenario[catalogue.head] == scenario]
        few = _fewer(StepCandidates(members, towers.new_zeros(len(members))), target[mine], head)
        asking, row = torch.unique(owner[mine], return_inverse=True)
        towers_here = network.items(catalogue.vectors[few.items], catalogue.ids[few.items])
        logits = query[asking] @ towers_here.T + few.log_weight
        hit = logits[row, few.columns(target[mine])]
        had = torch.nonzero(asked_own & (own_item_scenario == scenario)).squeeze(1)
        at = torch.searchsorted(asking, batch.own_position[had]).clamp_max(len(asking) - 1)
        had, at = had[asking[at] == batch.own_position[had]], at[asking[at] == batch.own_position[had]]
        among, _ = _without_own(logits, at, few.columns(batch.own_item[had]))
        total = total + (among[row] - hit).sum()
        count += len(mine)
    return total / max(count, 1)


def _fewer(candidates: StepCandidates, targets: Tensor, head: Tensor) -> StepCandidates:
    """The targets, the head and every n-th other candidate, weighed for the rest: the same softmax at a part of its cost."""
    every = candidates.items
    if len(every) <= 2 * ASKED_SAMPLES or bool((candidates.log_weight != 0).any()):
        return candidates
    start = int(torch.randint(len(every), (1,)))
    step = len(every) // ASKED_SAMPLES
    at = (start + step * torch.arange(ASKED_SAMPLES, device=every.device)) % len(every)
    return _joined(torch.cat([targets, head]), every[at], len(every))
