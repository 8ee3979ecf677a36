"""Pairs of a part that was held out, by a tuned encoder, with the threshold that validation gave."""

from __future__ import annotations

from encoders.tuned.folder import TunedWords
from streams.learning.history import History
from streams.learning.pair_figures import pair_figures
from streams.learning.split import Split
from streams.learning.words.examples import word_examples
from streams.learning.words.user_words import UserWords
from streams.learning.words.validation import odds_of, word_cases


def holdout_figures(tuned: TunedWords, history: History, split: Split) -> dict[str, float]:
    """Precision, recall, F1 and AUC of pairs of the test part; nothing is chosen by them."""
    config = tuned.config
    words = UserWords(history, config.latest, config.title_chars)
    cases = word_cases(history, split.train, split.queries(history, "test", "open"), words, config)
    shares = word_examples(history, split.train, words).shares
    odds = odds_of(tuned.model, cases, shares)
    return pair_figures(odds, cases.taken, tuned.report["best"]["threshold"])
