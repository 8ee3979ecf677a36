"""Who is asked, who teaches, and which half of a user's items is an answer: by hashes of ids, so that no order of rows and no
other user changes anything of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xxhash import xxh3_64_intdigest

from streams.learning.history import History
from streams.learning.probes.opinions import Opinions
from transfer.arrays import I64, U64, Bool

JUDGED_SHARE = 4
"""One user of so many is judged, and nothing of these is learned from."""
MOST_CHOOSING = 2000
"""Users whose answers choose what is asked, at most; all others teach what answers mean."""
FOLDS = 2


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """The users of a history by their part in it, each as (n,) codes, ascending."""

    hashes: U64
    """(U,)"""
    judged: I64
    others: I64
    folds: tuple[I64, ...]
    """those of the others who choose, in `FOLDS` parts: what answers mean to each is learned from all others but itself"""


def people_of(history: History, seed: int) -> People:
    """Each seed makes another choice."""
    hashes = np.array([xxh3_64_intdigest(name.encode(), seed=seed) for name in history.users], np.uint64)
    is_judged = hashes % np.uint64(JUDGED_SHARE) == 0
    others = np.flatnonzero(~is_judged)
    choosing = np.sort(others[np.argsort(hashes[others], kind="stable")[:MOST_CHOOSING]])
    part = (hashes[choosing] >> np.uint64(32)) % np.uint64(FOLDS)
    folds = tuple(choosing[part == fold] for fold in range(FOLDS))
    return People(hashes, np.flatnonzero(is_judged), others, folds)


def is_answer(opinions: Opinions, users: U64, items: U64, draw: int) -> Bool:
    """(P,) whether the opinion is one that the user gives when asked; else it is what is to be foreseen. Half of them are.

    users: (U,) hashes; items: (N,) keys; draw: another number draws other halves.
    """
    mixed = users[opinions.user] ^ (items[opinions.item] * np.uint64(0x9E3779B97F4A7C15))
    mixed = mixed + np.uint64(draw * 0xD1B54A32D192ED03 % 2**64)
    # The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): each bit hangs on all.
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    answer: Bool = (mixed >> np.uint64(63)) == 1
    return answer
