"""The mixture: probabilities that sum to one, own items and all others judged alike in training and in ranking."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from support.fakes.learned import random_model, small_log
from transfer.config import InterestConfig
from transfer.counts.config import CountsConfig
from transfer.counts.of_log import LogColumns, counts_of_log
from transfer.learned.item_index import TRANSITIONS, ItemIndex, own_count_features
from transfer.learned.mixture import COMPONENTS, Mixture, log_likelihood, segment_logsumexp
from transfer.learned.pool import BACK_OFF, Pool, log_shares
from transfer.learned.ranking import Ranking, ScenarioCandidates, rank
from transfer.learned.requests import Requests, mixture_config, requests_of
from transfer.rows import first_of_each
from transfer.state.packing import unpack_states
from transfer.training.config import TrainConfig
from transfer.training.mixture_stage import chosen, join_judged, judged
from transfer.training.pool_stage import cases, fit_pool, pool_cases
from transfer.training.shortlist import join_shortlists as joined_lists
from transfer.training.shortlist import shortlist
from transfer.training.states_at import packed_states_at
from transfer.training.walk import baskets

CONFIG = InterestConfig(dim=8, half_lives_s=(600.0, 86400.0, 2592000.0))
COUNTS = CountsConfig(half_lives_s=(3600.0, float("inf")))


def story(in_scenarios: bool, **settings: object) -> tuple[Requests, ItemIndex, Mixture, np.ndarray]:
    """Requests at late baskets of a small log, open ones and ones that name a scenario; items that came next."""
    log = small_log()
    rows = np.arange(len(log))
    columns = LogColumns(
        log.offsets,
        log.time,
        log.item,
        log.item_keys,
        log.scenario,
        log.scenario_names,
        first_of_each([log.user, log.item]),
    )
    counts = counts_of_log(columns, rows, COUNTS)
    model = random_model(CONFIG)
    torch.manual_seed(1)
    mixture = Mixture(mixture_config(3, 3, 2, places=4, **settings)).eval()
    for value in mixture.parameters():
        torch.nn.init.normal_(value, std=0.5)
    item_scenario = np.arange(20, dtype=np.int32) % 3 if in_scenarios else np.full(20, -1, np.int32)
    index = ItemIndex(
        log.item_keys,
        model.towers(log.item_keys, log.vectors),
        np.arange(20),
        item_scenario,
        log.scenario_names,
        counts,
    )
    at = baskets(log)[5::11]
    at = at[at > log.offsets[log.user[at]]]
    packed = packed_states_at(log, CONFIG, at)
    states = unpack_states([packed[row] for row in at.tolist()], CONFIG)
    target = log.item[at].astype(np.int64)
    scenario = np.where(np.arange(len(at)) % 2 == 0, -1, log.scenario[at]).astype(np.int32)
    return requests_of(states, scenario, model, index, 4), index, mixture, target


def parts_of(found: Ranking, mixture: Mixture) -> dict[str, np.ndarray]:
    """Component -> (B, N) what it gives to every item."""
    count, width = found.scores.shape
    rows = [found.parts(mixture, row, np.arange(width)) for row in range(count)]
    return {name: np.stack([row[name] for row in rows]) for name in COMPONENTS}


@pytest.mark.parametrize("in_scenarios", [True, False])
def test_probabilities_of_all_items_sum_to_one_at_most(in_scenarios: bool) -> None:
    """What is missing to one is what counts have cut off or said of items that are not candidates."""
    requests, index, mixture, _ = story(in_scenarios)
    found = rank(requests, mixture, index, explained=True)
    np.testing.assert_allclose(sum(parts_of(found, mixture).values()), found.scores, atol=1e-6)
    some = np.array([7, 3, 12])
    for row in range(len(requests)):
        whole, part = found.parts(mixture, row, np.arange(20)), found.parts(mixture, row, some)
        for name in COMPONENTS:
            np.testing.assert_allclose(part[name], whole[name][some], rtol=1e-6)
    total = found.scores.sum(axis=1)
    assert (found.scores >= 0).all() and (total <= 1 + 1e-4).all() and (total > 0.9).all()
    assert not requests.others.all() or not in_scenarios
    np.testing.assert_allclose(found.gates.sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("in_scenarios", [True, False])
def test_training_judges_by_the_probabilities_that_ranking_gives(in_scenarios: bool) -> None:
    """The likelihood of an item is the logarithm of its score, for open requests and in a scenario, own items and others."""
    requests, index, mixture, _ = story(in_scenarios)
    for row in range(len(requests)):
        members = index.members(int(requests.scenario[row]))
        one = chosen(
            judged(requests, np.zeros(len(requests) + 1, np.int64), members[:0], index, mixture),
            np.array([row]),
        )
        data = judged(one.requests, np.array([0, len(members)]), members, index, mixture)
        inputs = one.requests.mixture_input()
        with torch.inference_mode():
            found = log_likelihood(mixture(inputs), data.evidence(inputs.place_mass)).numpy()
        scores = rank(one.requests, mixture, index).scores[0, members]
        np.testing.assert_allclose(np.exp(found), scores, rtol=2e-3, atol=1e-7)


def test_a_request_in_a_scenario_is_about_its_items_alone() -> None:
    """Where items belong to scenarios all others have probability 0."""
    requests, index, mixture, _ = story(in_scenarios=True)
    scores = rank(requests, mixture, index).scores
    for row in np.flatnonzero(requests.scenario >= 0).tolist():
        outside = index.item_scenario != requests.scenario[row]
        assert scores[row, outside].max() == 0
    assert (requests.scenario >= 0).any()


def test_components_can_be_left_out() -> None:
    """The ablations: a component that is off has no part in any score."""
    for setting, part in (("use_again", "again"), ("use_next", "next")):
        requests, index, mixture, _ = story(True, **{setting: False})
        found = rank(requests, mixture, index, explained=True)
        assert parts_of(found, mixture)[part].max() == 0 and np.median(found.scores.sum(axis=1)) > 0.9


@pytest.mark.parametrize("use_new", [True, False])
def test_without_the_network_counting_alone_foresees_new_items(use_new: bool) -> None:
    """Then other queries give the same probabilities, and with the network others."""
    requests, index, mixture, _ = story(True, use_new=use_new)
    other = replace(requests, query=-requests.query)
    found, again = (
        parts_of(rank(each, mixture, index, explained=True), mixture)["new"] for each in (requests, other)
    )
    assert found.max() > 0 and np.allclose(found, again) is not use_new


@pytest.mark.parametrize("in_scenarios", [True, False])
def test_new_items_are_a_distribution_over_what_the_user_never_had(in_scenarios: bool) -> None:
    """The pool of an open request sums to its gate over the candidates that are not the user's own."""
    requests, index, mixture, _ = story(in_scenarios)
    found = rank(requests, mixture, index, explained=True)
    open_ = requests.scenario < 0
    new = (found.scores - parts_of(found, mixture)["again"])[open_]
    own_new = np.isin(requests.own_request, np.flatnonzero(open_))
    place = np.cumsum(open_)[requests.own_request] - 1
    assert new[place[own_new], requests.own[own_new]].max() <= 1e-6
    some = np.bincount(requests.own_request, minlength=len(requests))[open_] < len(index.candidates)
    np.testing.assert_allclose(new.sum(axis=1), found.gates[open_, 1] * some, rtol=1e-4, atol=1e-6)
    assert (found.gates[open_, 2:] == 0).all() and found.gates[~open_, 2:].max() > 0


