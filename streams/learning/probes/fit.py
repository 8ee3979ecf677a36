"""Lists of items to ask about, fitted on the opinions of users who are not judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streams.errors import EvaluationError
from streams.learning.history import History
from streams.learning.probes.greedy import ChoosingPart, extend
from streams.learning.probes.interviews import Interviews, interviews_of, stacked_interviews
from streams.learning.probes.opinions import LikeRule, Opinions, like_rule, opinions_of
from streams.learning.probes.orders import simple_orders
from streams.learning.probes.people import People, is_answer, people_of
from streams.learning.probes.readout import AnswerCounts, Readout, answer_counts
from streams.learning.split import Split
from transfer.arrays import F64, I64

GREEDY = "greedy"
ASKED = (5, 10, 20)
"""After so many questions lists are compared."""
SHRINKAGES = (3.0, 10.0, 30.0, 100.0)
LEAST_CHOOSING = 50
"""Interviews that choose a list; by fewer it would be theirs alone."""

LEAST_CHOICE = 2
"""A scenario has so many times as many candidates as its list has places: else there is hardly anything to choose."""


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """How lists are made."""

    count: int = 20
    """items of a list, at most"""
    candidates: int = 80
    """best known items that greedy chooses from"""
    items: int = 5000
    """best known items that are ranked; beyond them an item is a miss"""
    least_known: int = 20
    """users who know an item that greedy may choose"""
    draws: int = 2
    """how often the users who choose are halved"""


@dataclass(frozen=True, slots=True, eq=False)
class ProbeMaterial:
    """What lists are made of: nothing of the test part, and nothing of the users who are judged."""

    history: History
    people: People
    opinions: Opinions
    """of the users who are not judged, before the test part"""
    rule: LikeRule


@dataclass(frozen=True, slots=True, eq=False)
class ProbeLists:
    """Lists for all items or those of one scenario, and what answers mean there."""

    items: I64
    """(M,) codes of the items that are ranked, ascending by key: equal scores rank alike however the log is coded"""
    readout: Readout
    """by all users who are not judged"""
    lists: Mapping[str, I64]
    """method -> rows of the readout's `asked`, the first to be asked first"""
    gains: F64
    """what each question of the list `GREEDY` added to the NDCG@10 of the users who chose it"""
    shrinkage: float
    counts: AnswerCounts

    def items_of(self, method: str) -> I64:
        """Codes of the items of a list."""
        return self.items[self.readout.asked[self.lists[method]]]


def probe_material(history: History, split: Split, weights: F64, seed: int) -> ProbeMaterial:
    """Split the users by `seed`, and read the opinions of those who are not judged before the test part. weights: (A,) of the
    actions.

    Raises:
        EvaluationError: there are no opinions.
    """
    people = people_of(history, seed)
    until = float(history.time[split.test].min()) if len(split.test) else np.inf
    opinions = opinions_of(history, split.before_test, weights, until).among(people.others)
    if not len(opinions.user):
        raise EvaluationError("no event before the test part names an item; there is nothing to ask about")
    return ProbeMaterial(history, people, opinions, like_rule(opinions))


def fit_lists(
    material: ProbeMaterial, plan: ProbePlan, rng: np.random.Generator, scenario: int | None = None
) -> ProbeLists | None:
    """The lists of one scenario (its code), or of all items; None where too few users or items tell. rng: of the order
    *random*."""
    history, people, opinions = material.history, material.people, material.opinions
    if scenario is not None:
        opinions = opinions.chosen(history.item_scenario[opinions.item] == scenario)
    liked = material.rule.liked(opinions)
    known = np.bincount(opinions.item, minlength=len(history.items))
    items = _best_known(known, history.item_keys, plan.items)
    likes = np.bincount(opinions.item[liked], minlength=len(history.items))[items]
    orders = simple_orders(known[items], likes, len(people.others), history.item_keys[items], rng)
    candidates = orders["popularity"][: plan.candidates]
    candidates = candidates[known[items][candidates] >= plan.least_known]
    if len(candidates) < (1 if scenario is None else LEAST_CHOICE * plan.count):
        return None
    tops = {name: order[: plan.count] for name, order in orders.items()}
    tops["random"] = orders["random"][np.isin(orders["random"], candidates)][: plan.count]
    asked = np.unique(np.concatenate([candidates, *tops.values()]))
    lists = {name: np.searchsorted(asked, top) for name, top in tops.items()}
    interviews, counts = [], []
    for fold in people.folds:
        interviews.append(_interviews(material, opinions.among(fold), items, plan.draws))
        rest = opinions.chosen(~np.isin(opinions.user, fold))
        users = len(people.others) - len(fold)
        counts.append(answer_counts(rest, material.rule.liked(rest), users, items, asked))
    if sum(map(len, interviews)) < LEAST_CHOOSING * plan.draws:
        return None
    shrinkage = _shrinkage(interviews, counts, lists["most liked"])
    parts = [
        ChoosingPart(one, found.readout(shrinkage)) for one, found in zip(interviews, counts, strict=True)
    ]
    extended = extend(parts, np.searchsorted(asked, candidates), plan.count)
    lists[GREEDY] = extended.questions
    whole = answer_counts(opinions, liked, len(people.others), items, asked)
    return ProbeLists(items, whole.readout(shrinkage), lists, extended.gains, shrinkage, whole)


def _best_known(known: I64, keys: np.ndarray, most: int) -> I64:
    """Codes, ascending by key; of equally known ones those of the lower keys."""
    order = np.lexsort((keys, -known))[:most]
    order = order[known[order] > 0]
    return order[np.argsort(keys[order])]


def _interviews(material: ProbeMaterial, opinions: Opinions, items: I64, draws: int) -> Interviews:
    liked, keys = material.rule.liked(opinions), material.history.item_keys
    return stacked_interviews(
        [
            interviews_of(opinions, liked, is_answer(opinions, material.people.hashes, keys, draw), items)
            for draw in range(draws)
        ]
    )


def _shrinkage(interviews: list[Interviews], counts: list[AnswerCounts], questions: I64) -> float:
    """The one by which a list that hangs on no readout, the most liked, foresees best: mean over `ASKED` of the users who
    choose."""
    value = dict.fromkeys(SHRINKAGES, 0.0)
    for shrinkage in SHRINKAGES:
        for one, found in zip(interviews, counts, strict=True):
            readout = found.readout(shrinkage)
            value[shrinkage] += sum(
                float(one.ndcg(readout.scores(one, questions[:asked])).sum()) for asked in ASKED
            )
    return max(value, key=lambda shrinkage: value[shrinkage])
