"""Profiles a log: counts it, asks it questions, and proposes settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.learning.history import History
from streams.learning.profile.baskets import baskets_of
from streams.learning.profile.clock import clock_of
from streams.learning.profile.facts import LogStatistics, facts_of
from streams.learning.profile.half_lives import Curve
from streams.learning.profile.proposal import Proposal, propose
from streams.learning.profile.scenarios import scenario_use
from streams.learning.profile.settings_file import proposed_flags
from streams.learning.stray_clocks import StrayClocks, without_strays
from transfer.config import InterestConfig


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What the log is, and settings that fit it."""

    facts: LogStatistics
    proposal: Proposal

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
            "evidence": {
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


def profile(history: History, interest: InterestConfig, seed: int = 0) -> Profile:
    """Profile a history; the same history, settings and seed give the same profile."""
    baskets = baskets_of(history)
    clock, strays = clock_of(baskets), StrayClocks()
    if clock.kind != "positions":
        history, strays = without_strays(history)
        if strays != StrayClocks():
            baskets = baskets_of(history)
            clock = clock_of(baskets)
    use = scenario_use(history)
    facts = facts_of(history, baskets, clock, use, interest.action_names, strays)
    proposal = propose(history, baskets, clock, facts, use, interest, np.random.default_rng(seed))
    return Profile(facts, proposal)


def _plain(value: Any) -> Any:
    """JSON knows no infinity: "inf" stands for it."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return "inf" if isinstance(value, float) and np.isinf(value) else value
