"""What users say of themselves: a text for each scenario, and one for all of them. Beside the state, not in its sums.

A text is replaced, never added to, and never decays. The latest time wins; of equal times the greater digest, and a deletion
before any text. So of each scenario the greatest (time, digest) is kept, a deletion too, or an older text would come back
when it is read again. A withdrawal takes all texts up to its time, those of all scenarios. Of more than `MOST_DECLARED`
scenarios of a user the latest stay. All of that is a join: order, batches and repeats don't matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from xxhash import xxh3_64_intdigest

from transfer.arrays import F32, F64, I64, U64, Bool
from transfer.rows import offsets_of, rows_of, segment_sum, sizes_of

MOST_DECLARED: Final = 32
"""Scenarios of a user with a text or a deletion, at most."""
MOST_CHARS: Final = 2048
"""Of a text; more than that no encoder reads."""
EVERYWHERE: Final = ""
"""Scenario of the text that is of all scenarios."""
_DELETION: Final = 2**64 - 1


class Declaration(NamedTuple):
    """What a user says. text "": nothing any longer; withdrawn: nothing any longer in any scenario."""

    time: float
    """unix seconds"""
    scenario: str = EVERYWHERE
    text: str = ""
    language: str = ""
    withdrawn: bool = False

    @property
    def digest(self) -> int:
        """Orders declarations of one time.

        >>> Declaration(1.0).digest > Declaration(1.0, text="jazz").digest
        True
        """
        if not self.text:
            return _DELETION
        parts = "\0".join((self.scenario, self.language, self.text))
        return min(xxh3_64_intdigest(parts.encode("utf-8", "surrogatepass")), _DELETION - 1)


class DeclaredRow(NamedTuple):
    """The latest declaration of a user for one scenario."""

    scenario: str
    time: float
    digest: int
    text: str
    language: str
    vector: F32
    """(D,) unit vector of the text, zeros for a deletion"""


@dataclass(frozen=True, slots=True, eq=False)
class DeclaredStates:
    """N declarations of U users, ascending by scenario within a user; arrays are never written to."""

    withdrawn: F64
    """(U,) time up to which everything is withdrawn, -inf if nothing is"""
    offsets: I64
    """(U + 1,)"""
    scenario: tuple[str, ...]
    """(N,)"""
    text: tuple[str, ...]
    """(N,) "": deleted"""
    language: tuple[str, ...]
    """(N,) as the user's profile said, "": it did not"""
    time: F64
    digest: U64
    vector: F32
    """(N, D) unit vectors, zeros for deletions"""

    @property
    def users(self) -> int:
        """Number of users, U."""
        return len(self.withdrawn)

    def rows(self, user: int) -> list[DeclaredRow]:
        """Those of one user, deletions too."""
        each = range(int(self.offsets[user]), int(self.offsets[user + 1]))
        return [
            DeclaredRow(
                self.scenario[row],
                float(self.time[row]),
                int(self.digest[row]),
                self.text[row],
                self.language[row],
                self.vector[row],
            )
            for row in each
        ]

    def texts(self, user: int) -> list[DeclaredRow]:
        """Those of one user that are not deleted."""
        return [row for row in self.rows(user) if row.text]

    def some(self) -> Bool:
        """(U,) whether there is anything of a user, if only a deletion."""
        known: Bool = (sizes_of(self.offsets) > 0) | (self.withdrawn > -np.inf)
        return known

    def speaks(self) -> Bool:
        """(U,) whether a user has a text."""
        told = np.fromiter(map(bool, self.text), np.float64, len(self.text))
        found: Bool = segment_sum(told, self.offsets) > 0
        return found

    def latest(self) -> F64:
        """(U,) time of the latest declaration or deletion, -inf if none."""
        latest = self.withdrawn.copy()
        np.maximum.at(latest, np.repeat(np.arange(self.users), sizes_of(self.offsets)), self.time)
        return latest

    def everything(self) -> F64:
        """(U, D) unit sum of all texts' vectors, each alike; zeros where there is none."""
        return _unit(segment_sum(self.vector.astype(np.float64), self.offsets))

    def texts_within(self, user: int, scenario: str) -> tuple[list[DeclaredRow], bool]:
        """What a user says of a scenario: its own text, else that of all scenarios, else all texts. And whether it is the
        scenario's own."""
        texts = self.texts(user)
        own = [row for row in texts if row.scenario == scenario != EVERYWHERE]
        everywhere = [row for row in texts if row.scenario == EVERYWHERE]
        return own or everywhere or texts, bool(own)

    def within(self, user: int, scenario: str) -> tuple[F64, bool]:
        """(D,) unit sum of what a user says of a scenario, zeros for nothing; and whether it is the scenario's own."""
        texts, own = self.texts_within(user, scenario)
        return unit_sum(texts, self.vector.shape[1]), own


def empty_declared(users: int, dim: int) -> DeclaredStates:
    """Of users who said nothing.

    >>> empty_declared(2, 8).everything().shape
    (2, 8)
    """
    return declared_of([[] for _ in range(users)], np.full(users, -np.inf), dim)


