"""All users' vectors as one file: Parquet, CSV or JSON lines, by its suffix."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from sinks.points import UserRecord
from streams.errors import SettingsError
from streams.outputs import whole_file
from streams.workspace.workspace import Workspace
from transfer.arrays import F32
from transfer.config import InterestConfig
from transfer.errors import TransferError
from transfer.state.packing import declares, unpack_states

USERS_AT_A_TIME = 1000
SUFFIXES = (".parquet", ".csv", ".jsonl")

Declared = list[dict[str, Any]]
"""What one user declared: scenario ("" for all), text, language and timestamp of each text."""
WriteUsers = Callable[[Sequence[UserRecord], F32, Sequence[Declared]], None]


def check_suffix(out: Path) -> None:
    """Refuse a file whose form its name does not tell.

    Raises:
        SettingsError: names the suffixes there are.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise SettingsError(
            f"can't write {out}: its suffix tells the form of the file; name one of {', '.join(SUFFIXES)}"
        )


def export_users(workspace: Workspace, out: Path, progress: Callable[[int], None] | None = None) -> int:
    """Write user_id, fused (D numbers), weights (a list of scenario and weight) and declared (a list of scenario, text,
    language and timestamp) of each user; count users.

    Parquet has them as string, fixed-size list of float32 and lists of structs, JSON lines as text and lists, CSV the lists as
    JSON in a cell. The file appears under its name only when it is whole.

    Raises:
        SettingsError: the name's suffix is none of SUFFIXES.
        OutputError: it can't be written there.
    """
    check_suffix(out)
    opened = {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines}[out.suffix.lower()]
    count = 0
    with whole_file(out) as draft, opened(draft, workspace.interest.dim) as write:
        for users in workspace.store.users.scan(USERS_AT_A_TIME, with_vectors=True):
            with_vectors = [(user, user.fused) for user in users if user.fused is not None]
            if with_vectors:
                fused = np.stack([vector.ravel() for _, vector in with_vectors]).astype(np.float32)
                declared = [_declared(user, workspace.interest) for user, _ in with_vectors]
                write([user for user, _ in with_vectors], fused, declared)
            count += len(with_vectors)
            if progress is not None:
                progress(len(with_vectors))
    return count


@contextmanager
def _parquet(path: Path, dim: int) -> Iterator[WriteUsers]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    weight = pa.struct([("scenario", pa.string()), ("weight", pa.float32())])
    text = pa.struct(
        [
            ("scenario", pa.string()),
            ("text", pa.string()),
            ("language", pa.string()),
            ("timestamp", pa.float64()),
        ]
    )
    schema = pa.schema(
        [
            ("user_id", pa.string()),
            ("fused", pa.list_(pa.float32(), dim)),
            ("weights", pa.list_(weight)),
            ("declared", pa.list_(text)),
        ]
    )
    with pq.ParquetWriter(path, schema) as writer:

        def write(users: Sequence[UserRecord], fused: F32, declared: Sequence[Declared]) -> None:
            columns = [
                pa.array([user.user_id for user in users], pa.string()),
                pa.FixedSizeListArray.from_arrays(pa.array(fused.ravel(), pa.float32()), dim),
                pa.array([_weights(user) for user in users], pa.list_(weight)),
                pa.array(declared, pa.list_(text)),
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))

        yield write


@contextmanager
def _csv(path: Path, dim: int) -> Iterator[WriteUsers]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["user_id", "fused", "weights", "declared"])

        def write(users: Sequence[UserRecord], fused: F32, declared: Sequence[Declared]) -> None:
            for user, numbers, said in zip(users, _numbers(fused), declared, strict=True):
                lists = [msgspec.json.encode(one).decode() for one in (_weights(user), said)]
                writer.writerow([user.user_id, numbers.decode(), *lists])

        yield write


@contextmanager
def _json_lines(path: Path, dim: int) -> Iterator[WriteUsers]:
    with path.open("wb") as file:

        def write(users: Sequence[UserRecord], fused: F32, declared: Sequence[Declared]) -> None:
            for user, numbers, said in zip(users, _numbers(fused), declared, strict=True):
                line = {
                    "user_id": user.user_id,
                    "fused": msgspec.Raw(numbers),
                    "weights": _weights(user),
                    "declared": said,
                }
                file.write(msgspec.json.encode(line) + b"\n")

        yield write


def _weights(user: UserRecord) -> list[dict[str, Any]]:
    return [{"scenario": name, "weight": value} for name, value in user.weights.items()]


def _declared(user: UserRecord, interest: InterestConfig) -> Declared:
    """Of a state that can't be read nothing."""
    if not declares(user.state):
        return []
    try:
        declared = unpack_states([user.state], interest).declared
    except TransferError:
        return []
    return [
        {"scenario": row.scenario, "text": row.text, "language": row.language, "timestamp": row.time}
        for row in ([] if declared is None else declared.texts(0))
    ]


def _numbers(fused: F32) -> Iterator[bytes]:
    """Each row as a JSON list, with no more digits than a float32 has."""
    for row in fused.astype(str):
        yield b"[" + ",".join(row).encode() + b"]"
