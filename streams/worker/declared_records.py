"""The declarations of a flush on their way into the store; each step may be repeated after an error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from streams.events.declaration import DecodedDeclarations, UserDeclaration
from streams.events.event import Reject, RejectReason
from streams.ingest.intake import Intake
from streams.worker.batch import LaneBatch
from streams.worker.bisect import bisect_failures
from streams.worker.poison import failure_reason, is_poison
from streams.worker.unreadable_users import PARKED_WHY

BatchRejects = list[tuple[LaneBatch, list[Reject]]]


class DeclaredRecords:
    """Those of the batches that came by a topic of profiles and are not applied yet."""

    def __init__(self, batches: Sequence[LaneBatch], intake: Intake) -> None:
        self._batches = batches
        self._intake = intake

    @property
    def users(self) -> list[str]:
        """Whose they are, each once."""
        return list(dict.fromkeys(one.user_id for one in self._all()))

    def park(self) -> BatchRejects:
        """Take those of users in quarantine out, to be sent as letters."""
        users = self.users
        quarantined = {users[row] for row in self._intake.quarantine.rows(users)} if users else set()
        if not quarantined:
            return []
        return self._taken_out(lambda one: PARKED_WHY if one.user_id in quarantined else None)

    def apply(self, before: Callable[[], None]) -> None:
        """Bring them into the store; see `streams.ingest.declaring.Declaring.apply`. A second call has nothing to do."""
        declarations = self._all()
        if declarations:
            self._intake.declaring.apply(declarations, before)
        for batch in self._batches:
            batch.declared = None

    def sift(self, most: int) -> BatchRejects:
        """Take those out that fail on their own, writing nothing.

        Raises:
            TooManyFailures: more than `most`.
        """
        every = self._all()

        def attempt(start: int, stop: int) -> None:
            self._intake.declaring.check(every[start:stop])

        found = bisect_failures(len(every), attempt, most=most, is_theirs=is_poison)
        failed = {id(every[at]): failure_reason(error) for at, error in found}
        return self._taken_out(lambda one: failed.get(id(one))) if failed else []

    def _all(self) -> list[UserDeclaration]:
        return [one for batch in self._batches if batch.declared for one in batch.declared.declarations]

    def _taken_out(self, why: Callable[[UserDeclaration], tuple[RejectReason, str] | None]) -> BatchRejects:
        rejects: BatchRejects = []
        for batch in self._batches:
            held = batch.declared
            if held is None:
                continue
            pairs = list(zip(held.positions, held.declarations, strict=True))
            refused = [Reject(at, *told) for at, one in pairs if (told := why(one)) is not None]
            if refused:
                rejects.append((batch, refused))
                gone: Collection[int] = {reject.position for reject in refused}
                kept = [(at, one) for at, one in pairs if at not in gone]
                batch.declared = DecodedDeclarations(
                    [one for _, one in kept], [at for at, _ in kept], held.rejects
                )
        return rejects
