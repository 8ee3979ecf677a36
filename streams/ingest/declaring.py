"""What users declare of themselves into the store: into the very point that holds their state, as any writer does it.

In rounds, as long as users wait, as `streams.ingest.ingest` does with events: **claim** those that are not in memory, and read
them; leave out who was forgotten, and what is of a time up to which a user was; **join** what they say to what they said, by
`transfer.state.declared`; **write** those of whom something changed, state, vectors and marks in one upsert, on the condition
that each is still held as it was read. Others are read again. A join needs no marks: what is read twice, late or in another
order changes nothing.

Users that were in memory stay there as they were written. Those that were claimed for this alone do not: events that come by
sources which were not asked for have to look how far these are, as after any claim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sinks.tombstones import FOREVER, SINCE, as_micros
from sinks.writer import FORGOTTEN
from streams.events.declaration import UserDeclaration
from streams.ingest.held_users import claimed_users
from streams.ingest.ingest import Ingest
from streams.ingest.user_cache import HeldUser
from streams.workspace.workspace import Workspace
from transfer.arrays import F32
from transfer.state.declared import Declaration

USERS_AT_A_TIME: Final = 1000
_FIRST_WAIT_S: Final = 0.002
_LONGEST_WAIT_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class DeclaredOutcome:
    """What became of declarations."""

    applied: int = 0
    """they said something else than was known; those of one user in one call count together, as they are written"""
    known: int = 0
    """they changed nothing: repeated, or older than what is there"""
    forgotten: int = 0
    """of users who were forgotten, or of a time up to which one was"""

    def __add__(self, other: DeclaredOutcome) -> DeclaredOutcome:
        return DeclaredOutcome(
            self.applied + other.applied, self.known + other.known, self.forgotten + other.forgotten
        )


class Declaring:
    """Applies declarations. Thread-safe; shares memory and locks of users with `Ingest`."""

    def __init__(self, ingest: Ingest, workspace: Workspace) -> None:
        self._ingest = ingest
        self._space = workspace.space
        self._dim = workspace.interest.dim

    def apply(
        self, declarations: Sequence[UserDeclaration], before: Callable[[], None] = lambda: None
    ) -> DeclaredOutcome:
        """Bring all of them into the store and return when it has acknowledged them. May be repeated.

        before: called before each claim and each write; may raise to stop.

        Raises:
            StoreUnavailable: call again with the same.
            PointUnreadable, StateFormatError: a user's point can't be understood.
        """
        by_user: dict[str, list[Declaration]] = {}
        for user_id, said in declarations:
            by_user.setdefault(user_id, []).append(said)
        done, names = DeclaredOutcome(), list(by_user)
        for start in range(0, len(names), USERS_AT_A_TIME):
            part = {name: by_user[name] for name in names[start : start + USERS_AT_A_TIME]}
            done += self._apply(part, before)
        metrics = self._ingest.metrics.declarations
        for outcome, count in (
            ("applied", done.applied),
            ("known", done.known),
            ("forgotten", done.forgotten),
        ):
            metrics.labels(outcome).inc(count)
        return done

    def check(self, declarations: Sequence[UserDeclaration]) -> None:
        """Do all that is done before a write, and nothing that lasts; raises what that raises."""
        names = list(dict.fromkeys(user_id for user_id, _ in declarations))
        each = [[said for user_id, said in declarations if user_id == name] for name in names]
        records = self._ingest.store.users.read(names)
        states = [b"" if record is None else record.state for record in records]
        points, _ = self._ingest.preparation.declare(
            names, states, [{}] * len(names), each, self._encode(each)
        )
        if points is not None:
            self._ingest.store.users.check(points)

    def _apply(self, said: Mapping[str, list[Declaration]], before: Callable[[], None]) -> DeclaredOutcome:
        vectors = dict(zip(said, self._encode(list(said.values())), strict=True))
        waiting, outcome, attempt = dict(said), Counter[str](), 0
        with self._ingest.locks.of(list(said)):
            try:
                while waiting:
                    if attempt:
                        wait_s = min(_FIRST_WAIT_S * 2**attempt, _LONGEST_WAIT_S)
                        self._ingest.sleep(wait_s * self._ingest.rng.random())
                    for name in self._round(waiting, vectors, outcome, before):
                        del waiting[name]
                    attempt += 1
            except BaseException:
                # Whatever became of a write: what the store has is read again.
                self._ingest.cache.forget(said)
                raise
        return DeclaredOutcome(**outcome)

    def _encode(self, each: Sequence[Sequence[Declaration]]) -> list[F32]:
        """(n, D) vectors of each user's texts; zeros for deletions."""
        texts = list(dict.fromkeys(one.text for some in each for one in some if one.text))
        row = {text: number for number, text in enumerate(texts)}
        vectors = np.zeros((len(texts) + 1, self._dim), np.float32)  # the last one is that of a deletion
        if texts:
            with self._space.lock:
                vectors[:-1] = self._space.texts(texts)
        return [vectors[[row.get(one.text, len(texts)) for one in some]] for some in each]

    def _round(
        self,
        waiting: Mapping[str, list[Declaration]],
        vectors: Mapping[str, F32],
        outcome: Counter[str],
        before: Callable[[], None],
    ) -> list[str]:
        """One try; the users that are done with."""
        ingest, names = self._ingest, list(waiting)
        cached = dict(zip(names, ingest.cache.get(names), strict=True))
        missing = [name for name, user in cached.items() if user is None]
        users: dict[str, HeldUser | None] = dict(cached)
        token = None
        if missing:
            before()
            claim = ingest.store.users.claim(missing)
            ingest.failpoints.reached("declaring users claimed")
            users |= claimed_users(missing, claim)
            token = claim.token
        held: dict[str, HeldUser] = {name: user for name, user in users.items() if user is not None}
        wanted, rows = {}, {}
        for name, user in held.items():
            kept = [n for n, one in enumerate(waiting[name]) if not _unwanted(one, user)]
            wanted[name] = [waiting[name][n] for n in kept]
            rows[name] = vectors[name][kept]
        some = [name for name in held if wanted[name] and held[name].hold != FORGOTTEN]
        written = self._write(some, held, wanted, rows, token, before) if some else {}
        done = [name for name in held if written.get(name) is not None or name not in some]
        for name in done:
            outcome["forgotten"] += len(waiting[name]) - len(wanted[name])
            if name in some:
                outcome["applied" if written[name] else "known"] += len(wanted[name])
        ingest.cache.forget([name for name in names if cached[name] is None or name not in done])
        return done

    def _write(
        self,
        names: Sequence[str],
        held: Mapping[str, HeldUser],
        wanted: Mapping[str, list[Declaration]],
        vectors: Mapping[str, F32],
        token: int | None,
        before: Callable[[], None],
    ) -> dict[str, bool | None]:
        """Of each user whether something was written, None: the store has not taken it."""
        ingest = self._ingest
        points, changed = ingest.preparation.declare(
            names,
            [held[name].state for name in names],
            [held[name].watermark for name in names],
            [wanted[name] for name in names],
            [vectors[name] for name in names],
        )
        result: dict[str, bool | None] = dict.fromkeys(names, False)
        if points is None:
            return result
        chosen = [name for name, other in zip(names, changed.tolist(), strict=True) if other]
        before()
        taken = ingest.store.users.write(points, [held[name].hold for name in chosen], token=token)
        ingest.failpoints.reached("declared written")
        for row, (name, was_taken) in enumerate(zip(chosen, taken.tolist(), strict=True)):
            result[name] = True if was_taken else None
            if was_taken:
                ingest.cache.put([(name, replace(held[name], state=points.states[row]))])
        ingest.metrics.users_written.inc(int(taken.sum()))
        ingest.metrics.refused_writes.inc(int((~taken).sum()))
        return result


def _unwanted(said: Declaration, user: HeldUser) -> bool:
    """Whether it is of a time up to which nothing of the user counts; see `sinks.tombstones.SINCE`."""
    since = user.watermark.get(SINCE)
    return since is not None and (since >= FOREVER or as_micros(said.time) <= since)
