"""Everything that reads or writes a store, put together: store, encoder, caches, model; and their agreement checked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from encoders.content import ContentEncoder
from encoders.item_encoder import ItemEncoder
from encoders.vector_cache import ItemVectorCache
from encoders.vectorizer import ItemVectorizer
from encoders.whitening import Whitening
from sinks.errors import StoreMismatch
from sinks.open import open_store
from sinks.protocols import Store
from sinks.versions import FIRST
from streams.counts.counts import CountsBuffer, agree_on_config
from streams.failpoints import Failpoints
from streams.ingest.catalogue import CatalogueWriter
from streams.ingest.ingest import Ingest
from streams.ingest.item_source import ItemSource
from streams.ingest.preparation import Preparation
from streams.ingest.quarantine import Quarantine
from streams.ingest.user_cache import UserCache
from streams.metrics import Metrics
from streams.settings import Settings
from streams.workspace.item_encoder import fitted_if_same, keep_fitted, load_fitted, require_fitted
from streams.workspace.scenario_names import name_lookup
from streams.workspace.transfer_model import (
    bind_items,
    load_transfer_model,
    require_encoder,
    require_model,
    searched_vectors,
    settings_for_reading,
    version_of,
)
from transfer.config import InterestConfig
from transfer.protocols import TransferModel

INTEREST_BLOB = "interest"
WHITENING_BLOB = "whitening"


class Workspace:
    """A store opened for use. What the states in it were made with is kept in it and must be the settings' again."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        interest: InterestConfig,
        metrics: Metrics | None = None,
        now: Callable[[], float] = time.time,
        fitted: ItemEncoder | None = None,
        model: TransferModel | None = None,
    ) -> None:
        self.store = store
        self.settings = settings
        self.interest = interest
        self.metrics = metrics or Metrics()
        # Lanes work in several threads; the encoder and the item vectors are used by one at a time.
        self._lock = threading.RLock()
        whitening = store.get_blob(WHITENING_BLOB)
        self._kept = whitening is not None
        self.content = ContentEncoder(settings.encoder)
        self.space = ItemVectorizer(self.content, fitted)
        if whitening is not None:
            self.content.use(Whitening.from_bytes(whitening))
        self.memory = ItemVectorCache(interest.dim, settings.encoder.cache_rows)
        self.model = model or load_transfer_model(interest, settings.transfer)
        names = name_lookup(self.model, settings.encoder, fitted, self.content.encoder)
        bind_items(self.model, store, self.memory, now, names)
        searched = partial(searched_vectors, self.model)
        self.catalogue = CatalogueWriter(
            store=store,
            content=self.content,
            space=self.space,
            memory=self.memory,
            metrics=self.metrics,
            now=now,
            save_whitening=self.save_whitening,
            is_fitted=lambda: self.is_fitted,
            lock=self._lock,
            searched=searched,
        )
        self.counts = CountsBuffer(store, settings.counts, self.metrics) if settings.counts.keep else None
        self.failpoints = Failpoints()
        self.quarantine = Quarantine(store, self.metrics, now)
        self.ingest = Ingest(
            store=store,
            preparation=Preparation(
                content=self.content,
                space=self.space,
                items=ItemSource(store, self.space, self.memory, self.metrics, now, searched),
                lock=self._lock,
                config=interest,
                model=self.model,
                metrics=self.metrics,
                on_text=self.save_whitening,
            ),
            cache=UserCache(settings.daemon.user_cache),
            metrics=self.metrics,
            failpoints=self.failpoints,
            counts=self.counts,
        )

    @property
    def is_fitted(self) -> bool:
        """Whether the store's whitening is decided: a fitted item encoder brings one, the store has one."""
        brought = self.space.fitted is not None and self.space.fitted.whitening is not None
        return self._kept or brought

    def save_whitening(self) -> None:
        """Keep the whitening in use in the store, once: every vector there is made with it, so it never changes."""
        if not self._kept:
            self.store.put_blob(WHITENING_BLOB, self.content.whitening.to_bytes())
            self._kept = True

    def close(self) -> None:
        """Flush and let go of the store."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_workspace(
    location: str,
    settings: Settings,
    *,
    create: bool,
    metrics: Metrics | None = None,
    now: Callable[[], float] = time.time,
) -> Workspace:
    """Open the store to write to it.

    Raises:
        StoreMismatch: it was made with other half-lives, weights or dimensions, or another model; says which.
        EncoderError: `encoder.fitted` can't be used.
        TransferError: the transfer model can't be loaded.
        StoreUnavailable, StoreLocked, StoreNotFound: see `sinks.open.open_store`.
    """
    model = load_transfer_model(settings.interest, settings.transfer)
    version = version_of(model, settings.transfer)
    first = replace(version, name=FIRST)
    store = open_store(location, settings.store, settings.interest.dim, create, first)
    try:
        kept = store.get_blob(INTEREST_BLOB)
        fitted = load_fitted(settings)
        if kept is None:
            # The encoder first: once the interest is there, the store counts as made.
            keep_fitted(store, fitted)
            store.put_blob(INTEREST_BLOB, settings.interest.model_dump_json().encode())
        else:
            _require_same(InterestConfig.model_validate_json(kept), settings.interest, location)
            require_fitted(store, fitted, location)
        if settings.counts.keep:
            agree_on_config(store, settings.counts, location)
        require_encoder(store, settings.transfer, location)
        require_model(store, version, location)
        if not store.version.model:
            store.describe(version.model, version.settings)
        return Workspace(store, settings, settings.interest, metrics, now, fitted, model)
    except BaseException:
        store.close()
        raise


def open_existing(location: str, settings: Settings) -> Workspace:
    """Open a store that exists already, and require that it fits the settings; writes nothing.

    Raises:
        StoreMismatch, StoreNotFound, ...: as `open_workspace`.
    """
    store = open_store(location, settings.store, settings.interest.dim, create=False)
    try:
        kept = store.get_blob(INTEREST_BLOB)
        fitted = load_fitted(settings)
        if kept is not None:
            _require_same(InterestConfig.model_validate_json(kept), settings.interest, location)
            require_fitted(store, fitted, location)
        model = load_transfer_model(settings.interest, settings.transfer)
        require_model(store, version_of(model, settings.transfer), location)
        return Workspace(store, settings, settings.interest, fitted=fitted, model=model)
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
        interest = kept_interest(store, settings)
        transfer = settings_for_reading(store, settings.transfer, location)
        model = load_transfer_model(interest, transfer)
        require_model(store, version_of(model, transfer), location)
        return Workspace(
            store,
            settings.model_copy(update={"transfer": transfer}),
            interest,
            fitted=fitted_if_same(store, settings),
            model=model,
        )
    except BaseException:
        store.close()
        raise


def kept_interest(store: Store, settings: Settings) -> InterestConfig:
    """What the states in the store were made with."""
    kept = store.get_blob(INTEREST_BLOB)
    return settings.interest if kept is None else InterestConfig.model_validate_json(kept)


def _require_same(kept: InterestConfig, wanted: InterestConfig, location: str) -> None:
    if kept.fingerprint() == wanted.fingerprint():
        return
    before, after = (json.loads(config.model_dump_json()) for config in (kept, wanted))
    differences = [
        f"interest.{key} is {before[key]} there and {after[key]} here"
        for key in before
        if before[key] != after[key]
    ]
    raise StoreMismatch(
        f"the store {location} was made with other settings: {'; '.join(differences)}. "
        "Set them as they are there, or replay the log into a new store"
    )
