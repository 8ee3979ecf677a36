"""What every encoder of raw content offers."""

from collections.abc import Sequence
from typing import Protocol

from encoders.arrays import F32
from encoders.progress import OnProgress


class Encoder(Protocol):
    """Content to raw vectors, before whitening.

    Equal content gives equal vectors (up to rounding) whatever else is in the call, in the order of the
    input. Calls are synchronous and thread-safe.
    """

    @property
    def fingerprint(self) -> str:
        """Changes with everything that makes vectors incomparable: weights, tokenizer, pooling, lengths."""

    @property
    def raw_dim(self) -> int:
        """Columns of `encode`'s result."""

    def encode(self, texts: Sequence[str], progress: OnProgress | None = None) -> F32:
        """Texts (N) to (N, raw_dim) float32, finite, one row a text; N may be 0. `progress` may be told on the way."""
