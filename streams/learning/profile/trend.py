"""How fast popularity changes: shares of items, decayed at several half-lives, as predictors of what comes next."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from streams.learning.history import History
from streams.learning.profile.half_lives import Curve, rounded
from streams.learning.profile.questions import Questions, gain, mean_by_question

PARTS = (1024, 256, 64, 16, 4)
"""Half-lives tried, as parts of the log's span before the last tenth; and all time."""
BLOCKS = 64
"""Counts are brought up to date this often over the validation part."""
AROUND = 5.0


def trend_curve(history: History, questions: Questions) -> Curve:
    """NDCG@10 of popularity at each half-life, the last being infinite, for the targets that are new to the user.

    The others would be found because the user had them a moment ago.
    """
    order = np.argsort(history.time, kind="stable")
    order = order[history.item[order] >= 0]
    time, item = history.time[order], history.item[order]
    end = float(questions.time.max())
    span = end - float(time[0])
    lives = np.array([*(span / part for part in PARTS), np.inf])
    new = np.flatnonzero(~questions.known)
    by_time = new[np.argsort(questions.time[questions.target_question[new]], kind="stable")]
    target_time = questions.time[questions.target_question[by_time]]
    bounds = np.unique(np.linspace(0, len(by_time), BLOCKS + 1).astype(np.int64))
    counts = np.zeros((len(lives), len(history.items)))
    gains = np.zeros((len(lives), len(by_time)))
    done = 0
    for low, high in pairwise(bounds.tolist()):
        until = int(np.searchsorted(time, target_time[low]))  # strictly earlier than the first of the block
        target = questions.target_item[by_time[low:high]]
        for k, life in enumerate(lives):
            weight = np.exp2((time[done:until] - end) / life)
            counts[k] += np.bincount(item[done:until], weight, minlength=counts.shape[1])
            falling = np.sort(-counts[k])
            ahead = np.searchsorted(falling, -counts[k][target])
            tied = np.searchsorted(falling, -counts[k][target], side="right") - ahead - 1
            gains[k, low:high] = np.where(counts[k][target] > 0, gain(ahead, tied), 0.0)
        done = until
    question = questions.target_question[by_time]
    means = [mean_by_question(one, question, len(questions)) for one in gains]
    return Curve(lives, np.stack(means))


def trend_half_lives(curve: Curve) -> tuple[float, ...]:
    """A faster and a slower one around the best that is finite, and all time.

    Of those that are as good as the best, the longest: it goes by more events.

    >>> trend_half_lives(Curve(np.array([60.0, 6000.0, np.inf]), np.array([[0.1], [0.3], [0.2]])))
    (1200.0, 6120.0, 29880.0, inf)
    """
    finite = np.isfinite(curve.half_lives_s)
    some = Curve(curve.half_lives_s[finite], curve.gains[finite])
    best = float(some.half_lives_s[some.as_good()].max())
    return (*(rounded(life) for life in (best / AROUND, best, best * AROUND)), float("inf"))
