"""What a tuned encoder is worth on validation: ranking of all items, and pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from encoders.tuned.config import WordsConfig
from encoders.tuned.contrast import contrastive_loss, log_sampled
from encoders.tuned.examples import WordExamples
from encoders.tuned.models import BiEncoder, CrossEncoder
from encoders.tuned.training import Goal
from streams.learning.history import History
from streams.learning.pair_figures import (
    best_threshold,
    binary_cross_entropy,
    drawn_pairs,
    pair_figures,
    taken_items,
)
from streams.learning.queries import Queries
from streams.learning.words.user_words import UserWords
from transfer.arrays import F32, F64, I64, Bool

DRAWN = 3
"""Seed of the pairs' negatives: the same ones at each look."""


@dataclass(frozen=True, slots=True, eq=False)
class WordCases:
    """Queries of one part of a history, and pairs of their targets and drawn items."""

    history: History
    rows: I64
    """that were learned from"""
    queries: Queries
    words: list[str]
    """(Q,) the users' words"""
    items: I64
    """codes that targets are ranked among, ascending"""
    query: I64
    item: I64
    taken: Bool
    """`query`, `item`, `taken`: (P,) of pairs whose items have texts"""


def word_cases(
    history: History, rows: I64, queries: Queries, words: UserWords, config: WordsConfig
) -> WordCases:
    """At most about `validation_targets` targets of users who have words, drawn once."""
    known = np.flatnonzero(queries.seen > history.offsets[queries.user])
    queries = queries.take(known)
    size = config.validation_targets * len(queries) // max(queries.targets, 1)
    queries = queries.sample(max(size, 1), seed=2)
    taken = taken_items(history, rows)
    query, item, label = drawn_pairs(
        history, queries, taken, config.pair_negatives, np.random.default_rng(DRAWN)
    )
    has_text = np.array([bool(text.strip()) for text in history.item_texts], np.bool_)
    kept = has_text[item]
    query, item, label = query[kept], item[kept], label[kept]
    wanted = np.unique(item)
    others = np.setdiff1d(np.flatnonzero(has_text & np.isin(np.arange(len(has_text)), taken)), wanted)
    more = max(config.validation_items - len(wanted), 0)
    drawn = np.random.default_rng(DRAWN).permutation(others)[:more]
    items = np.union1d(wanted, drawn)
    return WordCases(history, rows, queries, words.of_queries(queries), items, query, item, label)


def bi_goal(model: BiEncoder, cases: WordCases, examples: WordExamples, config: WordsConfig) -> Goal:
    """Looks at a bi-encoder; the ranking of items that are new to their users decides."""
    log_q = log_sampled(torch.from_numpy(examples.shares), config.batch, config.negatives)
    shares = examples.shares

    def look() -> dict[str, float]:
        items = np.zeros((len(examples.texts), model.tower.width), np.float32)
        items[cases.items] = model.tower.encode([examples.texts[item] for item in cases.items.tolist()])
        users = model.tower.encode(cases.words)
        scale = float(model.log_scale.detach().exp())
        odds = _bi_odds(users[cases.query], items[cases.item], cases, scale, shares)
        return {
            "loss": _loss(users, items, cases, scale, log_q),
            "bce": binary_cross_entropy(odds, cases.taken, shifted=True),
            **_pairs(odds, cases),
            "ndcg@10": _ndcg_of_new(users @ items[cases.items].T, cases),
        }

    return Goal(look, "ndcg@10")


def cross_goal(model: CrossEncoder, cases: WordCases) -> Goal:
    """Looks at a cross-encoder; the cross-entropy of pairs decides, since ranking all items would read all of them."""

    def look() -> dict[str, float]:
        odds = odds_of(model, cases, np.empty(0, np.float32))
        bce = binary_cross_entropy(odds, cases.taken)
        return {"loss": bce, "bce": bce, **_pairs(odds, cases), "ndcg@10": _ndcg_of_pairs(odds, cases)}

    return Goal(look, "bce", higher_is_better=False)


def odds_of(model: BiEncoder | CrossEncoder, cases: WordCases, shares: F32) -> F64:
    """(P,) log odds of the pairs, of a bi-encoder but for a constant. shares (N,) of items among the positives."""
    texts = [cases.history.item_texts[item] for item in cases.item.tolist()]
    words = [cases.words[query] for query in cases.query.tolist()]
    if isinstance(model, CrossEncoder):
        return cross_odds(model, words, texts)
    scale = float(model.log_scale.detach().exp())
    return _bi_odds(model.tower.encode(words), model.tower.encode(texts), cases, scale, shares)


def cross_odds(model: CrossEncoder, words: list[str], texts: list[str]) -> F64:
    """(P,) log odds of users and items in words."""
    vectors = torch.from_numpy(model.tower.encode(words, texts)).to(model.weight.device)
    with torch.no_grad():
        found: F64 = model.scores(vectors).cpu().numpy().astype(np.float64)
    return found


def _bi_odds(users: F32, items: F32, cases: WordCases, scale: float, shares: F32) -> F64:
    """Scores are log p(item | user) and negatives are drawn by shares: odds are their quotient. Vectors (P, width)."""
    least = 0.5 / max(len(cases.rows), 1)
    found: F64 = scale * np.einsum("pd,pd->p", users, items) - np.log(
        np.maximum(shares[cases.item], least)
    ).astype(np.float64)
    return found


def _pairs(odds: F64, cases: WordCases) -> dict[str, float]:
    threshold = best_threshold(odds, cases.taken)
    return {**pair_figures(odds, cases.taken, threshold), "threshold": threshold}


def _loss(users: F32, items: F32, cases: WordCases, scale: float, log_q: torch.Tensor) -> float:
    """Contrastive loss of the positives in blocks of 64, without uniform negatives."""
    query, item = cases.query[cases.taken], cases.item[cases.taken]
    size, total = 64, 0.0
    for begin in range(0, len(query), size):
        part = slice(begin, begin + size)
        columns, right = np.unique(item[part], return_inverse=True)
        scores = torch.from_numpy(scale * (users[query[part]] @ items[columns].T))
        found = contrastive_loss(scores, torch.from_numpy(right), log_q[torch.from_numpy(columns)])
        total += float(found) * len(right)
    return total / max(len(query), 1)


def _ndcg_of_new(scores: F32, cases: WordCases) -> float:
    """Mean NDCG@10 of the targets that are new to their users among `cases.items`, without what the users had before.

    scores (Q, K) of these items. Of equal scores the target is the last.
    """
    history, queries = cases.history, cases.queries
    gains: list[float] = []
    for query in np.unique(cases.query[cases.taken]).tolist():
        own = history.item[history.offsets[queries.user[query]] : queries.seen[query]]
        row = np.where(np.isin(cases.items, own), -np.inf, scores[query])
        targets = cases.item[cases.taken & (cases.query == query)]
        places = np.searchsorted(cases.items, np.setdiff1d(targets, own))
        gains += [_gain(int(np.count_nonzero(row >= score))) for score in row[places]]
    return float(np.mean(gains)) if gains else 0.0


def _ndcg_of_pairs(odds: F64, cases: WordCases) -> float:
    """Mean NDCG@10 of each positive among the drawn items of its query."""
    gains = []
    for place in np.flatnonzero(cases.taken).tolist():
        rivals = odds[(cases.query == cases.query[place]) & ~cases.taken]
        gains.append(_gain(1 + int(np.count_nonzero(rivals >= odds[place]))))
    return float(np.mean(gains)) if gains else 0.0


def _gain(rank: int) -> float:
    return float(1 / np.log2(1 + rank)) if rank <= 10 else 0.0
