"""Consent records: a user who was forgotten may begin again, from a time on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from streams.events.event import MAX_USER_ID_BYTES, Reject, TimeLimits, fits, is_blank, reject_timestamp
from streams.events.json_errors import undecodable
from transfer.arrays import F64


class ConsentRecord(msgspec.Struct, frozen=True, gc=False):
    """One consent as it travels in its topic, JSON. Unknown fields are ignored."""

    user_id: str
    timestamp: float
    """unix seconds; events up to then never apply"""


@dataclass(frozen=True, slots=True)
class DecodedConsents:
    """The consents of a batch, and the records that are none, by position."""

    consents: list[ConsentRecord]
    rejects: list[Reject]


_DECODE = msgspec.json.Decoder(ConsentRecord).decode


def decode_consents(
    values: Sequence[bytes | None], *, now: float | F64, limits: TimeLimits | None = None
) -> DecodedConsents:
    """Decode the records of one partition. now: unix seconds, for all records or (N,) for each.

    >>> decode_consents([b'{"user_id": "ada", "timestamp": 5}'], now=9.0).consents
    [ConsentRecord(user_id='ada', timestamp=5.0)]
    """
    decoded = DecodedConsents([], [])
    present = np.broadcast_to(np.asarray(now, np.float64), len(values)).tolist()
    for position, (value, at) in enumerate(zip(values, present, strict=True)):
        try:
            found = _DECODE(value)  # type: ignore[arg-type]  # None: a TypeError
        except Exception as error:
            decoded.rejects.append(Reject(position, *undecodable(error, value)))
            continue
        why = reject_timestamp(found.timestamp, at, limits or TimeLimits())
        if is_blank(found.user_id):
            why = "empty_user_id", "user_id is empty"
        elif not fits(found.user_id, MAX_USER_ID_BYTES):
            why = "user_id_too_long", f"user_id has more than {MAX_USER_ID_BYTES} bytes"
        if why is None:
            decoded.consents.append(found)
        else:
            decoded.rejects.append(Reject(position, *why))
    return decoded
