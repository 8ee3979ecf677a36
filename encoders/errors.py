"""Errors of the encoders: few, typed, each says what to do about it."""


class EncoderError(Exception):
    """Base of everything that the encoders raise on purpose."""


class EncoderConfigError(EncoderError):
    """The configuration names a model, device or size that can't be served; fatal, found at start."""


class MissingPackage(EncoderError):
    """Encoding text needs a package that is not installed; the text names it and how to get it."""


class WhiteningMismatch(EncoderError):
    """A whitening belongs to another model, dimension or format than the one configured; fatal."""


class EncoderMismatch(EncoderError):
    """A fitted item encoder is another one than the store's, of another dimension or format; fatal."""
