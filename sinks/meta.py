"""What a store says of itself, and a few named blobs, over any collection."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from pybase64 import b64decode, b64encode_as_string

from sinks.collection import Collection, Key, Mode, Payload, PointBatch, Where
from sinks.errors import PointRefused, StoreMismatch
from sinks.points import named_id
from sinks.validation import check_texts
from sinks.writer import FENCE

MOST_BLOB_BYTES = 16 << 20
"""A blob is one string in one point; this much every engine takes in one request."""

_IDENTITY = named_id("store")
_PAGE = 16


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
                f"collection {self._collection.name} holds something else than a Driftline store's version; "
                "choose another store"
            ) from error

    def identify(self, identity: Identity) -> Identity:
        """Write down what the store is, the last step of its creation; where another process was faster, what that said."""
        self._write(_IDENTITY, asdict(identity), mode=Mode.INSERT)
        return self._identified()

    def upgrade(self, identity: Identity) -> Identity:
        """Write down what an older store is from now on; where another process was faster, what that said."""
        self._write(
            _IDENTITY, asdict(identity), Where(at_most={"version": identity.version - 1}), Mode.UPDATE
        )
        return self._identified()

    def _identified(self) -> Identity:
        identity = self.identity()
        if identity is None:
            raise StoreMismatch(
                f"collection {self._collection.name} lost the store's version while it was written"
            )
        return identity

    def get_blob(self, name: str) -> bytes | None:
        """The blob of that name, None if there is none."""
        check_texts([name], "blob name")
        payload = self._payload(_blob_id(name))
        return None if payload is None else b64decode(payload["blob"], validate=True)

    def get_blobs(self, folder: str) -> dict[str, bytes]:
        """All blobs whose names are `folder`, a slash and a text without one."""
        check_texts([folder], "folder of blobs")
        found: dict[str, bytes] = {}
        after: Key | None = None
        inside = Where(equals={"folder": (folder,)})
        while True:
            page, after = self._collection.scroll(_PAGE, after, inside, with_vectors=False)
            found |= {str(p.payload["name"]): b64decode(p.payload["blob"], validate=True) for p in page}
            if after is None:
                return found

    def put_blob(self, name: str, blob: bytes, token: int | None = None) -> None:
        """Keep `blob` under `name`, in place of what was there; with `token` unless that has a higher one.

        Raises:
            PointRefused: it is larger than MOST_BLOB_BYTES.
        """
        check_texts([name], "blob name")
        if len(blob) > MOST_BLOB_BYTES:
            raise PointRefused(
                f"blob {name!r} has {len(blob)} bytes, the store keeps at most {MOST_BLOB_BYTES}"
            )
        encoded = b64encode_as_string(blob)
        payload: Payload = {"name": name, "blob": encoded}
        if "/" in name:
            payload["folder"] = name.rpartition("/")[0]
        if token is None:
            self._write(_blob_id(name), payload)
        else:
            self._write(_blob_id(name), payload | {FENCE: token}, Where(at_most={FENCE: token}))

    def _payload(self, key: str) -> Payload | None:
        found = self._collection.retrieve([key], with_vectors=False)
        return found[0].payload if found else None

    def _write(
        self, key: str, payload: Payload, where: Where | None = None, mode: Mode = Mode.EITHER
    ) -> None:
        size = sum(len(value) if isinstance(value, str) else 16 for value in payload.values())
        point = PointBatch([key], {}, [payload], np.array([size], np.int64))
        self._collection.upsert(point, where=where, mode=mode)


def _blob_id(name: str) -> str:
    return named_id(f"blob/{name}")
