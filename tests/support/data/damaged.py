"""Users whose stored state can't be read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sinks.points import UserPoints
from streams.ingest.intake import Intake


def damage(
    intake: Intake, *users: str, change: Callable[[bytes], bytes] = lambda state: b"\x01damaged"
) -> None:
    """Make the stored states of these users unreadable, as a disk or a bad restore might, and let nobody remember them."""
    intake.ingest.cache.forget(users)
    for record in intake.store.users.read(list(users), with_vectors=True):
        assert record is not None and record.fused is not None and record.interests is not None
        claim = intake.store.users.claim([record.user_id])
        intake.store.users.write(
            UserPoints(
                user_ids=[record.user_id],
                fused=record.fused[None],
                interests=record.interests,
                interest_offsets=np.array([0, len(record.interests)]),
                states=[change(record.state)],
                watermarks=[record.watermarks],
                weights=[record.weights],
                updated_at=np.array([record.updated_at]),
            ),
            claim.holds,
        )
