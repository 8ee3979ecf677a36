"""The way into a store: all that writes events and items to it, put together."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from encoders.content import ContentEncoder
from encoders.errors import WhiteningMismatch
from sinks.errors import StoreMismatch, StoreMoved
from streams.counts.counts import CountsBuffer, agree_on_config
from streams.failpoints import Failpoints
from streams.ingest.catalogue import CatalogueWriter
from streams.ingest.declaring import Declaring
from streams.ingest.ingest import Ingest
from streams.ingest.quarantine import Quarantine
from streams.ingest.record_decoders import RecordDecoders
from streams.metrics import Metrics
from streams.settings import Settings
from streams.workspace.workspace import Workspace, begin_again, open_workspace


class Intake:
    """What a process that writes to a store works with; the worker, replay, repair and `driftline items` share it.

    Called intake, since a *writer* is the process that a user's point names (`sinks.writer`).
    """

    def __init__(self, workspace: Workspace, metrics: Metrics | None = None) -> None:
        """Loads no text model yet, but requires that it exists.

        Raises:
            EncoderConfigError, WhiteningMismatch: see `Workspace.space`.
        """
        store, settings = workspace.store, workspace.settings
        self.workspace = workspace
        self.store = store
        self.settings = settings
        self.decoders = RecordDecoders(settings)
        self.metrics = metrics or Metrics()
        self.failpoints = Failpoints()
        self.catalogue = CatalogueWriter(store.items, workspace.space, self.metrics, settings.media)
        self.counts = (
            CountsBuffer(store.blobs, store.leases, settings.counts, self.metrics)
            if settings.counts.keep
            else None
        )
        self.quarantine = Quarantine(store.blobs, self.metrics, workspace.now)
        self.ingest = Ingest(workspace, self.metrics, counts=self.counts, failpoints=self.failpoints)
        self.declaring = Declaring(self.ingest, workspace)

    def close(self) -> None:
        """Flush and close the store."""
        self.decoders.close()
        self.workspace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.workspace.__exit__(kind, error, trace)


def open_intake(
    location: str,
    settings: Settings,
    *,
    create: bool,
    metrics: Metrics | None = None,
    now: Callable[[], float] = time.time,
) -> Intake:
    """Open the store to write events and items to it.

    With `create` a store without a user and an item takes these settings, whichever it was made with.

    Raises:
        StoreMismatch: also where its counts were made with other settings.
        EncoderError, TransferError, StoreUnavailable, ...: see `streams.workspace.workspace.open_workspace`.
    """
    # Whether there is such a text model is seen before a store is made for it.
    ContentEncoder(settings.encoder)
    try:
        return _opened(location, settings, create, metrics, now)
    except StoreMoved:
        raise
    except (StoreMismatch, WhiteningMismatch):
        if not create or not begin_again(location, settings):
            raise
    return _opened(location, settings, create, metrics, now)


def _opened(
    location: str, settings: Settings, create: bool, metrics: Metrics | None, now: Callable[[], float]
) -> Intake:
    workspace = open_workspace(location, settings, create=create, now=now)
    try:
        if settings.counts.keep:
            agree_on_config(workspace.store.blobs, settings.counts, location)
        return Intake(workspace, metrics)
    except BaseException:
        workspace.store.abandon()
        raise
