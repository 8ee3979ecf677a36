"""The daemon's own sweeps for users who have not acted for long, where the settings ask for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from sinks.errors import StoreError, StoreMoved
from streams.ingest.intake import Intake
from streams.privacy.retention import drop_idle_users, is_due, note_sweep

log = structlog.get_logger(__name__)

LOOK_S: Final = 60.0
"""How often a daemon looks whether a sweep is due: one of several daemons does it."""


class RetentionSweep:
    """Sweeps in a thread, beside the lanes."""

    def __init__(self, intake: Intake, now: Callable[[], float] = time.time, look_s: float = LOOK_S) -> None:
        """now: when the last sweep was is wall time; who is dropped is not."""
        self._intake = intake
        self._now = now
        self._look_s = look_s

    async def watch(self) -> None:
        """Sweep whenever it is due, until cancelled; nothing where the settings keep everybody."""
        retention = self._intake.settings.retention
        while retention.days is not None:
            try:
                await asyncio.to_thread(self.sweep_if_due)
            except StoreMoved:
                return  # the lanes are told, too
            except StoreError as error:
                log.warning("retention waits", error=str(error))
            await asyncio.sleep(self._look_s)

    def sweep_if_due(self) -> int:
        """How many users were dropped.

        Raises:
            StoreUnavailable, StoreMoved: nothing is lost; it is done the next time.
        """
        retention, store = self._intake.settings.retention, self._intake.store
        if retention.days is None or not is_due(store, self._now(), retention.every_hours * 3600):
            return 0
        note_sweep(store, self._now())
        done = drop_idle_users(store, retention.days, held=self._held)
        self._intake.metrics.users_dropped.inc(done.dropped)
        log.info("users who have not acted for long were dropped", dropped=done.dropped, users=done.users)
        return done.dropped

    @contextmanager
    def _held(self, users: Sequence[str]) -> Iterator[None]:
        ingest = self._intake.ingest
        with ingest.locks.of(users):
            try:
                yield
            finally:
                ingest.cache.forget(users)
