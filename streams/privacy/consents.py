"""Consents that come by a topic, into the store."""

from __future__ import annotations

from collections.abc import Iterable

from streams.events.consent import ConsentRecord
from streams.ingest.intake import Intake
from streams.privacy.forget import consent_users


def apply_consents(intake: Intake, consents: Iterable[ConsentRecord]) -> None:
    """Apply them, in order of time. May be repeated: a consent that was applied changes nothing.

    Raises:
        StoreUnavailable, StoreMoved: call again with the same.
    """
    by_time: dict[float, list[str]] = {}
    for record in consents:
        by_time.setdefault(record.timestamp, []).append(record.user_id)
    for at, users in sorted(by_time.items()):
        distinct = list(dict.fromkeys(users))
        with intake.ingest.locks.of(distinct):
            try:
                consent_users(intake.store, distinct, at)
            finally:
                intake.ingest.cache.forget(distinct)
