"""Examples of a history for tuning: debuts of items that have a text, by users who are known."""

from __future__ import annotations

import numpy as np

from encoders.tuned.examples import WordExamples
from streams.errors import TrainingError
from streams.learning.history import History
from streams.learning.queries import first_rows, new_targets, open_queries
from streams.learning.words.user_words import UserWords
from transfer.arrays import I64
from transfer.codes import NONE

LEAST = 100
"""With fewer positives nothing is learned but them."""


def word_examples(history: History, rows: I64, words: UserWords) -> WordExamples:
    """rows: of the history, to learn from. A positive is a user's first event with an item that has a text, where the user has
    an earlier event; what the user knew then is what is strictly earlier.

    Raises:
        TrainingError: there are fewer than `LEAST` of them.
    """
    texts = history.item_texts
    has_text = np.array([bool(text.strip()) for text in texts], np.bool_)
    queries = open_queries(history, np.sort(rows))
    query = queries.target_query
    known = queries.seen > history.offsets[queries.user]
    chosen = np.flatnonzero(
        new_targets(queries, first_rows(history)) & has_text[queries.target_item] & known[query]
    )
    if len(chosen) < LEAST:
        raise TrainingError(
            f"the log gives {len(chosen):,} examples of a known user and a new item with a text; fewer than {LEAST} tune "
            "nothing: give a longer log, or a catalogue with texts (--items)"
        )
    user, seen = queries.user[query[chosen]], queries.seen[query[chosen]]
    with_events = np.zeros(len(texts), np.bool_)
    items = history.item[rows]
    with_events[items[items != NONE]] = True
    return WordExamples(
        words=lambda some: words.of(user[some], seen[some]),
        item=queries.target_item[chosen].astype(np.int64),
        owner=user.astype(np.int64),
        texts=texts,
        candidates=np.flatnonzero(with_events & has_text),
    )
