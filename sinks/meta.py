"""What a store says of itself, over any collection."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from sinks.collection import Collection, Payload, PointBatch, Where, WriteMode
from sinks.errors import StoreMismatch
from sinks.points import named_id

_IDENTITY = named_id("store")


@dataclass(frozen=True, slots=True)
class Identity:
    """Which version of Driftline's layout a store has, how long its vectors are, and which store it is."""

    version: int
    dim: int
    id: str = ""
    """a random text; "" in a store of version 1"""


class Meta:
    """The meta collection of one store."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def identity(self) -> Identity | None:
        """What the store is; None where its creation was never completed.

        Raises:
            StoreMismatch: the collection is something else.
        """
        payload = self._payload(_IDENTITY)
        if payload is None:
            return None
        try:
            return Identity(int(payload["version"]), int(payload["dim"]), str(payload.get("id", "")))
        except (KeyError, TypeError, ValueError) as error:
            raise StoreMismatch(
                f"collection {self._collection.name} holds something other than a Driftline store's version; "
                "choose another store"
            ) from error

    def identify(self, identity: Identity) -> Identity:
        """Write down what the store is, the last step of its creation; where another process was faster, what that said."""
        self._write(_IDENTITY, asdict(identity), mode=WriteMode.INSERT)
        return self._identified()

    def upgrade(self, identity: Identity) -> Identity:
        """Write down what an older store is from now on; where another process was faster, what that said."""
        self._write(
            _IDENTITY, asdict(identity), Where(at_most={"version": identity.version - 1}), WriteMode.UPDATE
        )
        return self._identified()

    def _identified(self) -> Identity:
        identity = self.identity()
        if identity is None:
            raise StoreMismatch(
                f"collection {self._collection.name} lost the store's version while it was written"
            )
        return identity

    def _payload(self, key: str) -> Payload | None:
        found = self._collection.retrieve([key], with_vectors=False)
        return found[0].payload if found else None

    def _write(
        self, key: str, payload: Payload, where: Where | None = None, mode: WriteMode = WriteMode.EITHER
    ) -> None:
        size = sum(len(value) if isinstance(value, str) else 16 for value in payload.values())
        point = PointBatch([key], {}, [payload], np.array([size], np.int64))
        self._collection.upsert(point, where=where, mode=mode)
