"""Fitting of the mixture on positions that the network was not trained on, so that its gates know how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from transfer.arrays import F32, I64
from transfer.codes import NONE
from transfer.learned.item_index import ItemIndex, picked
from transfer.learned.mixture import (
    FAINT,
    Mixture,
    MixtureConfig,
    TargetEvidence,
    log_counted,
    log_likelihood,
)
from transfer.learned.ranking import ScenarioCandidates, candidates_by_scenario, follow_shares
from transfer.learned.requests import Requests
from transfer.rows import offsets_of, owners, positions_in, rows_of
from transfer.training.config import TrainConfig

BATCH = 256
PATIENCE = 4
GAIN = 3e-4
"""Nats a target that an epoch must gain for the ascent to continue."""
OWN_ROWS = 2_000_000
"""Most own items that are learned from in an epoch: users with hundreds of them need fewer requests."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Requests, and what each component needs to tell the probability of their T targets."""

    requests: Requests
    target_offsets: I64
    own_row: I64
    """(T,) row of the target among all own items, -1: it is none"""
    log_new: F32
    """(T, K) log p_new at each temperature"""
    follow: F32
    """(T, M, 2) transitions from each place to the target"""
    shares: F32
    """(T, H)"""
    own_share: F32
    """(B, 1 + H) the part of p_next and of each share that own items have"""
    candidates: I64
    """(B,) how many items compete for each request"""

    @property
    def uniform_loss(self) -> float:
        """Mean negative log likelihood, were all items as likely: what anything must beat."""
        return float(np.log(self.candidates)[owners(self.target_offsets)].mean())

    def evidence(self, place_mass: torch.Tensor) -> TargetEvidence:
        """As the likelihood takes it; place_mass (B, M, 2) as in the requests."""
        return TargetEvidence(
            torch.from_numpy(owners(self.target_offsets)),
            torch.from_numpy(self.own_row),
            torch.from_numpy(self.log_new),
            torch.from_numpy(self.follow),
            torch.from_numpy(self.shares),
            place_mass,
            torch.from_numpy(self.own_share),
        )


def judged(
    requests: Requests, target_offsets: I64, target: I64, index: ItemIndex, mixture: Mixture | None
) -> Judged:
    """What components say of targets (T,), codes of candidates; *new* by the pool of `mixture`, without one nothing."""
    owner = owners(target_offsets)
    rungs = 1 if mixture is None else mixture.config.ladder.size
    log_new = np.full((len(target), rungs), np.log(FAINT), np.float32)
    horizons = index.counts.horizons
    shares = np.zeros((len(target), horizons), np.float32)
    own_share = np.zeros((len(requests), 1 + horizons), np.float32)
    candidates = np.ones(len(requests), np.int64)
    for scenario in np.unique(requests.scenario).tolist():
        candidates[requests.scenario == scenario] = max(len(index.members(scenario)), 1)
        of_scenario = np.flatnonzero(requests.scenario[owner] == scenario)
        shares[of_scenario] = index.shares_at(scenario, target[of_scenario])[:, :horizons]
    if mixture is not None:
        with torch.inference_mode():
            weights = mixture(requests.mixture_input())
            for group in candidates_by_scenario(
                requests, follow_shares(requests, weights, index), index, mixture.config
            ):
                among, row, place = targets_among(group, owner, target)
                log_new[among] = group.log_rungs(mixture, row, place).numpy()
                own_share[group.rows] = group.own_share(horizons)
    places = requests.places[owner]
    valid = places >= 0
    follow = np.zeros((*places.shape, 2), np.float32)
    rows, columns = places[valid], np.repeat(target, places.shape[1]).reshape(places.shape)[valid]
    for column, transitions in enumerate(index.transitions):
        part = np.zeros(places.shape, np.float32)
        part[valid] = picked(transitions, rows, columns)
        follow[:, :, column] = part
    width = len(index.keys)
    key = requests.own_request * width + requests.own
    own_row = positions_in(key, owner * width + target, np.argsort(key))
    if mixture is not None and not mixture.config.use_again:
        own_row[:] = NONE  # they compete like all others
    return Judged(requests, target_offsets, own_row, log_new, follow, shares, own_share, candidates)


