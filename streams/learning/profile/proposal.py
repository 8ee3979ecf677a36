"""Settings fitted to a log, each with the reason for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from encoders.behaviour import BASKETS
from streams.learning.profile.baskets import Baskets
from streams.learning.profile.choice import Choice
from streams.learning.profile.clock import Clock
from streams.learning.profile.durations import duration, durations
from streams.learning.profile.facts import LogStatistics
from streams.learning.profile.half_life_scores import HalfLifeScores, Mixed, TargetKind
from streams.learning.profile.half_lives import Curve, choose, half_life_candidates, usual_gap_s, usual_span_s
from streams.learning.profile.known_part import KnownPart
from streams.learning.profile.language import text_model_choice
from streams.learning.profile.popular import popular_choices
from streams.learning.profile.reach import Reach, reach_of
from streams.learning.profile.rooms import own_room, ring_room, scenario_room
from streams.learning.profile.trend import trend_curve, trend_half_lives
from transfer.config import InterestConfig, TransferConfig

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
KINDS: Mapping[TargetKind, str] = {"again": "the user had", "new": "new to the user"}
ENOUGH_GAPS, ENOUGH_USERS, ENOUGH_EVENTS = 100, 50, 500
"""Fewer say nothing about all users, and the setting is left as it is."""
DENSE, MANY = 100, 200_000
"""Events an item, and events in all, from which on the learned ids of items can be relied on. Chosen on the validation part of
MovieLens 1M (293 events an item: NDCG@10 of new items .206 against .198); a log with 7 events an item was indifferent."""
ON_DENSE = {"width": 96, "feed_forward": 2.0, "dropout": 0.2, "id_dropout": 0.1}


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What was chosen and what it was chosen by."""

    sections: Mapping[str, Mapping[str, Choice]]
    """section -> key -> choice, as in the settings file"""
    curves: Mapping[TargetKind, Curve]
    """NDCG@10 by half-life, by kind of question"""
    compared: Mapping[TargetKind, Mapping[str, Mixed]]
    """kind of question -> name -> the half-lives of that name, mixed as the untrained model does"""
    trend: Curve | None
    """NDCG@10 of popularity by half-life; None where it makes no sense"""
    half_lives_s: tuple[float, ...]
    """the proposed ones; those that were set where the log does not tell"""
    own_items: int
    """room for own items"""
    reach: Reach
    """how far back baskets resemble the present one"""
    kept: float | None = None
    """share of the items that come again which the proposed `own_items` still hold; None: unknown"""
    asked: Mapping[TargetKind, int] = field(default_factory=dict)
    weakness: str = ""
    """why nothing was measured, and what to do; "" where it was"""


def propose(known: KnownPart, interest: InterestConfig, rng: np.random.Generator) -> Proposal:
    """Fit settings. `interest` tells the actions' weights and what is compared with.

    Everything that is searched is judged on the validation part of the split, and everything that is counted is counted before
    its test part.
    """
    history, baskets, clock, facts = known.history, known.baskets, known.clock, known.facts
    evidence = HalfLifeScores(history, baskets, known.parts, interest.action_weights, rng)
    tried = half_life_candidates(baskets, clock)
    curves = {kind: evidence.curve(kind, tried) for kind in evidence.kinds}
    gap, span = usual_gap_s(baskets, clock), usual_span_s(baskets, clock)
    timed = gap > 0 and len(baskets.gaps_s) >= ENOUGH_GAPS
    lives = choose(gap, span, clock.floor_s, list(curves.values())) if timed else interest.half_lives_s
    usual = TransferConfig()
    share: dict[TargetKind, float] = {"again": usual.again_recency, "new": usual.short_term_share}
    compared = {
        kind: {
            "default": evidence.mixed(kind, interest.half_lives_s, share[kind]),
            "proposed": evidence.mixed(kind, lives, share[kind], SHARES),
        }
        for kind in evidence.kinds
    }
    reach = reach_of(history, baskets, known.parts, evidence.vectors, rng)
    trend = None
    if clock.kind != "positions" and "new" in evidence.kinds and evidence.questions is not None:
        trend = trend_curve(history, evidence.questions)
    room, kept = own_room(known, evidence, interest.model_copy(update={"half_lives_s": lives}))
    fitted: dict[str, Choice] = {}
    if timed:
        fitted["half_lives_s"] = Choice(lives, _why_lives(lives, clock, gap, span, curves))
    if facts.users >= ENOUGH_USERS:
        fitted["own_items"] = room
        fitted["max_scenarios"] = scenario_room(known.use)
    visits = baskets.visit_events() if clock.kind != "positions" else np.empty(0, np.int64)
    if len(visits) >= ENOUGH_USERS:
        fitted["ring"] = ring_room(visits)
    counted = _counts(clock, trend, reach)
    sections: dict[str, dict[str, Choice]] = {
        "interest": fitted,
        "transfer": _transfer(lives, facts, compared, usual),
        "counts": counted,
        "serving": {}
        if trend is None
        else popular_choices(known.history, clock, counted["half_lives_s"].value),
        "fit": _fit(reach, baskets),
        "train": network_settings(facts),
    }
    if (model := text_model_choice(history.item_texts)) is not None:
        sections["encoder"] = {"model": model}
    weights = interest.model_dump(
        include={"browse_weight", "click_weight", "purchase_weight"}, exclude_defaults=True
    )
    sections["interest"] |= {name: Choice(value, "kept as it was") for name, value in weights.items()}
    told = {name: choices for name, choices in sections.items() if choices}
    return Proposal(
        told, curves, compared, trend, lives, room.value, reach, kept, evidence.asked, known.weakness
    )


