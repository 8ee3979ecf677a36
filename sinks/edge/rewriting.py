"""A collection's folder written anew, with what it holds now and nothing of what was overwritten or deleted.

The engine keeps old versions of points in its segments and its log until they happen to be reused. So all points are copied,
as they are, into a folder beside, which then takes the place of the first:

1. `NAME.part` is filled, put on the disk, and renamed to `NAME.fresh`;
2. `NAME` is renamed to `NAME.stale`, `NAME.fresh` to `NAME`;
3. `NAME.stale` is deleted.

Cut off anywhere, the next one who opens the store finishes it: nobody can have written to `NAME` since 1 was done.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import qdrant_edge as edge

_AT_A_TIME: Final = 500


def rewrite(path: Path, shard: edge.EdgeShard, config: edge.EdgeConfig) -> None:
    """Copy the shard at `path` and close it; `path` is the copy then, not open, without indexes of payloads."""
    part, fresh = _beside(path, "part"), _beside(path, "fresh")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(0o750)
    copy = edge.EdgeShard.create(str(part), config)
    after = None
    while True:
        page = edge.ScrollRequest(offset=after, limit=_AT_A_TIME, with_payload=True, with_vector=True)
        records, after = shard.scroll(page)
        if records:
            points = [edge.Point(record.id, record.vector or {}, record.payload or {}) for record in records]
            copy.update(edge.UpdateOperation.upsert_points(points))
        if after is None:
            break
    copy.flush()
    copy.close()
    _sync(part)
    shard.close()
    part.rename(fresh)
    finish_rewriting(path)


def finish_rewriting(path: Path) -> None:
    """Finish, or undo, what a rewriting of `path` that was cut off has left."""
    part, fresh, stale = (_beside(path, kind) for kind in ("part", "fresh", "stale"))
    shutil.rmtree(part, ignore_errors=True)
    if fresh.exists():
        if path.exists():
            shutil.rmtree(stale, ignore_errors=True)
            path.rename(stale)
        fresh.rename(path)
        _sync_folder(path.parent)
    shutil.rmtree(stale, ignore_errors=True)


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f"{path.name}.{kind}")


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
