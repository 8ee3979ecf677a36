"""Errors of the interest state and the transfer model."""


class TransferError(Exception):
    """Base of this package's errors."""


class StateFormatError(TransferError):
    """Packed bytes that this release can't read with these settings; the text says how to mend."""


class TablesFormatError(TransferError):
    """Packed tables that this release can't read with these settings; the text says how to mend."""


class ModelError(TransferError):
    """A model's folder that can't be read or written, or that does not fit; the text says how to mend."""
