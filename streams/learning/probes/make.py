"""What `driftline probe` writes: lists fitted on a log before its test part, each with what it is worth to other users."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from streams.errors import EvaluationError
from streams.learning.history import History
from streams.learning.homes import with_homes_of
from streams.learning.probes.figures import cold_start_figures
from streams.learning.probes.fit import (
    GREEDY,
    LEAST_CHOOSING,
    ProbeLists,
    ProbeMaterial,
    ProbePlan,
    fit_lists,
    probe_material,
)
from streams.learning.probes.judged import judged_lists
from streams.learning.probes.opinions import Opinions, opinions_of
from streams.learning.split import Split
from streams.serving.probes import Probe, ProbeList, Probes
from transfer.arrays import F32, I64
from transfer.codes import NONE
from transfer.config import InterestConfig

SCENARIOS = 50
"""Scenarios that may have a list of their own: those with the most events."""
TOLD = 10
"""Items that the file names for each answer."""


def make_probes(
    history: History,
    split: Split,
    interest: InterestConfig,
    plan: ProbePlan = ProbePlan(),  # noqa: B008  # immutable
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Probes:
    """Lists for all items and for each scenario that has enough users and items.

    A quarter of the users, by `seed`, judge: nothing is learned from them, nor from the test part, and their events before the
    test part say what the lists are worth.

    Raises:
        EvaluationError: too few users answer for even one list.
    """
    history = with_homes_of(history, split.before_test)
    weights, tell = interest.action_weights, progress or (lambda line: None)
    material = probe_material(history, split, weights, seed)
    rows, until = split.before_test, float(history.time[split.before_test].max())
    judging = opinions_of(history, rows, weights, until).among(material.people.judged)
    tell("all items")
    rng = np.random.default_rng(seed)
    lists = fit_lists(material, plan, rng)
    if lists is None or not len(lists.lists[GREEDY]):
        raise EvaluationError(
            "too few users know the same items for questions to tell them apart (at least "
            f"{plan.least_known} who know an item, and {LEAST_CHOOSING} who know any); give a longer log"
        )
    overall = _told(material, lists, judging)
    scenarios = {}
    for code in _largest(history, rows):
        tell(history.scenarios[code])
        found = fit_lists(material, plan, rng, code)
        if found is not None and len(found.lists[GREEDY]):
            inside = judging.chosen(history.item_scenario[judging.item] == code)
            scenarios[history.scenarios[code]] = _told(material, found, inside)
    return Probes(
        until=until,
        log=history.identity,
        left_out=split.leaves_out,
        seed=seed,
        users=len(np.unique(material.opinions.user)),
        likes={
            "weight": material.rule.weight,
            "actions": material.rule.actions(interest.action_names, weights),
            "all_alike": material.rule.all_alike,
        },
        overall=overall,
        scenarios=scenarios,
    )


def _largest(history: History, rows: I64) -> Sequence[int]:
    """Codes of the scenarios that have items, most events first."""
    item = history.item[rows]
    home = history.item_scenario[item[item != NONE]]
    count = np.bincount(home[home != NONE], minlength=len(history.scenarios))
    order = np.argsort(-count, kind="stable")[:SCENARIOS]
    return [code for code in order.tolist() if count[code]]


def _told(material: ProbeMaterial, lists: ProbeLists, judging: Opinions) -> ProbeList:
    history, counts, readout = material.history, lists.counts, lists.readout
    questions = lists.lists[GREEDY]
    items = []
    for question, gain in zip(questions.tolist(), lists.gains.tolist(), strict=True):
        column = int(readout.asked[question])
        known, likes = int(counts.known[column]), int(counts.likes[column])
        if_liked = _strongest(history, lists.items, readout.if_liked[question])
        items.append(
            Probe(
                item_id=history.items[int(lists.items[column])],
                known=round(known / max(counts.users, 1), 4),
                liked=round(likes / max(known, 1), 4),
                gain=round(gain, 5),
                reason=_reason(known / max(counts.users, 1), likes / max(known, 1), list(if_liked), material),
                if_liked=if_liked,
                if_not={}
                if material.rule.all_alike
                else _strongest(history, lists.items, readout.if_not[question]),
            )
        )
    judged = cold_start_figures([judged_lists(material, lists, judging)])
    return ProbeList(tuple(items), judged, lists.shrinkage)


def _strongest(history: History, items: I64, shift: F32) -> dict[str, float]:
    """The items that an answer speaks for most, of those for which it does."""
    best = np.argsort(-shift, kind="stable")[:TOLD]
    return {
        history.items[int(items[column])]: round(float(shift[column]), 4)
        for column in best.tolist()
        if shift[column] > 0
    }


def _reason(known: float, liked: float, points_to: list[str], material: ProbeMaterial) -> str:
    """In one line."""
    told = [f"{known:.0%} of users know it"]
    if not material.rule.all_alike:
        told.append(f"{liked:.0%} of these like it")
    if points_to:
        told.append(f"who likes it likes {', '.join(points_to[:3])} more than others do")
    return "; ".join(told)
