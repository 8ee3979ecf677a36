"""A store and the models that made it, opened together, and their agreement checked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from types import TracebackType
from typing import Self

from encoders.content import ContentEncoder
from encoders.item_encoder import ItemEncoder
from encoders.media_contents import open_media
from encoders.vector_cache import ItemVectorCache
from encoders.vectorizer import ItemVectorizer
from sinks.errors import StoreMismatch
from sinks.open import open_store, renew_store
from sinks.protocols import Store
from sinks.renewal import generation_of
from sinks.versions import FIRST
from streams.errors import SettingsError, settings_that_differ
from streams.settings import Settings
from streams.workspace.item_encoder import fitted_if_same, load_fitted, require_fitted, store_encoder
from streams.workspace.scenario_names import name_lookup, wants_words
from streams.workspace.transfer_model import (
    bind_items,
    load_transfer_model,
    reading,
    require_encoder,
    require_encoder_of_settings,
    require_model,
    settings_for_reading,
    version_of,
)
from streams.workspace.vector_space import VectorSpace
from streams.workspace.vocabulary import register_actions, with_vocabulary
from transfer.config import InterestConfig
from transfer.names import NameLookup
from transfer.protocols import TransferModel

INTEREST_BLOB = "interest"


class Workspace:
    """A store opened together with the models that made it: what reads it and what writes it is built on this.

    What the states in the store were made with is kept in it, and must be the settings' again. Encoders are loaded when they
    are first asked for: to read users takes none.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        interest: InterestConfig,
        model: TransferModel,
        fitted: ItemEncoder | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """interest: with the actions of the store, whose codes are those of the states; `settings.interest` becomes the same.
        fitted: the store's fitted item encoder, where it was loaded already."""
        self.store = store
        self.settings = settings.with_interest(interest)
        self.interest = interest
        self.model = model
        self.now = now
        self._fitted = fitted
        self._cache = ItemVectorCache(interest.dim, settings.encoder.cache_rows)
        bind_items(model, store.items, self._cache, now, self._names() if wants_words(model) else None)

    @cached_property
    def fitted(self) -> ItemEncoder | None:
        """The fitted item encoder that the store was made with; None: it has none, or the settings name another one."""
        return self._fitted or fitted_if_same(self.store.blobs, self.settings)

    @cached_property
    def content(self) -> ContentEncoder:
        """The encoder of texts.

        Raises:
            EncoderConfigError: there is no such model.
        """
        return ContentEncoder(self.settings.encoder)

    @cached_property
    def space(self) -> VectorSpace:
        """Where vectors of new items and texts come from. First asked for by one thread.

        Raises:
            EncoderConfigError, WhiteningMismatch: the encoder is missing, or not the one that made the store's vectors.
        """
        media = open_media(self.settings.encoder, self.settings.media)
        vectorizer = ItemVectorizer(self.content, self.fitted, media)
        return VectorSpace(self.store.blobs, vectorizer, self.content, self._cache, self.model, self.now)

    def _names(self) -> NameLookup | None:
        return name_lookup(self.model, self.settings.encoder, self.fitted, self.content.encoder)

    def close(self) -> None:
        """Flush and close the store."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.store.abandon()


def open_workspace(
    location: str,
    settings: Settings,
    *,
    create: bool,
    now: Callable[[], float] = time.time,
) -> Workspace:
    """Open the store so that it may be written to.

    Raises:
        StoreMismatch: it was made with other half-lives, weights or dimensions, or another model; says which.
        EncoderError: `encoder.fitted` can't be used.
        TransferError: the transfer model can't be loaded.
        StoreUnavailable, StoreLocked, StoreNotFound: see `sinks.open.open_store`.
    """
    # All that can be wrong with the settings by themselves comes before anything is made.
    _require_folders(settings)
    model = load_transfer_model(settings.interest, settings.transfer)
    fitted = load_fitted(settings)
    require_encoder_of_settings(settings.transfer, fitted)
    version = version_of(model, settings.transfer)
    first = replace(version, name=FIRST)
    store = open_store(location, settings.store, settings.interest.dim, create, first)
    try:
        blob = store.blobs.get(INTEREST_BLOB)
        if blob is None:
            # The encoder first: once the interest is there, the store counts as made.
            store_encoder(store.blobs, fitted)
            store.blobs.put(INTEREST_BLOB, settings.interest.stored_json().encode())
        else:
            _require_same(InterestConfig.model_validate_json(blob), settings.interest, location)
            require_fitted(store.blobs, fitted, location)
        require_encoder(store.blobs, settings.transfer, location)
        require_model(store.versions, version, location)
        with_vocabulary(settings.interest, store.actions.known())
        if not store.versions.opened.model:
            store.versions.describe(version.model, version.settings)
        interest = register_actions(store.actions, settings.interest)
        model = reading(model, interest, settings.transfer)
        return Workspace(store, settings, interest, model, fitted, now)
    except BaseException:
        store.abandon()
        raise


def begin_again(location: str, settings: Settings) -> bool:
    """Let a store that has no user and no item begin again with these settings; False: it has some, or is none.

    Raises:
        EncoderError, TransferError, StoreUnavailable, StoreLocked: as `open_workspace`.
    """
    fitted = load_fitted(settings)
    version = version_of(load_transfer_model(settings.interest, settings.transfer), settings.transfer)
    generation = generation_of(
        [
            settings.interest.fingerprint(),
            str(sorted(settings.interest.actions.items())),
            settings.counts.fingerprint(),
            str(settings.store.interests),
            settings.encoder.model,
            *(settings.encoder.image.model, settings.encoder.audio.model),
            "" if fitted is None else fitted.fingerprint,
            version.model,
        ]
    )
    try:
        return renew_store(
            location, settings.store, settings.interest.dim, replace(version, generation=generation)
        )
    except StoreMismatch:
        return False


def open_existing(location: str, settings: Settings) -> Workspace:
    """Open a store that exists already, and require that it fits the settings; writes nothing.

    Raises:
        StoreMismatch, StoreNotFound, ...: as `open_workspace`.
    """
    store = open_store(location, settings.store, settings.interest.dim, create=False)
    try:
        blob = store.blobs.get(INTEREST_BLOB)
        fitted = load_fitted(settings)
        if blob is not None:
            _require_same(InterestConfig.model_validate_json(blob), settings.interest, location)
            require_fitted(store.blobs, fitted, location)
        model = load_transfer_model(settings.interest, settings.transfer)
        require_model(store.versions, version_of(model, settings.transfer), location)
        interest = with_vocabulary(settings.interest, store.actions.known())
        model = reading(model, interest, settings.transfer)
        return Workspace(store, settings, interest, model, fitted)
    except BaseException:
        store.close()
        raise


def open_for_reading(location: str, settings: Settings) -> Workspace:
    """Open the store with the interest settings and analytic weights that it was made with, whatever the file says now.

    Raises:
        StoreMismatch: a trained model made its vectors, and the settings name none or another one.
    """
    store = open_store(location, settings.store, settings.interest.dim, create=False)
    try:
        interest = stored_interest(store, settings)
        transfer = settings_for_reading(store.versions, settings.transfer, location)
        model = reading(load_transfer_model(interest, transfer), interest, transfer)
        require_model(store.versions, version_of(model, transfer), location)
        return Workspace(store, settings.model_copy(update={"transfer": transfer}), interest, model)
    except BaseException:
        store.close()
        raise


def stored_interest(store: Store, settings: Settings) -> InterestConfig:
    """What the states in the store were made with."""
    blob = store.blobs.get(INTEREST_BLOB)
    interest = settings.interest if blob is None else InterestConfig.model_validate_json(blob)
    # Whatever is set now: the store's weights are those of its events.
    return interest.model_copy(
        update={"actions": {action.name: action.weight for action in store.actions.known()}}
    )


def _require_folders(settings: Settings) -> None:
    """Refuse settings that name a folder which is not there, as other wrong settings are."""
    named = {
        "transfer.model": (settings.transfer.model, "driftline train"),
        "encoder.fitted": (settings.encoder.fitted, "driftline fit"),
    }
    for key, (folder, maker) in named.items():
        if folder is not None and not folder.expanduser().is_dir():
            raise SettingsError(f"{key}: there is no folder {folder}; `{maker}` makes one")


def _require_same(stored: InterestConfig, wanted: InterestConfig, location: str) -> None:
    if stored.fingerprint() == wanted.fingerprint():
        return
    before, after = (json.loads(config.model_dump_json()) for config in (stored, wanted))
    decisive = ("dim", "half_lives_s", "browse_weight", "click_weight", "purchase_weight", "weigh")
    differences = settings_that_differ("interest", before, after, decisive)
    raise StoreMismatch(
        f"the store {location} was made with other settings: {differences}. "
        "Set them as the store has them, or replay the log into a new store"
    )
