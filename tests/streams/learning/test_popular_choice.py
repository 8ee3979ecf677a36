"""What new users took first tells which shares new visitors get."""

from __future__ import annotations

import numpy as np

from streams.learning.history import History
from streams.learning.training.popular_choice import choose_popular
from support.data.histories import history_of
from transfer.counts.config import CountsConfig
from transfer.popular import PopularRule

DAY = 86400.0
COUNTS = CountsConfig(half_lives_s=(DAY / 4, 30 * DAY, float("inf")))


def _log(newcomers: bool, of_the_day: bool, events: int = 1600) -> History:
    """Regulars who take anything of 40 items, and those who come once: they take the item of the day, or what they like."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(events):
        at, today = n * DAY / 40, n // 40 % 40
        if n % 4 == 0:
            item = today if of_the_day else rng.integers(40)
            rows.append((f"v{n}" if newcomers else f"u{n % 9}", f"i{item}", at, "shop"))
        else:
            rows.append((f"u{rng.integers(9)}", f"i{rng.integers(40)}", at, "shop"))
    return history_of(rows)


def _chosen(history: History) -> PopularRule:
    return choose_popular(history, np.argsort(history.time, kind="stable"), COUNTS).rule


def test_what_is_taken_today_is_chosen_where_newcomers_go_by_it() -> None:
    """Shares of the shortest half-life; by debuts alone where no others may be chosen."""
    history = _log(newcomers=True, of_the_day=True)
    rule = _chosen(history)
    assert rule.taken(False, 3) in (0, 3) and rule.taken(True, 3) in (0, 3)
    rows = np.argsort(history.time, kind="stable")
    assert choose_popular(history, rows, COUNTS, debuts_alone=True).rule.column == 3


def test_the_usual_shares_stay_where_nothing_speaks_for_others() -> None:
    """Nobody comes for the first time in the later half of the log: nothing can be measured."""
    usual = PopularRule().taken(False, 3)
    rule = _chosen(_log(newcomers=False, of_the_day=True))
    assert rule.taken(False, 3) == rule.taken(True, 3) == usual


def test_nothing_after_the_rows_is_read() -> None:
    """Of rows up to a moment the choice is the same, whatever comes later."""
    whole, half = _log(True, True), _log(True, True, events=800)
    early = np.argsort(whole.time, kind="stable")[:800]
    every = np.argsort(half.time, kind="stable")
    found, alone = (choose_popular(*each, COUNTS) for each in ((whole, early), (half, every)))
    assert found.rule == alone.rule and found.asked == alone.asked
    np.testing.assert_allclose(found.gains["open"], alone.gains["open"], atol=1e-6)
