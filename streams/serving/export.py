"""All users' vectors as one Parquet file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from streams.errors import StreamsError
from streams.workspace.workspace import Workspace

USERS_AT_A_TIME = 1000


def export_users(workspace: Workspace, out: Path, progress: Callable[[int], None] | None = None) -> int:
    """Write user_id (string), fused (fixed-size list of float32), weights (list of {scenario, weight}); count users.

    The file appears under its name only when it is whole.

    Raises:
        StreamsError: it can't be written there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if out.is_dir():
        raise StreamsError(f"can't write {out}: it is a folder; name a file in it")
    dim = workspace.interest.dim
    weight = pa.struct([("scenario", pa.string()), ("weight", pa.float32())])
    schema = pa.schema(
        [("user_id", pa.string()), ("fused", pa.list_(pa.float32(), dim)), ("weights", pa.list_(weight))]
    )
    partial = out.with_name(out.name + ".partial")
    count = 0
    try:
        with pq.ParquetWriter(partial, schema) as writer:
            for users in workspace.store.users.scan(USERS_AT_A_TIME, with_vectors=True):
                fused = np.concatenate([user.fused for user in users if user.fused is not None])
                weights = [
                    [{"scenario": name, "weight": value} for name, value in user.weights.items()]
                    for user in users
                ]
                columns = [
                    pa.array([user.user_id for user in users], pa.string()),
                    pa.FixedSizeListArray.from_arrays(pa.array(fused, pa.float32()), dim),
                    pa.array(weights, pa.list_(weight)),
                ]
                writer.write_batch(pa.record_batch(columns, schema=schema))
                count += len(users)
                if progress is not None:
                    progress(len(users))
        partial.replace(out)
    except OSError as error:
        raise StreamsError(f"can't write {out}: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return count
