"""Why a JSON record could not be decoded, in our words."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from streams.events.event import RejectReason

MAX_DETAIL_CHARS: Final = 200
_NOT_FINITE: Final = re.compile(rb'"timestamp"\s*:\s*[-+]?(?:NaN|Inf|nan|inf)')
_TIME_OUT_OF_RANGE: Final = "Number out of range - at `$.timestamp`"


def undecodable(error: Exception, record: bytes | None = b"?") -> tuple[RejectReason, str]:
    """Reason and detail for what decoding `record` raised; the record itself is never quoted.

    >>> undecodable(RecursionError())
    ('nested_too_deep', 'the record is nested too deep')
    """
    if record is None or not record.strip():
        return "empty_record", "the record has no value"
    if isinstance(error, RecursionError):
        return "nested_too_deep", "the record is nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return "not_json", "the record is not UTF-8"
    # msgspec's messages name our fields, their types and positions, nothing of the record.
    detail = str(error)[:MAX_DETAIL_CHARS]
    if detail == _TIME_OUT_OF_RANGE or _NOT_FINITE.search(record):
        return "timestamp_not_finite", "timestamp is not a finite number"
    if not isinstance(error, msgspec.ValidationError):
        return "not_json", detail
    return ("missing_field" if "missing required field" in detail else "wrong_type"), detail
