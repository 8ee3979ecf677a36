"""Choice: one setting and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting and why."""

    value: Any
    reason: str