def _why_lives(
    lives: tuple[float, ...], clock: Clock, gap: float, span: float, curves: Mapping[TargetKind, Curve]
) -> str:
    peaks = [
        f"items {KINDS[kind]} are predicted best at {duration(curve.peak_s, clock)}{curve.at_the_edge}"
        for kind, curve in curves.items()
    ]
    ends = f"usual gap {duration(gap, clock)}, usual history {duration(span, clock)}"
    if clock.kind == "pages":
        ends = f"gaps tell of pages, so none below a visit ({duration(clock.floor_s, clock)})"
    return "; ".join([durations(lives, clock), ends, *peaks])


def _transfer(
    lives: tuple[float, ...],
    facts: LogStatistics,
    compared: Mapping[TargetKind, Mapping[str, Mixed]],
    usual: TransferConfig,
) -> dict[str, Choice]:
    measured: dict[str, Choice] = {}
    if facts.events >= ENOUGH_EVENTS:
        measured["repeat_prior"] = Choice(
            round(min(max(facts.repeat_share, 0.01), 0.9), 2), "share of events that come back to an item"
        )
    keys: Mapping[TargetKind, str] = {"again": "again_recency", "new": "short_term_share"}
    for kind, key in keys.items():
        if kind in compared:
            best = compared[kind]["proposed"]
            if best.share != getattr(usual, key):
                edge = ", of 0.1 to 0.9 tried" if best.share in (SHARES[0], SHARES[-1]) else ""
                measured[key] = Choice(best.share, f"best for items {KINDS[kind]}, on validation{edge}")
    if lives[0] < usual.min_age_s:
        measured["min_age_s"] = Choice(lives[0], "the shortest half-life")
    return measured


def _counts(clock: Clock, trend: Curve | None, reach: Reach) -> dict[str, Choice]:
    found: dict[str, Choice] = {}
    if reach.window is not None:
        found["pair_window"] = Choice(
            reach.window, "so far back baskets resemble the present one more than old ones do"
        )
    if trend is None:
        if clock.kind != "positions":
            return found
        why = "positions of different users can't be compared, so all time"
        return {"half_lives_s": Choice((float("inf"),), why), **found}
    lives = trend_half_lives(trend)
    why = (
        f"popularity of {duration(lives[1], clock)} predicts new items as well as any shorter or longer one "
        f"tried{trend.at_the_edge}"
    )
    return {"half_lives_s": Choice(lives, why), **found}


def _fit(reach: Reach, baskets: Baskets) -> dict[str, Choice]:
    if reach.window is None:
        return {}
    shared = int(baskets.size[baskets.size > 1].sum()) / int(baskets.size.sum())
    key = "basket_window" if shared >= BASKETS else "window"
    measured = {d: reach.cosine[d - 1] for d in (1, 2, 5, 10, 20) if np.isfinite(reach.cosine[d - 1])}
    seen = ", ".join(f"{value:.2f} at {distance}" for distance, value in measured.items())
    unit = "baskets" if key == "basket_window" else "events"
    return {key: Choice(reach.window, f"mean cosine with items so many {unit} before: {seen}")}


def network_settings(facts: LogStatistics) -> dict[str, Choice]:
    """A wider network with less dropout for many events an item; else what is usual."""
    each = facts.events / max(facts.items, 1)
    if each < DENSE or facts.events < MANY:
        return {}
    why = f"{each:.0f} events an item: each can be learned by itself"
    return {key: Choice(value, why if key == "width" else "the same") for key, value in ON_DENSE.items()}
