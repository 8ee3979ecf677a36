"""Users in words: what they did last, and nothing of what they will do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streams.learning.history import History
from streams.learning.queries import open_queries
from streams.learning.words.user_words import UserWords, words_by_key
from support.data.histories import history_of


def worded() -> History:
    """One user: a, b, a, a question, c, then d and e at once; b has no text."""
    history = history_of(
        [
            ("u", "a", 1.0, "toys"),
            ("u", "b", 2.0, "toys"),
            ("u", "a", 3.0, "food"),
            ("u", "", 4.0, "toys"),
            ("u", "c", 5.0, "toys"),
            ("u", "d", 6.0, "food"),
            ("u", "e", 6.0, "food"),
        ]
    )
    texts = {"a": "Apple", "b": "", "c": "Car", "d": "Dates", "e": "Eggs"}
    return replace(history, item_texts=[texts[item] for item in history.items])


def test_a_user_is_the_latest_distinct_items_by_scenario() -> None:
    """As of each basket: strictly earlier events alone, each item once where it was last, items without a text left out."""
    history = worded()
    queries = open_queries(history, np.arange(len(history)))
    found = UserWords(history, latest=3, title_chars=80).of_queries(queries)
    assert found == ["", "toys: Apple", "toys: Apple", "food: Apple", "toys: Car. food: Apple"]
    assert UserWords(history, latest=1, title_chars=2).of_queries(queries)[-1] == "toys: Ca"


def test_declared_words_come_first() -> None:
    """They stand also where nothing has been done yet but events without words, and of their own user alone."""
    history = worded()
    declared = words_by_key({"u": "trains", "v": "planes"})
    words = UserWords(history, 1, 80, declared).of_queries(open_queries(history, np.arange(len(history))))
    assert words[1] == "trains. toys: Apple" and words[-1] == "trains. toys: Car"