def declared_of(each: Sequence[Sequence[DeclaredRow]], withdrawn: F64, dim: int) -> DeclaredStates:
    """The rows of each user, which ascend by scenario."""
    rows = [row for one in each for row in one]
    return DeclaredStates(
        withdrawn=withdrawn,
        offsets=offsets_of(np.fromiter(map(len, each), np.int64, len(each))),
        scenario=tuple(row.scenario for row in rows),
        text=tuple(row.text for row in rows),
        language=tuple(row.language for row in rows),
        time=np.array([row.time for row in rows], np.float64),
        digest=np.array([row.digest for row in rows], np.uint64),
        vector=np.array([row.vector for row in rows], np.float32).reshape(len(rows), dim),
    )


def declare(
    before: DeclaredStates | None, declarations: Sequence[Sequence[Declaration]], vectors: Sequence[F32]
) -> tuple[DeclaredStates, Bool]:
    """What U users have declared after they said more.

    Args:
        declarations: of each user, in any order.
        vectors: of each user (n, D) unit vectors of the texts, in the same order; those of deletions are not looked at.

    Returns:
        All of it, and (U,) whether something is another than before.
    """
    dim = vectors[0].shape[1]
    before = before or empty_declared(len(declarations), dim)
    said = []
    withdrawn = np.full(len(declarations), -np.inf)
    for user, (texts, rows) in enumerate(zip(declarations, vectors, strict=True)):
        said.append(
            [
                DeclaredRow(
                    one.scenario,
                    one.time,
                    one.digest,
                    one.text,
                    one.language if one.text else "",
                    row if one.text else np.zeros(dim, np.float32),
                )
                for one, row in zip(texts, rows, strict=True)
                if not one.withdrawn
            ]
        )
        times = [one.time for one in texts if one.withdrawn]
        withdrawn[user] = max(times, default=-np.inf)
    after = _joined(before, said, withdrawn)
    changed = after.withdrawn != before.withdrawn
    for user in range(before.users):
        keys = [[(row.scenario, row.time, row.digest) for row in one.rows(user)] for one in (before, after)]
        changed[user] |= keys[0] != keys[1]
    return after, changed


def merge_declared(
    a: DeclaredStates | None, b: DeclaredStates | None, users: int, dim: int
) -> DeclaredStates | None:
    """Join those of two logs, user by user."""
    if a is None or b is None:
        return a if b is None else b
    return _joined(a, [b.rows(user) for user in range(users)], b.withdrawn)


def take_declared(declared: DeclaredStates | None, rows: I64) -> DeclaredStates | None:
    """Of some users; None: none of them said anything."""
    if declared is None or not declared.some()[rows].any():
        return None
    chosen, offsets = rows_of(declared.offsets, rows)
    places = chosen.tolist()
    return DeclaredStates(
        declared.withdrawn[rows],
        offsets,
        tuple(declared.scenario[row] for row in places),
        tuple(declared.text[row] for row in places),
        tuple(declared.language[row] for row in places),
        declared.time[chosen],
        declared.digest[chosen],
        declared.vector[chosen],
    )


def stack_declared(parts: Sequence[tuple[DeclaredStates | None, int]], dim: int) -> DeclaredStates | None:
    """Of the users of all parts, each with its number of users."""
    if all(part is None for part, _ in parts):
        return None
    each = [part if part is not None else empty_declared(users, dim) for part, users in parts]
    return DeclaredStates(
        np.concatenate([one.withdrawn for one in each]),
        offsets_of(np.concatenate([sizes_of(one.offsets) for one in each])),
        tuple(name for one in each for name in one.scenario),
        tuple(text for one in each for text in one.text),
        tuple(language for one in each for language in one.language),
        np.concatenate([one.time for one in each]),
        np.concatenate([one.digest for one in each]),
        np.concatenate([one.vector for one in each]),
    )


def _joined(
    declared: DeclaredStates, more: Sequence[Sequence[DeclaredRow]], withdrawn: F64
) -> DeclaredStates:
    """With further rows of each user, in any order, and withdrawals (U,)."""
    until = np.maximum(declared.withdrawn, withdrawn)
    each = []
    for user, rows in enumerate(more):
        latest: dict[str, DeclaredRow] = {}
        for row in (*declared.rows(user), *rows):
            held = latest.get(row.scenario)
            if row.time > until[user] and (held is None or _order(held) < _order(row)):
                latest[row.scenario] = row
        kept = sorted(latest.values(), key=lambda row: (row.time, row.digest, row.scenario))[-MOST_DECLARED:]
        each.append(sorted(kept))
    return declared_of(each, until, declared.vector.shape[1])


def unit_sum(texts: Sequence[DeclaredRow], dim: int) -> F64:
    """(D,) the texts' vectors together, each alike, at length 1; zeros for none."""
    total = np.zeros((1, dim))
    for row in texts:
        total += row.vector
    unit: F64 = _unit(total)[0]
    return unit


def _order(row: DeclaredRow) -> tuple[float, int]:
    return row.time, row.digest


def _unit(rows: F64) -> F64:
    """The rows, in place, at length 1; zeros where nothing is left."""
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows /= np.where(length > 1e-6, length, np.inf)[:, None]
    return rows
