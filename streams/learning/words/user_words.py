"""UserWords: users of a history in words, as of any of their events."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from encoders.tuned.words import user_in_words
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import I32, I64
from transfer.codes import NONE

ROWS_PER_ITEM = 8
"""A user's latest events are looked through for so many times as many as items are wanted: the rest may be repeats."""


class UserWords:
    """The latest distinct items with a text of each user, by scenario, in words."""

    def __init__(
        self,
        history: History,
        latest: int,
        title_chars: int,
        declared: Callable[[str, float], str] | None = None,
    ) -> None:
        """declared: what a user (by id) has declared by a time, in words; None: nobody has declared anything."""
        self._history = history
        self._latest, self._title_chars = latest, title_chars
        self._declared = declared
        self._item = history.item.tolist()
        self._scenario = history.scenario.tolist()

    def of(self, user: I32, seen: I64) -> list[str]:
        """(B,) words of users (B,) who know the history's rows up to `seen` (B,), an absolute end row each; "" of those
        without an item that has a text, and without anything declared."""
        begin = self._history.offsets[user].tolist()
        return [
            self._one(int(who), first, end)
            for who, first, end in zip(user, begin, seen.tolist(), strict=True)
        ]

    def of_queries(self, queries: Queries) -> list[str]:
        """(Q,) words of the users right before their baskets."""
        return self.of(queries.user, queries.seen)

    def _one(self, user: int, begin: int, end: int) -> str:
        history = self._history
        items: dict[int, str] = {}
        for row in range(end - 1, max(begin, end - ROWS_PER_ITEM * self._latest) - 1, -1):
            item = self._item[row]
            if item != NONE and item not in items and history.item_texts[item]:
                place = self._scenario[row]
                items[item] = "" if place == NONE else history.scenarios[place]
                if len(items) == self._latest:
                    break
        declared = ""
        if self._declared is not None and end > begin:
            declared = self._declared(history.users[user], float(history.time[end - 1]))
        latest = [(scenario, history.item_texts[item]) for item, scenario in items.items()]
        return user_in_words(latest, self._title_chars, declared)


def words_by_key(words: Mapping[str, str]) -> Callable[[str, float], str]:
    """Declared words that hold at any time, for `UserWords`.

    >>> words_by_key({"u1": "trains"})("u1", 0.0), words_by_key({})("u1", 0.0)
    ('trains', '')
    """
    return lambda user, time: words.get(user, "")
