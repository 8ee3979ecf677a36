"""The mixture over all items: probabilities to rank by, and how much each component says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array

from transfer.arrays import F32
from transfer.learned.mixture import COMPONENTS, Mixture, Weights
from transfer.learned.requests import Requests
from transfer.learned.space import ItemSpace


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Probabilities of B requests over the N items of a space; 0 for items that are no candidates."""

    scores: F32
    """(B, N)"""
    parts: dict[str, F32]
    """component of COMPONENTS -> (B, N), if they were asked for; they sum to the scores"""
    gates: F32
    """(B, G)"""


def rank(requests: Requests, mixture: Mixture, space: ItemSpace, parts: bool = False) -> Ranking:
    """Score all items for a few hundred requests at once.

    *new* is a softmax over the items that are not the user's own, as it was trained.
    """
    with torch.inference_mode():
        weights = mixture(requests.evidence())
    gates = np.exp(weights.gates.numpy())
    total = np.zeros((len(requests), len(space.keys)), np.float32)
    kept: dict[str, F32] = {}
    for name in COMPONENTS:
        part = {"again": _again, "new": _new, "next": _next, "popular": _popular}[name](
            requests, weights, gates, space
        )
        total += part
        if parts:
            kept[name] = part
    return Ranking(total, kept, gates.astype(np.float32))


def _again(requests: Requests, weights: Weights, gates: F32, space: ItemSpace) -> F32:
    part = np.zeros((len(requests), len(space.keys)), np.float32)
    owner = requests.own_request
    part[owner, requests.own] = gates[owner, 0] * np.exp(weights.own.numpy())
    return part


def _new(requests: Requests, weights: Weights, gates: F32, space: ItemSpace) -> F32:
    part = np.zeros((len(requests), len(space.keys)), np.float32)
    logits = new_logits(requests, space)
    for scenario in np.unique(requests.scenario).tolist():
        rows, members = np.flatnonzero(requests.scenario == scenario), space.members(scenario)
        if not len(members):
            continue
        found = logits[np.ix_(rows, members)]
        found = np.exp(found - found.max(axis=1, keepdims=True))
        found /= np.maximum(found.sum(axis=1, keepdims=True), 1e-30)
        part[np.ix_(rows, members)] = gates[rows, 1:2] * found
    return part


def new_logits(requests: Requests, space: ItemSpace) -> F32:
    """(B, N) q . t, -1e9 for the user's own items."""
    logits: F32 = requests.query @ space.towers.T
    logits[requests.own_request, requests.own] = -1e9
    return logits


def _next(requests: Requests, weights: Weights, gates: F32, space: ItemSpace) -> F32:
    column = weights.column.numpy()
    mass = requests.place_mass @ column
    share = np.where(mass > 0, weights.places.numpy() / np.maximum(mass, 1e-9), 0.0) * gates[:, 2:3]
    row, place = np.nonzero((requests.places >= 0) & (share > 0))
    start = csr_array(
        (share[row, place].astype(np.float32), (row, requests.places[row, place])),
        shape=(len(requests), len(space.keys)),
    )
    next_, window = space.transitions
    part: F32 = ((start @ next_) * column[0] + (start @ window) * column[1]).toarray().astype(np.float32)
    if space.has_homes and (requests.scenario >= 0).any():
        outside = (requests.scenario[:, None] >= 0) & (space.home[None, :] != requests.scenario[:, None])
        part[outside] = 0
    return part


def _popular(requests: Requests, weights: Weights, gates: F32, space: ItemSpace) -> F32:
    part = np.zeros((len(requests), len(space.keys)), np.float32)
    for scenario in np.unique(requests.scenario).tolist():
        rows = np.flatnonzero(requests.scenario == scenario)
        members = space.members(scenario)
        part[np.ix_(rows, members)] = gates[rows, 3:] @ space.shares(scenario)[members].T
    return part
