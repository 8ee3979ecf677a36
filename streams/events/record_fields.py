"""The fields of records or rows as they were read, before defaults are filled in and before anything is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from streams.events.columns import Coded
from streams.events.ids import RowRejects
from transfer.arrays import F64, I64
from transfer.codes import NONE

EMPTY_IS_NONE: Final = ("item_id", "text", "action")
"""Fields of which "" says as little as nothing does; in the others it is a value, if no good one."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordFields:
    """B records."""

    count: int
    texts: Mapping[str, Coded]
    """by field that was looked for (`ID_FIELDS` without event_id, and further ones): codes (B,), -1 = absent, and their table,
    without "" in those of `EMPTY_IS_NONE`"""
    event_ids: Sequence[str | None] | None
    """(B,); None where the description has none"""
    time: F64
    """(B,) unix seconds, NaN where there is none or `rejects` tells why"""
    measures: Mapping[str, F64] = field(default_factory=dict)
    """by name: (B,), NaN where there is none"""
    rejects: RowRejects = field(default_factory=dict)
    """records that could not be read, and why"""
    ignored: I64 = field(default_factory=lambda: np.empty(0, np.int64))
    """rows that are about no event, by what stands around them: counted, and neither applied nor rejected"""

    def coded(self, name: str) -> Coded:
        """Codes and table of a field; all absent where it was not looked for."""
        return self.texts[name] if name in self.texts else (np.full(self.count, NONE, np.int32), [])
