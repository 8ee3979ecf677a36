"""What is common to the formats: a decoder of payloads, and why a schema may give none."""

from __future__ import annotations

from typing import Any, Protocol


class PayloadDecoder(Protocol):
    """Payloads of one schema -> mappings of field names; a key may also be a string or a number."""

    def decode(self, payload: bytes, header: bytes, in_header: bool) -> Any:
        """One payload; any exception says that it is none of this schema. header, in_header: see `Framed`."""
        ...


class UnusableSchema(ValueError):
    """A schema that no record can be read by; the text says why."""
