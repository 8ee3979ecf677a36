"""Fitting of the pool: how network, transitions and shares are multiplied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from transfer.arrays import I64
from transfer.learned.mixture import Mixture, Weights
from transfer.learned.ranking import Candidates, candidates, follow_shares
from transfer.learned.requests import Requests
from transfer.learned.space import ItemSpace
from transfer.rows import owners
from transfer.training.config import TrainConfig
from transfer.training.mixture_stage import targets_among

BATCH = 64
RATE = 0.02
PATIENCE = 4
ELEMENTS = 100_000_000
"""Most pairs of a request and an item that are held: 8 bytes each."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Some requests of one scenario at one time, and T targets of theirs that are new to them."""

    candidates: Candidates
    weights: Weights
    target_row: I64
    target_column: I64


def pool_requests(config: TrainConfig, items: int) -> int:
    """How many requests are affordable with so many items."""
    return max(BATCH, min(config.pool_queries, ELEMENTS // max(items, 1)))


def cases(
    requests: Requests, target_offsets: I64, target: I64, space: ItemSpace, mixture: Mixture
) -> list[Case]:
    """What the pool is fitted on; places weigh as in `mixture`."""
    owner = owners(target_offsets)
    found = []
    with torch.inference_mode():
        weights = mixture(requests.evidence())
    for part in candidates(requests, follow_shares(requests, weights, space), space):
        _, row, column = targets_among(part, owner, target)
        width = len(part.members)
        new = ~np.isin(row * width + column, part.own_row * width + part.own_column)
        if new.any():
            found.append(Case(part, weights, row[new], column[new]))
    return found


def fit_pool(
    mixture: Mixture, data: list[Case], config: TrainConfig, holdout: float = 0.25
) -> list[dict[str, float]]:
    """Bring the pool of `mixture` to the greatest likelihood of `data`, in order of time; its last part tells when to stop."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    pool = mixture.pool
    optimizer = torch.optim.AdamW(
        [
            {"params": [pool.base], "lr": RATE, "weight_decay": 0.0},
            {"params": [pool.of_state.weight], "lr": RATE / 10, "weight_decay": 0.1},
        ]
    )
    sizes = np.cumsum([len(case.target_row) for case in data])
    cut = int(np.searchsorted(sizes, (1 - holdout) * sizes[-1])) if len(data) > 1 else len(data)
    learn, judge = data[: max(cut, 1)], data[cut:] or data
    best, kept, waited = _loss_of(mixture, judge), _copy(pool), 0
    curve = [{"epoch": -1.0, "validation_loss": best}]
    for epoch in range(config.mixture_epochs):
        for number in rng.permutation(len(learn)).tolist():
            case = learn[number]
            loss = _loss(mixture, case)
            optimizer.zero_grad()
            (loss.sum() / BATCH).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(pool.parameters(), config.gradient_norm)
            optimizer.step()
        value = _loss_of(mixture, judge)
        curve.append({"epoch": float(epoch), "validation_loss": value})
        if value < best - 1e-4:
            best, kept, waited = value, _copy(pool), 0
        else:
            waited += 1
            if waited >= PATIENCE:
                break
    pool.load_state_dict(kept)
    return curve


def _loss(mixture: Mixture, case: Case) -> torch.Tensor:
    found = case.candidates.log_new(case.weights, mixture)
    return -found[torch.from_numpy(case.target_row), torch.from_numpy(case.target_column)]


def _loss_of(mixture: Mixture, data: list[Case]) -> float:
    with torch.no_grad():
        parts = [_loss(mixture, case) for case in data]
    return float(sum(float(part.sum()) for part in parts) / max(sum(map(len, parts)), 1))


def _copy(pool: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in pool.state_dict().items()}