def targets_among(candidates: ScenarioCandidates, owner: I64, target: I64) -> tuple[I64, I64, I64]:
    """Which targets (T,) of requests `owner` are among these candidates, and their places there: row and column."""
    row_of = np.full(max(int(owner.max(initial=-1)), int(candidates.rows.max(initial=-1))) + 1, NONE)
    row_of[candidates.rows] = np.arange(len(candidates.rows))
    column = positions_in(candidates.members, target)
    mine = np.flatnonzero((row_of[owner] >= 0) & (column >= 0))
    return mine, row_of[owner[mine]], column[mine]


def join_judged(parts: list[Judged]) -> Judged:
    """Many blocks as one."""
    own_starts = np.concatenate([[0], np.cumsum([len(part.requests.own) for part in parts])])
    sizes = [np.diff(part.requests.own_offsets) for part in parts]
    columns = {
        each.name: np.concatenate([getattr(part.requests, each.name) for part in parts])
        for each in fields(Requests)
        if each.name not in ("own_offsets", "declared", "declared_beside")  # no log has what users declare
    }
    own_rows = [
        np.where(part.own_row >= 0, part.own_row + start, NONE)
        for part, start in zip(parts, own_starts[:-1].tolist(), strict=True)
    ]
    return Judged(
        Requests(own_offsets=offsets_of(np.concatenate(sizes)), **columns),
        offsets_of(np.concatenate([np.diff(part.target_offsets) for part in parts])),
        np.concatenate(own_rows),
        np.concatenate([part.log_new for part in parts]),
        np.concatenate([part.follow for part in parts]),
        np.concatenate([part.shares for part in parts]),
        np.concatenate([part.own_share for part in parts]),
        np.concatenate([part.candidates for part in parts]),
    )


def chosen(judged: Judged, rows: I64) -> Judged:
    """Some of the requests (ascending)."""
    requests = judged.requests
    own, own_offsets = rows_of(requests.own_offsets, rows)
    targets, target_offsets = rows_of(judged.target_offsets, rows)
    # The own items of a request stay together: its rows move as one. (A table of all rows would cost more than the fit.)
    shift = (own_offsets[:-1] - requests.own_offsets[rows])[owners(target_offsets)]
    own_row = judged.own_row[targets]
    return Judged(
        replace(
            requests,
            scenario=requests.scenario[rows],
            user=requests.user[rows],
            scenario_features=requests.scenario_features[rows],
            own_offsets=own_offsets,
            own=requests.own[own],
            own_features=requests.own_features[own],
            places=requests.places[rows],
            place_features=requests.place_features[rows],
            place_mass=requests.place_mass[rows],
            query=requests.query[rows],
            others=requests.others[rows],
        ),
        target_offsets,
        np.where(own_row >= 0, own_row + shift, NONE),
        judged.log_new[targets],
        judged.follow[targets],
        judged.shares[targets],
        judged.own_share[rows],
        judged.candidates[rows],
    )


def fit_counted(
    config: MixtureConfig, data: Judged, train: TrainConfig, holdout: float = 0.2
) -> tuple[Mixture, list[dict[str, float]]]:
    """A mixture of the counted components alone, as if there were no network; the last `holdout` of the requests (in order
    of time) tells when to stop.

    `data` may be requests that the network was trained on: it knows these answers too well to be weighed by them.
    """
    torch.manual_seed(train.seed)
    mixture = Mixture(config)
    blind = replace(data, requests=replace(data.requests, own_features=_without_network(data)))
    return mixture, _ascend(mixture, blind, train, holdout, train.mixture_rate, counted=True)


