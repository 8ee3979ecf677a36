"""Text to raw vectors by a table that was distilled from another encoder: some hundred times as fast, blind to word order."""

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
import xxhash
from scipy.sparse import csr_array

from encoders.arrays import F32
from encoders.cache_folder import cache_folder, one_at_a_time, write_whole
from encoders.config import MULTILINGUAL, STATIC, EncoderConfig
from encoders.distil import WIDTH, PieceTable, distil
from encoders.errors import EncoderConfigError, MissingPackage
from encoders.prepare import prepare_text
from encoders.progress import OnProgress
from encoders.text import TextEncoder

_FORMAT: Final = "static-1"
notes = structlog.get_logger(__name__)


class StaticEncoder:
    """Texts to (N, 256) float32 unit rows, or fewer columns where the source has fewer.

    The source's folder must be there, since its files say which table it is; it is loaded (in fp32, so that all machines have
    one table) only where the table is not on disk yet. Thread-safe.

    Raises:
        EncoderConfigError: there is no such source, or no table is to be made of it.
    """

    precision = "fp32"
    device = "cpu"

    def __init__(self, config: EncoderConfig) -> None:
        self._config = config
        self._source = TextEncoder(_source_config(config))
        self._lock = threading.Lock()
        self._loaded: tuple[Any, F32] | None = None
        self.truncated = 0
        """Distinct texts of a call, summed over calls, that were cut at `max_chars` or `max_length`."""

    @cached_property
    def fingerprint(self) -> str:
        """Hash over the source's files, pooling, lengths and this format."""
        parts = (self._table_fingerprint, str(self._config.max_length), str(self._config.max_chars))
        return xxhash.xxh3_128_hexdigest("\n".join(parts).encode())

    @cached_property
    def raw_dim(self) -> int:
        """256, or the source's width where that is less."""
        return min(WIDTH, self._source.raw_dim)

    def load(self) -> None:
        """Read the table, or make and keep it.

        Raises:
            EncoderError: the source can't be loaded.
            MissingPackage: a package is not installed; names the extra.
        """
        self._require()

    def encode(self, texts: Sequence[str], progress: OnProgress | None = None) -> F32:
        """Texts (N) to (N, raw_dim) float32 unit rows; zeros where the vocabulary knows no piece of a text.

        Raises:
            EncoderError: the table has to be made, and the source can't be loaded.
        """
        if not texts:
            return np.zeros((0, self.raw_dim), np.float32)
        tokenizer, table = self._require()
        max_chars = self._config.max_chars
        prepared = [prepare_text(text, max_chars) for text in texts]
        found = tokenizer.encode_batch_fast(prepared, add_special_tokens=False)
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        pieces = np.fromiter((piece for one in found for piece in one.ids), np.int64, int(lengths.sum()))
        starts = np.append(0, np.cumsum(lengths))
        counts = csr_array(
            (np.ones(len(pieces), np.float32), pieces, starts), shape=(len(prepared), len(table))
        )
        vectors = np.asarray(counts @ table, np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, norms, out=vectors, where=norms > 0)
        cut = {
            text
            for text, one, whole in zip(prepared, found, texts, strict=True)
            if one.overflowing or len(whole.strip()) > max_chars
        }
        with self._lock:
            self.truncated += len(cut)
        if progress is not None:
            progress(len(prepared))
        return vectors

    @cached_property
    def _table_fingerprint(self) -> str:
        parts = (_FORMAT, self._source.files, self._config.pooling, str(WIDTH))
        return xxhash.xxh3_128_hexdigest("\n".join(parts).encode())

    def _require(self) -> tuple[Any, F32]:
        with self._lock:
            if self._loaded is None:
                try:
                    from tokenizers import Tokenizer
                except ModuleNotFoundError as error:
                    raise MissingPackage(
                        f"encoding text needs {error.name}: pip install 'driftline[run]'"
                    ) from error
                table = self._table()
                tokenizer = Tokenizer.from_str(table.tokenizer)
                tokenizer.no_padding()
                tokenizer.enable_truncation(self._config.max_length)
                self._loaded = tokenizer, table.rows
            return self._loaded

    def _table(self) -> PieceTable:
        """From disk, else made and put there; one process at a time makes it."""
        folder = cache_folder(self._config)
        if folder is None:
            return distil(self._source)
        path = folder / "static" / f"{self._table_fingerprint}.safetensors"
        if (kept := _read(path)) is not None:
            return kept
        table = None
        try:
            with one_at_a_time(path.with_suffix(".lock")):
                if (kept := _read(path)) is not None:
                    return kept
                # Whoever writes here holds the lock: these were begun by processes that were killed.
                for draft in path.parent.glob(f".{path.name}.*"):
                    draft.unlink()
                table = distil(self._source)
                write_whole(path, _packed(table))
        except OSError as error:
            notes.warning("a static table can't be kept", folder=str(folder), why=error.strerror)
        return table or distil(self._source)


def _source_config(config: EncoderConfig) -> EncoderConfig:
    name = config.model.removeprefix(STATIC)
    if name == MULTILINGUAL:
        raise EncoderConfigError(
            f"encoder.model {config.model!r}: a table of that encoder's pieces loses what it knows of words in pieces; use "
            f"{MULTILINGUAL!r}, or static:FOLDER with a multilingual model"
        )
    if not name or name.startswith(STATIC):
        raise EncoderConfigError(
            f"encoder.model {config.model!r} names no encoder to make a table of; write static:minilm or static:FOLDER"
        )
    return config.model_copy(update={"model": name, "precision": "fp32"})


def _packed(table: PieceTable) -> bytes:
    from safetensors.numpy import save

    tokenizer = np.frombuffer(table.tokenizer.encode(), np.uint8)
    body = bytes(save({"rows": table.rows, "tokenizer": tokenizer}))
    return xxhash.xxh3_128_digest(body) + body


def _read(path: Path) -> PieceTable | None:
    """None where there is none, or a damaged one."""
    from safetensors.numpy import load

    try:
        data = path.read_bytes()
    except OSError:
        return None
    if xxhash.xxh3_128_digest(data[16:]) != data[:16]:
        notes.warning("a kept static table is damaged and is made again", file=str(path))
        return None
    tensors = load(data[16:])
    return PieceTable(tensors["rows"], tensors["tokenizer"].tobytes().decode())
