"""What to show a user by a trained model's mixture: probabilities over all items, and for each its strongest component.

The mixture is that of `transfer.learned.mixture`. An item's source is the component that gives most of its probability; what
*new* gives counts for the part of it that sets the item apart most from others that are likely: *new* the transferred
interest, *next* what follows the latest items, *popular* what everybody takes; *again* are the user's own items. This is the
very ranking that `driftline evaluate` measures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from streams.serving.because import Because, Reasons
from streams.serving.served_items import Served
from transfer.arrays import F32, I64
from transfer.codes import NONE, OPEN
from transfer.learned.item_index import ItemIndex, picked
from transfer.learned.mixture import Mixture
from transfer.learned.model import LearnedModel
from transfer.learned.ranking import rank
from transfer.learned.requests import Requests, requests_of
from transfer.state.states import InterestStates


@dataclass(frozen=True, slots=True)
class MixedItem:
    """An item of the answer. scenario: the one it belongs to; score: its probability; parts: how much of it each component
    gives."""

    code: int
    scenario: str
    score: float
    source: str
    parts: dict[str, float]
    because: Because | None


def recommend_mixed(
    states: InterestStates,
    model: LearnedModel,
    mixture: Mixture,
    served: Served,
    reasons: Reasons,
    k: int,
    scenario: str | None,
    allowed: I64,
) -> list[MixedItem]:
    """The best `k` of the codes `allowed` for the user of `states` (one row), best first; ties by code."""
    space, code = served.asked(scenario)
    requests = requests_of(states, np.array([code], np.int32), model, space, mixture.config.places)
    ranking = rank(requests, mixture, space, parts=True)
    scores = ranking.scores[0][allowed]
    order = np.lexsort((allowed, -scores))
    chosen: list[int] = []
    looks: set[tuple[str, str, float]] = set()
    for at in order.tolist():
        item = served.items[int(allowed[at])]
        # Items of one content have one vector: in a list of ten they would be one choice ten times.
        look = (item.title or item.item_id, served.scenario_of(int(allowed[at]), space), float(scores[at]))
        if scores[at] <= 0 or len(chosen) == k:
            break
        if look not in looks:
            looks.add(look)
            chosen.append(int(allowed[at]))
    codes = np.array(chosen, np.int64)
    leads = _leads(requests, mixture, space, codes)
    lenders = _lenders(states, model, space, codes)
    found = []
    for row, at in enumerate(chosen):
        parts = {name: float(part[0, at]) for name, part in ranking.parts.items()}
        source = max(parts, key=parts.__getitem__)
        lender = scenario if code != OPEN and scenario is not None else lenders[row]
        own = served.scenario_of(at, space)
        because = _because(source, at, served, reasons, int(leads[row]), lender, own)
        found.append(MixedItem(at, own, float(ranking.scores[0, at]), source, parts, because))
    return found


def _because(
    source: str, code: int, served: Served, reasons: Reasons, lead: int, lender: str, own: str
) -> Because | None:
    """lead: code of the item that leads to it, -1 for none. lender: the scenario whose interest it answers.
    own: the scenario that it belongs to."""
    item = served.items[code]
    if source == "again":
        return reasons.of_own(item.key)
    if source == "next" and lead >= 0:
        return reasons.of_leading(served.items[lead].key)
    if source == "new":
        event = None if item.vector is None else reasons.of_vector(item.vector, lender)
        return event or Because(lender)
    return Because(own)


def _lenders(states: InterestStates, model: LearnedModel, space: ItemIndex, codes: I64) -> list[str]:
    """(C,) for each code the scenario s whose w_s T_s . t is greatest: of the query's parts the one that it answers most."""
    names = states.slot_names(0)
    if not names:
        return [""] * len(codes)
    found = model.queries(states)
    share = space.towers[codes] @ (found.weights[:, None] * found.interests).T
    return [names[slot] for slot in share.argmax(axis=1).tolist()]


def _leads(requests: Requests, mixture: Mixture, space: ItemIndex, codes: I64) -> I64:
    """(C,) code of the latest item from which most of p_next of each code comes, -1 where none leads to it."""
    with torch.inference_mode():
        weights = mixture(requests.evidence())
    column, share = weights.column.numpy(), weights.places.numpy()[0]
    mass = requests.place_mass[0] @ column
    best, most = np.full(len(codes), NONE), np.zeros(len(codes), np.float32)
    for place in np.flatnonzero((requests.places[0] >= 0) & (mass > 0)).tolist():
        start = np.full(len(codes), requests.places[0, place])
        next_, window = (picked(matrix, start, codes) for matrix in space.transitions)
        value: F32 = share[place] / mass[place] * (next_ * column[0] + window * column[1])
        better = value > most
        best[better], most[better] = start[better], value[better]
    return best
