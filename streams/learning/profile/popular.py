"""Which of the half-lives of the counts tells best what users take first, for an untrained model's new visitors."""

from __future__ import annotations

import numpy as np

from streams.learning.history import History
from streams.learning.profile.choice import Choice
from streams.learning.profile.clock import Clock
from streams.learning.profile.durations import duration
from streams.learning.training.popular_choice import choose_popular
from transfer.counts.config import CountsConfig


def popular_choices(history: History, clock: Clock, half_lives_s: tuple[float, ...]) -> dict[str, Choice]:
    """Settings of `[serving]`; none where the usual half-life does as well."""
    rows = np.argsort(history.time, kind="stable")
    found = choose_popular(history, rows, CountsConfig(half_lives_s=half_lives_s), debuts_alone=True)
    column = found.rule.taken(False, len(half_lives_s))
    if column == type(found.rule)().taken(False, len(half_lives_s)):
        return {}
    life = half_lives_s[column - len(half_lives_s)]
    told = "all time" if np.isinf(life) else duration(life, clock)
    return {
        "popular_half_life_s": Choice(
            life, f"popularity of {told} foresees best what {found.asked['open']:,} new users took first"
        )
    }
