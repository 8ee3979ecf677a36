"""What an envelope says was done: which records bring an event, which are about none, and which would alter one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from streams.events.record_fields import RecordFields
from streams.wire.envelope import Envelope
from transfer.codes import NONE

OPERATION: Final = "operation"
"""The name under which a description reads it."""


def with_operations(read: RecordFields, envelope: Envelope, *, refuse_changes: bool) -> RecordFields:
    """The same records, those that bring no event ignored or rejected."""
    codes, table = read.coded(OPERATION)
    changes = frozenset() if refuse_changes else envelope.changes
    is_ignored = np.array([name in envelope.ignored or name in changes for name in table] + [False])
    is_taken = np.array([name in envelope.taken for name in table] + [False])
    ignored = np.flatnonzero(is_ignored[codes])
    rejects = dict(read.rejects)
    for row in ignored.tolist():
        rejects.pop(row, None)
    for row in np.flatnonzero(~(is_taken | is_ignored)[codes]).tolist():
        code = codes[row]
        if code != NONE:
            rejects[row] = "operation_refused", _refusal(envelope, table[code])
        elif row not in read.rejects or read.rejects[row][0] == "missing_field":
            rejects[row] = "missing_field", f"{envelope.operation} is missing: no envelope of {envelope.name}"
    return replace(read, ignored=ignored, rejects=rejects)


def _refusal(envelope: Envelope, operation: str) -> str:
    if operation in envelope.changes:
        return (
            f"{envelope.operation} is {operation!r}: a change of an event can't be taken out of what was learned from it; "
            'changes = "ignore" counts it and no more'
        )
    known = ", ".join(sorted(envelope.taken))
    return f"{envelope.operation} is {operation[:20]!r}; those with events are {known}"
