"""Users in words against items in words: by the encoder as it comes, and by one that is tuned on the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from encoders.content import ContentEncoder
from encoders.tuned.folder import about_words, load_words
from encoders.tuned.models import BiEncoder, CrossEncoder
from encoders.tuned.tower import spare_core
from streams.errors import EvaluationError
from streams.learning.evaluation.methods.base import Setup
from streams.learning.history import History
from streams.learning.queries import Queries
from streams.learning.words.run import WordsRun
from streams.learning.words.tune_encoder import tune_encoder
from streams.learning.words.user_words import UserWords
from transfer.arrays import F32, I64, Bool

Encode = Callable[[list[str]], F32]
"""Texts (T) to (T, D) float32 rows."""


class _Words:
    """Scores of words' vectors; each text is encoded once. Users without words get equal scores, items without come last."""

    name = "words"

    def learn(self, rows: I64) -> None:
        """Nothing: texts stay, and the users' latest events are read as of each query."""

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 cosines, times a constant."""
        texts = self._words.of_queries(queries)
        new = [text for text in dict.fromkeys(texts) if text and text not in self._known]
        if new:
            self._known.update(zip(new, self._encode(new), strict=True))
        nothing = np.zeros(self._items.shape[1], np.float32)
        users = np.stack([self._known[text] if text else nothing for text in texts])
        result: F32 = users @ self._items.T
        result[:, ~self._has_text] = -np.inf
        return result

    def _start(self, history: History, words: UserWords, encode: Encode) -> None:
        """Of an encoder that is ready."""
        self._words, self._encode = words, encode
        self._known: dict[str, F32] = {}
        self._has_text: Bool = np.array([bool(text.strip()) for text in history.item_texts], np.bool_)
        if not self._has_text.any():
            raise EvaluationError(f"method {self.name} needs the items' texts: give a catalogue with --items")
        texts = [history.item_texts[item] for item in np.flatnonzero(self._has_text).tolist()]
        found = encode(texts)
        self._items: F32 = np.zeros((len(history.items), found.shape[1]), np.float32)
        self._items[self._has_text] = found


class FrozenWords(_Words):
    """By `[encoder]`, with a whitening fitted on the items' texts; at the test it knows every strictly earlier event."""

    name = "words-frozen"

    def __init__(self, setup: Setup) -> None:
        self._settings = setup.settings

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Encode the items; nothing is learned.

        Raises:
            EvaluationError: there are no texts.
        """
        config = self._settings.words
        content = ContentEncoder(self._settings.encoder)
        fitted = False

        def encode(texts: list[str]) -> F32:
            nonlocal fitted
            if fitted:
                return content.encode(texts)
            fitted = True
            return content.fit_encode(texts)[1]

        self._start(history, UserWords(history, config.latest, config.title_chars), encode)


class TunedWordsMethod(_Words):
    """By a tuned bi-encoder: the folder that was given, else one that is tuned here on the training part and stopped by the
    validation part, with settings `[words]` and the run's seed, within `max_seconds`.

    At the test it knows every strictly earlier event of the user, but nothing later than the training part of what others took.
    """

    name = "words-tuned"

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.curve: Sequence[tuple[float, float]] = []
        """(steps, NDCG@10 of new items on validation)"""

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Load or tune.

        Raises:
            EvaluationError: there are no texts, or the folder holds a cross-encoder.
        """
        setup = self._setup
        config = setup.settings.words
        model: BiEncoder | CrossEncoder
        if setup.words is not None:
            moved = config.base if "base" in config.model_fields_set else None
            config = about_words(setup.words).config
            model = load_words(setup.words, moved)
        else:
            if not any(history.item_texts):
                raise EvaluationError(
                    "method words-tuned needs the items' texts: give a catalogue with --items"
                )
            seeded = config.model_copy(update={"seed": config.seed + setup.seed})
            tuned = tune_encoder(
                WordsRun(history, rows, validation),
                seeded,
                max_seconds=setup.max_seconds,
                tell=setup.progress,
            )
            model = tuned.model
            self.curve = [(look["step"], look["ndcg@10"]) for look in tuned.report["looks"]]
        if isinstance(model, CrossEncoder):
            raise EvaluationError(
                f"{setup.words} holds a cross-encoder, which would read every user with every item; what it is worth on pairs "
                "stands in its words.json"
            )
        tower = model.tower

        def encode(texts: list[str]) -> F32:
            with spare_core():
                return tower.encode(texts)

        self._start(history, UserWords(history, config.latest, config.title_chars), encode)