def test_without_again_own_items_compete_like_all_others() -> None:
    """The ablation ranks all items by the pool, and is fitted as it ranks."""
    requests, index, mixture, target = story(True, use_again=False)
    found = rank(requests, mixture, index)
    assert found.scores[requests.own_request, requests.own].min() > 0
    np.testing.assert_allclose(found.scores[requests.scenario < 0].sum(axis=1), 1.0, atol=1e-4)
    after = judged(requests, np.arange(len(target) + 1), target, index, mixture)
    open_ = np.flatnonzero(requests.scenario < 0)
    assert (after.own_row < 0).all()
    likely = np.exp(after.log_new + found.weights.rungs.numpy()).sum(axis=1)
    np.testing.assert_allclose(likely[open_], found.scores[open_, target[open_]], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("in_scenarios", [True, False])
def test_what_follows_a_place_is_summed_over_the_items_that_compete(in_scenarios: bool) -> None:
    """Among all items for open requests, among those of the scenario where one is named; nothing follows no place."""
    requests, index, _, _ = story(in_scenarios)
    places, scenario = requests.places, requests.scenario
    assert (places < 0).any() and (scenario < 0).any() and (scenario >= 0).any()
    found = index.follow_mass(places, scenario)
    for column, transitions in enumerate(index.transitions):
        whole = transitions.toarray()
        for row, code in enumerate(scenario.tolist()):
            inside = index.item_scenario == code if in_scenarios and code >= 0 else np.ones(20, np.bool_)
            expected = np.where(places[row] >= 0, whole[places[row]] @ inside, 0)
            np.testing.assert_allclose(found[row, :, column], expected, rtol=1e-5, atol=1e-7)
    assert found[scenario >= 0].any() and found[scenario < 0].any()
    nobody = index.follow_mass(np.full((2, 3), -1), np.array([-1, 0], np.int32))
    assert nobody.shape == (2, 3, 2) and not nobody.any()


def test_own_items_tell_how_often_people_come_back_to_them() -> None:
    """Two items of as many events, one by a user who comes again and again, one by many once: only debuts tell them apart."""
    users = np.array([0] * 6 + list(range(1, 7)))
    item = np.repeat(np.array([0, 1], np.int32), 6)
    keys, time = np.array([11, 12], np.uint64), np.tile(np.arange(6.0), 2)
    debut = first_of_each([users, item])
    offsets = np.append(0, np.cumsum(np.bincount(users)))
    scenario = np.zeros(12, np.int32)
    log = LogColumns(offsets, time, item, keys, scenario, ("a",), debut)
    counts = counts_of_log(log, np.arange(12), COUNTS)
    in_scenarios = np.full(2, -1, np.int32)
    index = ItemIndex(keys, np.zeros((2, 4), np.float32), np.arange(2), in_scenarios, ("a",), counts)
    found = own_count_features(index, np.zeros(2, np.int64), np.arange(2), np.full((1, 3), -1))
    again, once = found[:, TRANSITIONS:]
    np.testing.assert_allclose(again[:2], once[:2], atol=1e-4)
    assert (again[2:] < once[2:] - 0.2).all()


def test_the_source_is_what_sets_an_item_apart() -> None:
    """Not what is large for all likely items: of popular ones, that which follows is there because it follows."""
    pool = Pool(1)
    with torch.no_grad():
        pool.powers.copy_(torch.tensor([[1.0, 1.0, 0.0, 0.5, 0.5]] * 2))
    shares = torch.tensor([[0.3], [0.3], [0.3], [0.1]]).repeat(1, 2)
    logits = torch.tensor([[0.0, 0.0, 2.0, 0.0]])
    follow = torch.tensor([[0.0, 0.9, 0.0, 0.0]])
    logs = log_shares(shares)
    likely = torch.softmax(pool(False, logits, follow, logs), dim=1)
    found = pool.speaks(False, logits, follow, logs, likely, torch.arange(4))
    strongest = torch.stack([found["new"], found["next"], found["popular"]]).argmax(dim=0)[0]
    assert strongest[1:3].tolist() == [1, 0]
    np.testing.assert_allclose(sum(part.detach().numpy() for part in found.values()), 1.0, atol=1e-5)


@pytest.mark.parametrize("setting", ["use_new", "use_next", "use_recent", "use_debuts"])
def test_an_ablated_pool_is_fitted_as_it_ranks(setting: str) -> None:
    """What is left out has no part in the choice of the other powers either."""
    requests, index, mixture, target = story(True, **{setting: False})
    data = cases(requests, np.arange(len(target) + 1), target, index, mixture)
    report = fit_pool(mixture, pool_cases(data, TrainConfig(), 20), TrainConfig())
    for row in report:
        mine = [case for case in data if case.candidates.given == bool(row["given"])]
        with torch.no_grad():
            of_all = mixture.rungs.log_softmax(dim=1)[int(row["given"])].expand(len(requests), -1)
            weights = replace(mixture(requests.mixture_input()), rungs=of_all)
            found = [
                case.candidates.new(mixture, weights)[case.target_row, case.target_column] for case in mine
            ]
        assert row["loss"] == pytest.approx(-float(torch.log(torch.cat(found)).mean()), rel=1e-3, abs=1e-4)
    left_out = {"use_new": [0], "use_next": [1], "use_recent": [3, 5], "use_debuts": [5, 6]}[setting]
    assert (mixture.pool.powers[:, left_out] == 0).all()


def test_the_pool_is_fitted_to_what_came_next() -> None:
    """Its likelihood rises, and what it was fitted on is what ranking multiplies."""
    requests, index, mixture, target = story(True)
    offsets = np.arange(len(target) + 1)
    data = cases(requests, offsets, target, index, mixture)
    report = fit_pool(mixture, pool_cases(data, TrainConfig(), 20), TrainConfig())
    assert [row["given"] for row in report] == [0.0, 1.0]
    assert all(row["ndcg"] >= row["ndcg_of_likeliest"] > 0 for row in report)
    assert (mixture.pool.powers[:, :2] >= 0).all()
    after = judged(requests, offsets, target, index, mixture)
    found = rank(requests, mixture, index)
    open_ = requests.scenario < 0
    new = np.flatnonzero(open_ & (after.own_row < 0) & (found.scores[np.arange(len(target)), target] > 0))
    expected = np.log(found.scores[new, target[new]] / found.gates[new, 1])
    rungs = found.weights.rungs.numpy()[new]
    np.testing.assert_allclose(
        np.logaddexp.reduce(after.log_new[new] + rungs, axis=1), expected, rtol=1e-3, atol=1e-3
    )


def test_some_of_the_requests_are_judged_as_in_the_whole() -> None:
    """Blocks joined and drawn again are the same requests."""
    requests, index, mixture, target = story(True)
    whole = judged(requests, np.arange(len(target) + 1), target, index, mixture)
    twice = join_judged([whole, whole])
    rows = np.array([1, 4, len(target) + 2])
    part = chosen(twice, rows)
    expected = rows % len(target)
    np.testing.assert_array_equal(part.requests.query, requests.query[expected])
    np.testing.assert_array_equal(part.log_new, whole.log_new[expected])
    own = [part.requests.own[row] if row >= 0 else -1 for row in part.own_row.tolist()]
    wanted = [target[row] if whole.own_row[row] >= 0 else -1 for row in expected.tolist()]
    assert own == wanted


def test_logs_of_sums_by_owner() -> None:
    """An owner without values has minus infinity."""
    found = segment_logsumexp(torch.tensor([0.0, 1.0, 1000.0]), torch.tensor([0, 0, 2]), 3)
    np.testing.assert_allclose(found.numpy(), [np.log(1 + np.e), -np.inf, 1000.0], rtol=1e-6)


@pytest.mark.parametrize("in_scenarios", [True, False])
def test_shortlists_rank_as_all_items_do(in_scenarios: bool) -> None:
    """What a list of the best of each part gives a target is what all items give it; some of the requests alone too."""
    requests, index, mixture, target = story(in_scenarios)
    data = cases(requests, np.arange(len(target) + 1), target, index, mixture)
    compared, rng = 0, np.random.default_rng(0)
    for case in data:
        powers = mixture.pool.powers[int(case.candidates.given)].detach()
        with torch.no_grad():
            pooled = case.candidates.pooled(mixture)
        hit = pooled[case.target_row, case.target_column]
        rank = (pooled[case.target_row] > hit.unsqueeze(1)).sum(dim=1)
        expected = torch.where(rank < 20, 1 / torch.log2(rank + 2.0), 0.0)
        part = case.candidates
        whole = shortlist(part, case.target_row, case.target_column, rng, best=20)
        twice = joined_lists([whole, shortlist(part, case.target_row, case.target_column, rng, best=20)])
        np.testing.assert_allclose(whole.gain(whole.pooled(powers)), expected, rtol=1e-5)
        np.testing.assert_allclose(
            twice.gain(twice.pooled(powers)), torch.cat([expected, expected]), rtol=1e-5
        )
        kept = np.arange(len(part.rows)) % 2 == 0
        half = case.some(kept)
        with torch.no_grad():
            np.testing.assert_allclose(half.candidates.pooled(mixture), pooled[torch.from_numpy(kept)])
        assert half.target_column.tolist() == case.target_column[kept[case.target_row]].tolist()
        compared += len(expected)
    assert compared > 10


@pytest.mark.parametrize("in_scenarios", [True, False])
def test_one_power_moved_is_all_powers_anew(in_scenarios: bool) -> None:
    """For each of the powers, up and down; padding stays out of the ranking."""
    requests, index, mixture, target = story(in_scenarios)
    rng = np.random.default_rng(0)
    for case in cases(requests, np.arange(len(target) + 1), target, index, mixture):
        powers = mixture.pool.powers[int(case.candidates.given)].detach()
        one = shortlist(case.candidates, case.target_row, case.target_column, rng, best=3)
        found = joined_lists([one, shortlist(case.candidates, case.target_row, case.target_column, rng)])
        assert not found.there.all()
        before = found.pooled(powers)
        for place in sorted({*range(len(powers))} - {BACK_OFF}):
            for by in (0.3, -0.2):
                other = powers.clone()
                other[place] += by
                moved, computed = found.moved(before, place, by, powers[BACK_OFF]), found.pooled(other)
                for name in ("items", "others", "targets"):
                    torch.testing.assert_close(
                        getattr(moved, name), getattr(computed, name), rtol=1e-4, atol=1e-4
                    )


def test_a_sample_stands_for_the_items_that_no_list_holds() -> None:
    """Powers that put what nobody takes first never look better than they are, though no shortlist holds such items; what its
    best items predict comes out as it does over all items."""
    rng = np.random.default_rng(3)
    requests, items = 64, 5000
    share = np.sort(rng.random(items))[::-1] ** 8
    part = _open_requests(rng, requests, share / share.sum())
    tail, head = rng.integers(4000, items, requests), rng.integers(0, 40, requests)
    for powers, target, alike in (
        ([0.0, 0.0, 0.0, -1.0, 0.0], tail, False),
        ([0.3, 0.0, 0.0, -1.0, 0.0], tail, False),
        ([1.0, 0.0, 0.0, 0.2, 0.3], tail, True),
        ([0.3, 0.0, 0.0, 0.5, 0.5], head, True),
    ):
        found = shortlist(part, np.arange(requests), target, rng)
        assert found.there.shape[1] < 800
        pooled = part.pooled(_with_powers(powers))
        hit = pooled[np.arange(requests), target]
        rank = (pooled > hit.unsqueeze(1)).sum(dim=1)
        exact = torch.where(rank < 20, 1 / torch.log2(rank + 2.0), 0.0).mean()
        gain = float(found.gain(found.pooled(torch.tensor(powers))).mean())
        assert gain <= float(exact) + 0.03
        if alike:
            assert gain == pytest.approx(float(exact), abs=0.01)
        assert float(exact) > 0.05 or target is tail  # the head is predicted, so that alike says something


def test_newcomers_do_not_make_the_unknown_look_likely() -> None:
    """Targets are among a thousand items that nobody took yet: what puts those first finds one in a hundred, and the sample of
    others must not make more of it than that."""
    rng = np.random.default_rng(5)
    requests, items, unknown = 512, 20_000, 1000
    share = np.where(np.arange(items) < items - unknown, rng.random(items) + 0.5, 0.0)
    part = _open_requests(rng, requests, share / share.sum() + 1e-6)
    target = rng.integers(items - unknown, items, requests)
    found = shortlist(part, np.arange(requests), target, rng)
    powers = [0.1, 0.0, 0.0, -1.0, 0.0]
    pooled = part.pooled(_with_powers(powers))
    rank = (pooled > pooled[np.arange(requests), target].unsqueeze(1)).sum(dim=1)
    exact = torch.where(rank < 20, 1 / torch.log2(rank + 2.0), 0.0).mean()
    assert 0 < exact < 0.02
    assert found.gain(found.pooled(torch.tensor(powers))).mean() < exact + 0.005


def _open_requests(rng: np.random.Generator, requests: int, share: np.ndarray) -> ScenarioCandidates:
    """Open requests of users without own items, to whom nothing leads; the network's opinion is noise."""
    items = len(share)
    shares = share.astype(np.float32)[:, None].repeat(2, axis=1)
    return ScenarioCandidates(
        np.arange(requests),
        False,
        np.arange(items),
        rng.standard_normal((requests, items)).astype(np.float32),
        np.zeros((requests, items), np.float32),
        shares,
        log_shares(torch.from_numpy(shares)).numpy(),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
    )


def _with_powers(powers: list[float]) -> Mixture:
    mixture = Mixture(mixture_config(3, 3, 1, places=4))
    mixture.pool.powers.data.copy_(torch.tensor([powers, powers]))
    return mixture.requires_grad_(False)
