"""Lists of questions, judged by users of whom nothing was learned.

Half of a user's items are the answers that the user would give (is known and liked, is known and not liked); what is liked of
the other half is to be foreseen. **The whole answer half is out of every method's ranking, asked or not**: if only what was
asked were taken out, a method would be paid for asking about what would else be ranked wrongly high.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streams.learning.probes.fit import ASKED, ProbeLists, ProbeMaterial
from streams.learning.probes.interviews import interviews_of
from streams.learning.probes.opinions import Opinions
from streams.learning.probes.people import is_answer
from transfer.arrays import F64, I64

JUDGED_DRAW = 1_000_003
"""Other halves than those by which lists are chosen, though of other users anyway."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedLists:
    """NDCG@10 of I users."""

    user: I64
    """(I,) codes in the history"""
    before: F64
    """(I,) with nothing asked: what most like"""
    after: Mapping[str, Mapping[int, F64]]
    """method -> questions asked -> (I,)"""


def judged_lists(material: ProbeMaterial, lists: ProbeLists, opinions: Opinions) -> JudgedLists:
    """Ask the judged users. opinions: theirs; all others are left out."""
    people, items = material.people, lists.items
    theirs = opinions.among(people.judged)
    answer = is_answer(theirs, people.hashes, material.history.item_keys, JUDGED_DRAW)
    interviews = interviews_of(theirs, material.rule.liked(theirs), answer, items)
    after: dict[str, dict[int, F64]] = {}
    for method, questions in lists.lists.items():
        scores, done, after[method] = lists.readout.start(interviews), 0, {}
        for asked in ASKED:
            for question in questions[done:asked].tolist():
                rows, added = lists.readout.answered(interviews, question)
                scores[rows] += added
            done = asked
            after[method][asked] = interviews.ndcg(scores)
    before = interviews.ndcg(lists.readout.start(interviews)) if len(interviews) else np.zeros(0)
    return JudgedLists(interviews.user, before, after)
