"""A few named blobs in a store's meta collection."""

from __future__ import annotations

import numpy as np
from pybase64 import b64decode, b64encode_as_string

from sinks.collection import Collection, Key, Payload, PointBatch, Where
from sinks.errors import PointRefused
from sinks.leases import CollectionLeases, Lease
from sinks.points import named_id
from sinks.validation import check_texts
from sinks.writer import FENCE

MOST_BLOB_BYTES = 16 << 20
"""A blob is one string in one point; this much every engine takes in one request."""
_PAGE = 16


class Blobs:
    """See `sinks.protocols.BlobStore`."""

    def __init__(self, meta: Collection, leases: CollectionLeases, generation: str = "") -> None:
        """generation: whose blobs these are; another one's are not seen (`sinks.renewal`)."""
        self._before = f"{generation}/" if generation else ""
        self._meta = meta
        self._leases = leases

    def get(self, name: str) -> bytes | None:
        """The blob of that name, None if there is none."""
        check_texts([name], "blob name")
        found = self._meta.retrieve([_blob_id(self._before + name)], with_vectors=False)
        return b64decode(found[0].payload["blob"], validate=True) if found else None

    def folder(self, folder: str) -> dict[str, bytes]:
        """All blobs whose names are `folder`, a slash and a text without one."""
        check_texts([folder], "folder of blobs")
        found: dict[str, bytes] = {}
        after: Key | None = None
        inside = Where(equals={"folder": (self._before + folder,)})
        while True:
            page, after = self._meta.scroll(_PAGE, after, inside, with_vectors=False)
            found |= {
                str(point.payload["name"]).removeprefix(self._before): b64decode(
                    point.payload["blob"], validate=True
                )
                for point in page
            }
            if after is None:
                return found

    def put(self, name: str, blob: bytes, lease: Lease | None = None) -> None:
        """Keep `blob` under `name`; see `sinks.protocols.BlobStore.put`.

        Raises:
            PointRefused: it is larger than MOST_BLOB_BYTES.
        """
        check_texts([name], "blob name")
        if len(blob) > MOST_BLOB_BYTES:
            raise PointRefused(
                f"blob {name!r} has {len(blob)} bytes, the store keeps at most {MOST_BLOB_BYTES}"
            )
        name = self._before + name
        payload: Payload = {"name": name, "blob": b64encode_as_string(blob)}
        if "/" in name:
            payload["folder"] = name.rpartition("/")[0]
        if lease is None:
            self._write(payload)
        else:
            with self._leases.held(lease) as epoch:
                self._write(payload | {FENCE: epoch}, Where(at_most={FENCE: epoch}))

    def _write(self, payload: Payload, where: Where | None = None) -> None:
        size = sum(len(value) if isinstance(value, str) else 16 for value in payload.values())
        point = PointBatch([_blob_id(payload["name"])], {}, [payload], np.array([size], np.int64))
        self._meta.upsert(point, where=where)


def _blob_id(name: str) -> str:
    return named_id(f"blob/{name}")
