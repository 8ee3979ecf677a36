"""Profiles a log: counts it, asks it questions, and proposes settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streams.learning.history import History
from streams.learning.history_part import part_of
from streams.learning.profile.baskets import baskets_of
from streams.learning.profile.clock import clock_of
from streams.learning.profile.facts import LogStatistics, facts_of
from streams.learning.profile.half_lives import Curve
from streams.learning.profile.known_part import known_part
from streams.learning.profile.proposal import Proposal, propose
from streams.learning.profile.scenarios import scenario_use
from streams.learning.profile.settings_file import proposed_flags
from streams.learning.split import Split, SplitPlan
from streams.learning.stray_clocks import StrayClocks, stray_times
from transfer.config import InterestConfig


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What the log is, and settings that fit it."""

    facts: LogStatistics
    """of the whole log"""
    proposal: Proposal
    """by what lies before its test part"""
    split: Split

    def as_dict(self) -> dict[str, Any]:
        """For JSON: log, settings, every proposed key with its reason, and the evidence."""
        proposal = self.proposal
        curves: dict[str, Curve] = {str(kind): curve for kind, curve in proposal.curves.items()}
        if proposal.trend is not None:
            curves["popular"] = proposal.trend
        return {
            "log": self.facts.as_dict(),
            "settings": _plain(proposed_flags(proposal)),
            "proposal": {
                section: {key: {"value": _plain(c.value), "reason": c.reason} for key, c in choices.items()}
                for section, choices in proposal.sections.items()
            },
            "split": {
                "by": self.split.name,
                **{name: len(rows) for name, rows in self.split.parts().items()},
            },
            "evidence": {
                "not_measured": proposal.weakness,
                "questions": dict(proposal.asked),
                "ndcg_by_half_life": {
                    kind: [
                        [_plain(life), round(ndcg, 5)]
                        for life, ndcg in zip(curve.half_lives_s.tolist(), curve.mean.tolist(), strict=True)
                    ]
                    for kind, curve in curves.items()
                },
                "compared": {
                    kind: {
                        name: {
                            "half_lives_s": list(m.half_lives_s),
                            "share": m.share,
                            "ndcg": round(m.ndcg, 5),
                        }
                        for name, m in found.items()
                    }
                    for kind, found in proposal.compared.items()
                },
                "cosine_by_distance": [
                    None if np.isnan(one) else round(one, 4) for one in proposal.reach.cosine.tolist()
                ],
                "again_kept": proposal.kept,
            },
        }


def profile(
    history: History,
    interest: InterestConfig,
    seed: int = 0,
    plan: SplitPlan = SplitPlan(),  # noqa: B008  # immutable
) -> Profile:
    """Profile a history; the same history, settings, seed and plan give the same profile.

    What the log is, is told of all of it. Settings are chosen by what lies before the test part of the split alone. Where the
    parts are too small to go by, nothing is measured: half-lives follow the gaps, and the rest is counted or left as it is.

    Raises:
        EvaluationError: the plan's shares leave nothing.
    """
    ahead, behind = (
        np.zeros((2, len(history)), np.bool_) if history.has_positions else stray_times(history.time)
    )
    known = known_part(history, ahead | behind, plan)
    strays = StrayClocks(int(ahead.sum()), int(behind.sum()))
    own = history
    if strays != StrayClocks():
        own = replace(part_of(history, np.flatnonzero(~(ahead | behind))).history, aside=history.aside)
    baskets = baskets_of(own)
    facts = facts_of(own, baskets, clock_of(baskets), scenario_use(own), interest.action_names, strays)
    return Profile(facts, propose(known, interest, np.random.default_rng(seed)), known.split)


def _plain(value: Any) -> Any:
    """JSON knows no infinity: "inf" stands for it."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return "inf" if isinstance(value, float) and np.isinf(value) else value