def fit_mixture(
    mixture: Mixture, data: Judged, train: TrainConfig, holdout: float = 0.2
) -> list[dict[str, float]]:
    """All of it, from where `fit_counted` and `fit_pool` have brought it; `data` as judged by its own pool.

    The last `holdout` of the requests tells for how many epochs; then all of them are learned for so many, since the last ones
    are nearest to what will be asked.
    """
    # The pool stays as it was when it judged the data.
    parameters = [value for name, value in mixture.named_parameters() if not name.startswith("pool.")]
    start = {name: value.clone() for name, value in mixture.state_dict().items()}
    torch.manual_seed(train.seed)
    curve = _ascend(mixture, data, train, holdout, train.mixture_rate / 3, False, parameters)
    epochs = 1 + min(range(len(curve)), key=lambda epoch: curve[epoch]["validation_loss"])
    mixture.load_state_dict(start)
    torch.manual_seed(train.seed)
    again = train.model_copy(update={"mixture_epochs": epochs})
    _ascend(mixture, data, again, 0.0, train.mixture_rate / 3, False, parameters)
    return curve


def _without_network(data: Judged) -> F32:
    """Features of own items with the network's opinion, the last one, taken out."""
    features = data.requests.own_features.copy()
    features[:, -1] = 0
    return features


def _ascend(
    mixture: Mixture,
    data: Judged,
    train: TrainConfig,
    holdout: float,
    rate: float,
    counted: bool,
    parameters: list[torch.nn.Parameter] | None = None,
) -> list[dict[str, float]]:
    """Climb to the greatest likelihood; the best of all epochs stays in `mixture`, with a `holdout` of 0 the last one."""
    rng = np.random.default_rng(train.seed)
    optimizer = torch.optim.AdamW(parameters or mixture.parameters(), lr=rate, weight_decay=1e-3)
    count = len(data.requests)
    cut = max(1, min(count - 1, round(count * (1 - holdout)))) if holdout else count
    step = -(-len(data.requests.own) // OWN_ROWS) or 1
    learn, judge = np.arange(0, cut, step), np.arange(cut, count, step)
    best, kept, waited = np.inf, {name: value.clone() for name, value in mixture.state_dict().items()}, 0
    curve: list[dict[str, float]] = []
    for epoch in range(train.mixture_epochs):
        mixture.train()
        order = rng.permutation(learn)
        total, seen = 0.0, 0
        for begin in range(0, len(order), BATCH):
            likelihood = _likelihood(mixture, chosen(data, np.sort(order[begin : begin + BATCH])), counted)
            if not len(likelihood):
                continue
            optimizer.zero_grad()
            (-likelihood.mean()).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(mixture.parameters(), train.gradient_norm)
            optimizer.step()
            total, seen = total - float(likelihood.detach().sum()), seen + len(likelihood)
        if not holdout:
            continue
        value = evaluate_mixture(mixture, data, judge, counted)
        row = {"epoch": float(epoch), "loss": total / max(seen, 1), "validation_loss": value}
        curve.append({**row, "counted": float(counted)})
        if value < best - GAIN:
            best, waited = value, 0
            kept = {name: tensor.clone() for name, tensor in mixture.state_dict().items()}
        else:
            waited += 1
            if waited >= PATIENCE:
                break
    if holdout:
        mixture.load_state_dict(kept)
    mixture.eval()
    return curve


def evaluate_mixture(mixture: Mixture, data: Judged, rows: I64, counted: bool = False) -> float:
    """Mean negative log likelihood of the targets of some requests."""
    mixture.eval()
    total, seen = 0.0, 0
    with torch.inference_mode():
        for begin in range(0, len(rows), 4 * BATCH):
            found = _likelihood(mixture, chosen(data, rows[begin : begin + 4 * BATCH]), counted)
            total, seen = total - float(found.sum()), seen + len(found)
    return total / max(seen, 1)


def _likelihood(mixture: Mixture, data: Judged, counted: bool) -> torch.Tensor:
    inputs = data.requests.mixture_input()
    found = mixture(inputs, counted)
    return (log_counted if counted else log_likelihood)(found, data.evidence(inputs.place_mass))
