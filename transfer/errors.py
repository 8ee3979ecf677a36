"""Errors of the interest state and the transfer model."""

from collections.abc import Sequence


class TransferError(Exception):
    """Base of this package's errors."""


class StateFormatError(TransferError):
    """Packed bytes that are no state, cut short or damaged; the text says how to fix it.

    `rows` are all rows of the call that were refused for this reason, ascending.
    """

    def __init__(self, message: str, rows: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


class StateTooNew(StateFormatError):
    """States of a later release: nothing is wrong with them, and this release must not touch them."""


class StateSettingsMismatch(StateFormatError):
    """States that were written with other settings: nothing is wrong with them."""


class CountsFormatError(TransferError):
    """Packed counts that this release can't read with these settings; the text says how to fix it."""


class ModelError(TransferError):
    """A model's folder that can't be read or written, or that does not fit; the text says how to fix it."""
