"""The fitted item encoder of a store: every vector there is made with it, so it is one for the store's life."""

from __future__ import annotations

from encoders.errors import EncoderError, EncoderMismatch
from encoders.item_encoder import ItemEncoder
from sinks.errors import StoreMismatch
from sinks.protocols import BlobStore
from streams.settings import Settings

ITEM_ENCODER_BLOB = "item-encoder"
"""The fingerprint; not there: made without one."""


def load_fitted(settings: Settings) -> ItemEncoder | None:
    """The item encoder that the settings name, None where they name none.

    Raises:
        EncoderMismatch: it gives vectors of another dimension, or takes content of another one.
        EncoderError: it is missing or damaged.
    """
    folder = settings.encoder.fitted
    if folder is None:
        return None
    fitted = ItemEncoder.load(folder.expanduser())
    if fitted.dim != settings.interest.dim:
        raise EncoderMismatch(
            f"the item encoder {folder} gives {fitted.dim} dimensions, interest.dim is {settings.interest.dim}; set "
            f"interest.dim and encoder.dim = {fitted.dim}, or run driftline fit with these settings"
        )
    return fitted


def store_encoder(blobs: BlobStore, fitted: ItemEncoder | None) -> None:
    """Write down which item encoder a new store is made with."""
    if fitted is not None:
        blobs.put(ITEM_ENCODER_BLOB, fitted.fingerprint.encode())


def require_fitted(blobs: BlobStore, fitted: ItemEncoder | None, location: str) -> None:
    """Check that the store was made with that item encoder, or without one.

    Raises:
        StoreMismatch: it wasn't; says how to fix it.
    """
    stored = stored_encoder(blobs)
    given = "" if fitted is None else fitted.fingerprint
    if stored == given:
        return
    if not stored:
        problem = f"without a fitted item encoder, the settings name {given[:12]}; leave encoder.fitted out"
    elif not given:
        problem = f"with the fitted item encoder {stored[:12]}; set encoder.fitted to its folder"
    else:
        problem = (
            f"with the fitted item encoder {stored[:12]}, the settings name {given[:12]}; set encoder.fitted to the "
            "folder of the first"
        )
    raise StoreMismatch(f"the store {location} was made {problem}, or replay the log into a new store")


def fitted_if_same(blobs: BlobStore, settings: Settings) -> ItemEncoder | None:
    """The item encoder that the settings name if the store was made with it, else None."""
    stored = stored_encoder(blobs)
    if not stored or settings.encoder.fitted is None:
        return None
    try:
        fitted = load_fitted(settings)
    except EncoderError:
        return None
    return fitted if fitted is not None and fitted.fingerprint == stored else None


def stored_encoder(blobs: BlobStore) -> str:
    """Fingerprint of the item encoder that the store was made with, "" for none."""
    return (blobs.get(ITEM_ENCODER_BLOB) or b"").decode()
