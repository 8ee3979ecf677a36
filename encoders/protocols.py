"""What every encoder of raw content offers."""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

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


@runtime_checkable
class Adaptable(Protocol):
    """An encoder that has a choice left, such as its precision, until it meets vectors that are there already."""

    def adopt(self, fingerprint: str) -> None:
        """Go on with the encoder's vectors that have the fingerprint; one that is none of its own changes nothing.

        Raises:
            WhiteningMismatch: the choice was another one already.
        """


@runtime_checkable
class Costly(Protocol):
    """An encoder whose vectors are worth a place on disk: reading them is faster than encoding again."""

    costly: Literal[True]
