"""LearnedFrom: which events something was learned from, so that it is not judged by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LearnedFrom:
    """The events of a log up to a time, or all but each user's last."""

    until: float
    """time of the latest of them, in the log's unit (unix seconds)"""
    log: str
    """identity of the log"""
    left_out: str = ""
    """"last" where each user's last basket was left out, so that the time alone does not tell"""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def of(cls, told: object) -> LearnedFrom | None:
        """What `as_dict` gave; None where nothing, or something else, is told.

        >>> LearnedFrom.of({"until": 9.0, "log": "a", "left_out": ""}), LearnedFrom.of({"log": "a"}), LearnedFrom.of(None)
        (LearnedFrom(until=9.0, log='a', left_out=''), None, None)
        """
        if not isinstance(told, Mapping) or not isinstance(told.get("until"), int | float):
            return None
        return cls(float(told["until"]), str(told.get("log", "")), str(told.get("left_out", "")))

    def with_that_of(self, other: LearnedFrom | None) -> LearnedFrom | None:
        """Of something that was learned with the help of something else: the later time; None where the other is unknown.

        >>> ours = LearnedFrom(9.0, "a", "last")
        >>> ours.with_that_of(LearnedFrom(12.0, "a", "last")), ours.with_that_of(LearnedFrom(5.0, "b")), ours.with_that_of(None)
        (LearnedFrom(until=12.0, log='a', left_out='last'), LearnedFrom(until=9.0, log='a', left_out=''), None)
        """
        if other is None:
            return None
        same = (other.log, other.left_out) == (self.log, self.left_out)
        return LearnedFrom(max(self.until, other.until), self.log, self.left_out if same else "")
