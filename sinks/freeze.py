"""Keeps all writers of a store waiting while its last changes are copied to another version; see `sinks.versions`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from sinks.errors import FreezeLost, StoreUnavailable
from sinks.versions import FREEZE_PATIENCE_S, Version, VersionRecord, Versions


class Freeze:
    """Keeps writers waiting; see `freeze`. For one thread."""

    def __init__(self, record: VersionRecord, held: Versions) -> None:
        self._record = record
        self._held = held

    def renew(self) -> None:
        """Say that the switch is still under way; call it every few seconds.

        Raises:
            FreezeLost: a writer broke the freeze. What it wrote since has to be copied too.
        """
        self._set(self._held)

    @property
    def held(self) -> Versions:
        """The record, as it is while writers wait."""
        return self._held

    def begin_again(self, version: Version) -> None:
        """Make this the only version, and live, and end the freeze.

        Raises:
            FreezeLost: as `renew`; nothing was changed.
        """
        self._set(replace(self._held, live=version.name, all={version.name: version}, fillers={}, frozen=""))

    def switch(self, name: str) -> None:
        """Make the version live, and end the freeze.

        Raises:
            FreezeLost: as `renew`; nothing was switched.
        """
        self._set(replace(self._held, live=name, frozen=""))

    def end(self) -> None:
        """Let writers continue, unless that has happened."""
        if self._held.frozen:
            self._record.set(self._held, replace(self._held, frozen=""))

    def _set(self, wanted: Versions) -> None:
        now = self._record.set(self._held, wanted)
        if now is None:
            raise FreezeLost(
                "a writer continued before the switch to the new version was made; run `driftline rebuild` again"
            )
        self._held = now


def freeze(record: VersionRecord, *, alone: bool, clock: Callable[[], float] = time.monotonic) -> Freeze:
    """Keep all writers of the store waiting, from now until the freeze ends.

    One that was abandoned is taken over; at once where no other process can have the store (`alone`).

    Raises:
        StoreUnavailable: another process keeps the store frozen.
    """
    owner = secrets.token_hex(8)
    epoch, since = -1, clock()
    deadline = clock() + 4 * FREEZE_PATIENCE_S
    while clock() < deadline:
        seen = record.read()
        if seen.epoch != epoch:
            epoch, since = seen.epoch, clock()
        if alone or not seen.frozen or clock() - since > FREEZE_PATIENCE_S:
            held = record.set(seen, replace(seen, frozen=owner))
            if held is not None:
                return Freeze(record, held)
        else:
            time.sleep(0.2)
    raise StoreUnavailable("another `driftline rebuild` is switching the store; try again when it is done")
