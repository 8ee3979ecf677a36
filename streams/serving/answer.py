"""What a request is answered with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from streams.serving.because import Because


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One item of the answer. source: "new", "again", "declared", and of a trained model "next" or "popular"; score: its
    probability in the mixture; because: what speaks for it most. A "probe" is asked about: score is the share of users
    who know it, and reason says why it is asked."""

    item_id: str
    title: str
    scenario: str
    score: float
    source: str
    because: Because | None = None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `reason` only where there is one."""
        found = asdict(self)
        if not self.reason:
            del found["reason"]
        return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What is recommended to a user, best first."""

    items: list[Recommendation]
    known: bool
    """whether the store has an act of the user; else the items are what the user declared, what to ask about, or what is
    popular"""
    declared: bool = False
    """whether what the user declared has a part in it"""
