"""Raw vectors on disk by what they are of, so that a catalogue is encoded once: by whichever command comes first, and though it
was killed half-way. For contents of catalogues; what users type is not kept here."""

import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from encoders.arrays import F32, Bool
from encoders.cache_folder import cache_folder
from encoders.config import EncoderConfig

_SUFFIX: Final = ".vectors"
_WAIT_S: Final = 20.0
_KEYS_AT_A_TIME: Final = 500
notes = structlog.get_logger(__name__)


class KeptVectors:
    """A file of one encoder's vectors, (width,) float32 each, by digests of 16 bytes. Shared by threads and processes.

    What was put is there after a kill. A file that can't be read is begun again; where none can be written, nothing is kept.
    """

    def __init__(self, folder: Path, fingerprint: str, width: int, most_bytes: int) -> None:
        """most_bytes: of all files in the folder. Other encoders' files that were not used for longest go first, then the
        older half of this one."""
        self._path = folder / f"{fingerprint}{_SUFFIX}"
        self._width = width
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None
        self._failed = False

    def get(self, digests: Sequence[bytes]) -> tuple[F32, Bool]:
        """(N, width) float32, zeros where none is known, and (N,) whether it is."""
        vectors = np.zeros((len(digests), self._width), np.float32)
        known = np.zeros(len(digests), np.bool_)
        rows = {digest: row for row, digest in enumerate(digests)}
        with self._lock:
            for digest, data in self._read(list(rows)):
                vector = np.frombuffer(data[: len(data) // 4 * 4], np.float32)
                if len(vector) == self._width and np.isfinite(vector).all():
                    vectors[rows[digest]] = vector
                    known[rows[digest]] = True
        return vectors, known

    def put(self, digests: Sequence[bytes], vectors: F32) -> None:
        """Keep vectors (N, width) float32; returns when they are there."""
        rows = [
            (digest, np.ascontiguousarray(vector, np.float32).tobytes())
            for digest, vector in zip(digests, vectors, strict=True)
        ]
        with self._lock:
            connection = self._connection()
            if connection is None:
                return
            try:
                with connection:
                    connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
                    if self._size(connection) > self._most_bytes:
                        connection.execute(
                            "DELETE FROM vectors WHERE rowid <= (SELECT (min(rowid) + max(rowid)) / 2 FROM vectors)"
                        )
            except sqlite3.Error as error:
                self._give_up(error)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._open is not None:
                self._open.close()
            self._open = None

    def _read(self, digests: list[bytes]) -> list[tuple[bytes, bytes]]:
        connection = self._connection()
        if connection is None:
            return []
        found: list[tuple[bytes, bytes]] = []
        try:
            for start in range(0, len(digests), _KEYS_AT_A_TIME):
                part = digests[start : start + _KEYS_AT_A_TIME]
                marks = ",".join("?" * len(part))
                found += connection.execute(
                    f"SELECT digest, vector FROM vectors WHERE digest IN ({marks})", part
                ).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
        return found

    def _connection(self) -> sqlite3.Connection | None:
        if self._open is not None or self._failed:
            return self._open
        try:
            self._path.parent.mkdir(0o700, parents=True, exist_ok=True)
            self._remove_others()
            try:
                self._open = self._opened()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:  # not a database, or a damaged one
                _remove(self._path)
                self._open = self._opened()
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
        return self._open

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_WAIT_S, check_same_thread=False)
        try:
            # A commit then survives a kill of the process; after a power cut the last ones may be missing.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            with connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS vectors (digest BLOB PRIMARY KEY, vector BLOB NOT NULL)"
                )
        except BaseException:
            connection.close()
            raise
        self._path.touch()  # its time says when it was last used
        return connection

    def _remove_others(self) -> None:
        """Files of other encoders, those not used for longest first, until all is within the bound."""
        files = sorted(self._path.parent.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
        total = sum(path.stat().st_size for path in files)
        for path in files:
            if total <= self._most_bytes:
                break
            if path != self._path:
                total -= path.stat().st_size
                _remove(path)

    def _size(self, connection: sqlite3.Connection) -> int:
        """Bytes in use."""
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _give_up(self, error: Exception) -> None:
        """Without the file everything still works."""
        notes.info("vectors of catalogues are not kept on disk", file=str(self._path), why=str(error))
        self._failed = True
        if self._open is not None:
            with contextlib.suppress(sqlite3.Error):
                self._open.close()
        self._open = None


def kept_vectors(config: EncoderConfig, fingerprint: str, width: int) -> KeptVectors | None:
    """Those of an encoder with that fingerprint; None: nothing is to be kept."""
    folder = cache_folder(config)
    if folder is None or not config.disk_cache_mb:
        return None
    return KeptVectors(folder / "vectors", fingerprint, width, config.disk_cache_mb << 20)


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
