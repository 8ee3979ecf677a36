"""A trained model's reasons, against a plain computation over whole matrices, item by item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from streams.serving.mixture_ranker import MixtureRanker, RankedRequests
from support.fakes.learned import random_model, small_log
from transfer.config import InterestConfig
from transfer.counts.config import CountsConfig
from transfer.counts.of_log import LogColumns, counts_of_log
from transfer.learned.item_index import ItemIndex
from transfer.learned.mixture import COMPONENTS, Mixture
from transfer.learned.pool import BACK_OFF, NETWORK, NEXT, SHARES, SMOOTHING
from transfer.learned.requests import mixture_config
from transfer.rows import first_of_each
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates
from transfer.training.states_at import packed_states_at
from transfer.training.walk import baskets

INTEREST = InterestConfig(dim=8, half_lives_s=(600.0, 86400.0, 2592000.0))
COUNTS = CountsConfig(half_lives_s=(3600.0, float("inf")))
ITEMS = 60


@dataclass(frozen=True)
class Asked:
    """A ranker over the items of a small log, and states of its users with what each asks for."""

    ranker: MixtureRanker
    mixture: Mixture
    states: InterestStates
    scenarios: list[str | None]


@pytest.fixture(scope="module", params=[True, False], ids=["departments", "pages"])
def asked(request: pytest.FixtureRequest) -> Asked:
    log = small_log(users=20, events=40, items=ITEMS)
    columns = LogColumns(
        log.offsets,
        log.time,
        log.item,
        log.item_keys,
        log.scenario,
        log.scenario_names,
        first_of_each([log.user, log.item]),
    )
    model = random_model(INTEREST)
    torch.manual_seed(2)
    mixture = Mixture(mixture_config(3, 3, 2, places=6)).eval()
    for value in mixture.parameters():
        torch.nn.init.normal_(value, std=0.5)
    belongs = np.arange(ITEMS, dtype=np.int32) % 3 if request.param else np.full(ITEMS, -1, np.int32)
    index = ItemIndex(
        log.item_keys,
        model.towers(log.item_keys, log.vectors),
        np.arange(ITEMS),
        belongs,
        log.scenario_names,
        counts_of_log(columns, np.arange(len(log)), COUNTS),
    )
    at = baskets(log)[7::13]
    at = at[at > log.offsets[log.user[at]]]
    packed = packed_states_at(log, INTEREST, at)
    states = unpack_states([packed[row] for row in at.tolist()], INTEREST)
    names: list[str | None] = [None, "a", None, "c"]
    return Asked(
        MixtureRanker(model, mixture, index),
        mixture,
        states,
        [names[number % 4] for number in range(states.users)],
    )


def test_reasons_are_those_of_the_plain_computation(asked: Asked) -> None:
    """Source, leading item and lending scenario of every item, asked for all together and for some in any order."""
    found = asked.ranker.score(asked.states, asked.scenarios, 10, explained=True)
    (group,) = found.groups
    sources, leads = set(), 0
    for request in range(asked.states.users):
        parts = plain_parts(group, asked.mixture, request)
        np.testing.assert_allclose(sum(parts.values()), found.scores[request], rtol=1e-4, atol=1e-7)
        shown = np.flatnonzero(found.scores[request] > 0)
        reasons = found.reasons(request, shown)
        some = np.random.default_rng(request).permutation(shown)[:10]
        assert found.reasons(request, some) == [reasons[int(np.flatnonzero(shown == one)[0])] for one in some]
        for column, reason in zip(shown.tolist(), reasons, strict=True):
            share = np.array([parts[name][column] for name in COMPONENTS])
            first, second = np.sort(share)[::-1][:2]
            if first - second > 1e-3 * first:
                assert reason.source == COMPONENTS[int(share.argmax())]
                sources.add(reason.source)
            assert reason.lead == plain_lead(group, request, column)
            leads += reason.lead > 0
            assert reason.lender == plain_lender(group, request, column)
    assert sources >= {"again", "new", "next"} and leads > 100


def plain_follow(group: RankedRequests, request: int) -> np.ndarray:
    """(M, N) what of p_next of each item comes from each place."""
    requests, weights = group.requests, group.ranking.weights
    column = weights.column.numpy()
    dense = [matrix.toarray() for matrix in group.index.transitions]
    follow = np.zeros((requests.places.shape[1], ITEMS), np.float32)
    for place, start in enumerate(requests.places[request].tolist()):
        mass = requests.place_mass[request, place] @ column
        if start >= 0 and mass > 0:
            share = weights.places.numpy()[request, place] / mass
            follow[place] = share * (dense[0][start] * column[0] + dense[1][start] * column[1])
    return follow


def plain_parts(group: RankedRequests, mixture: Mixture, request: int) -> dict[str, np.ndarray]:
    """What each component gives to each item: all of p_new by what sets the item apart, and what own items get besides."""
    requests, index, ranking = group.requests, group.index, group.ranking
    code = int(requests.scenario[request])
    members = [item for item in range(ITEMS) if code < 0 or item in index.members(code)]
    rows = range(*requests.own_offsets[request : request + 2].tolist())
    own = {int(requests.own[row]): row for row in rows}
    follow = plain_follow(group, request).sum(axis=0)[members]
    shares = index.shares(code)[members]
    logs = np.log((shares + SMOOTHING / len(members)) / (1 + SMOOTHING))
    powers = (mixture.pool.powers[int(code >= 0)] * mixture.pool.used).detach().numpy().astype(np.float64)
    likely = np.array([0.0 if item in own else ranking.scores[request, item] for item in members])
    spoken = {
        "new": powers[NETWORK] * (index.towers[members] @ requests.query[request]),
        "next": powers[NEXT] * np.log(follow + np.exp(powers[BACK_OFF] + logs[:, -1])),
        "popular": logs @ powers[SHARES:],
    }
    over = {
        name: np.maximum(part - (likely @ part) / max(likely.sum(), 1e-30), 0)
        for name, part in spoken.items()
    }
    parts = {name: np.zeros(ITEMS) for name in COMPONENTS}
    for place, item in enumerate(members):
        if item in own:
            continue
        heard = {name: over[name][place] for name in over}
        if follow[place] <= 0:
            heard["popular"], heard["next"] = heard["popular"] + heard["next"], 0.0
        heard["new"] += 1e-9
        for name, part in heard.items():
            parts[name][item] = likely[place] * part / sum(heard.values())
    for item, row in own.items():
        parts["again"][item] = np.exp(ranking.weights.gates.numpy()[request, 0]) * np.exp(
            ranking.weights.own.numpy()[row]
        )
        if code >= 0:
            place = members.index(item)
            parts["next"][item] = ranking.gates[request, 2] * follow[place]
            parts["popular"][item] = ranking.gates[request, 3:] @ shares[place, :2]
    return parts


def plain_lead(group: RankedRequests, request: int, column: int) -> int:
    """Key of the latest of the items from which most of p_next comes, 0 where none of it does."""
    best, most = 0, 0.0
    for place, value in enumerate(plain_follow(group, request)[:, column].tolist()):
        if value > most:
            best, most = int(group.index.keys[group.requests.places[request, place]]), value
    return best


def plain_lender(group: RankedRequests, request: int, column: int) -> str:
    """The scenario that the request names, else the one whose part of the query says most for the item."""
    code, names = int(group.requests.scenario[request]), group.states.slot_names(request)
    if code >= 0:
        return group.index.scenarios[code]
    begin = int(group.states.scenario_offsets[request])
    said = [
        group.queries.weights[begin + slot]
        * group.queries.interests[begin + slot]
        @ group.index.towers[column]
        for slot in range(len(names))
    ]
    return names[int(np.argmax(said))] if names else ""
