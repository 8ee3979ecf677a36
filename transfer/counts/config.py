"""Settings of the counts of items and transitions."""

import hashlib
import json
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from transfer.arrays import F64
from transfer.config import require_ascending

COUNTS_VERSION = 2
"""Version of the packed counts; raised when a release can't read what an older one wrote."""

HalfLife = Annotated[float, Field(gt=0, allow_inf_nan=True)]


class CountsConfig(BaseModel):
    """What is counted. Counts of different `fingerprint()` can't be merged or read.

    A half-life may be infinite (`inf`): all time. The caps bound memory and blobs, not meaning: what is counted is cut to a cap
    when it has passed twice of it, so that what is new has room to grow before it is judged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="strings")

    keep: bool = Field(True, description="whether daemon and replay count at all")
    half_lives_s: tuple[HalfLife, ...] = Field(
        default=(86400.0, 604800.0, 2419200.0, float("inf")),
        min_length=1,
        max_length=16,
        description="of the shares, ascending; the last may be inf",
    )
    pair_window: int = Field(
        5, ge=1, le=64, description="baskets of the user before an event that lead to its item"
    )
    pair_events: int = Field(
        16,
        ge=1,
        le=1024,
        description="and most items in them; with the basket itself no more than interest.ring, or some are missed",
    )
    pair_half_life_s: HalfLife = Field(7776000.0, description="of the transitions; may be inf")
    max_neighbours: int = Field(
        64, ge=1, le=65535, description="items kept that follow one item, the heaviest"
    )
    max_pairs: int = Field(1_000_000, ge=1, description="transitions kept in all; 12 bytes each")
    max_counts: int = Field(200_000, ge=1, description="counts of (scenario, item) kept, by greatest share")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        require_ascending(self.half_lives_s)
        return self

    @property
    def half_lives(self) -> F64:
        """Half-lives of the shares in seconds, (H,) float64, ascending."""
        return np.array(self.half_lives_s)

    def fingerprint(self) -> str:
        """16 hex digits over everything that makes counts incompatible; caps may change freely.

        >>> CountsConfig().fingerprint() == CountsConfig(max_pairs=10).fingerprint()
        True
        >>> CountsConfig().fingerprint() == CountsConfig(pair_window=1).fingerprint()
        False
        """
        lives = [repr(life) for life in (*self.half_lives_s, self.pair_half_life_s)]
        content = [COUNTS_VERSION, lives, self.pair_window, self.pair_events]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()
