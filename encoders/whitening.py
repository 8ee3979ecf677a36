"""Raw vectors to the space that is stored: centred, whitened, fewer dimensions, unit length."""

import json
import struct
from dataclasses import dataclass, field

import numpy as np
import xxhash

from encoders.arrays import F32, F64
from encoders.errors import EncoderConfigError, EncoderError, WhiteningMismatch

_FORMAT = "driftline-whitening"
_VERSION = 1
_ROWS_AT_A_TIME = 65_536
# Variance, relative to the mean's square, below which float32 rows are the same row.
_FLAT = 1e-14
_PROJECTION_KEY = 0xD81F7


@dataclass(frozen=True, slots=True)
class Whitening:
    """y = (x - mean) @ matrix, scaled to unit length. Fitted once a catalogue; immutable and versioned.

    Raw embeddings share a large common direction; sums of them would tell users apart badly. Whitening by the
    catalogue's covariance: Su et al. 2021, "Whitening Sentence Representations for Better Semantics and
    Faster Retrieval", https://arxiv.org/abs/2103.15316.
    """

    mean: F32
    """(raw_dim,) float32."""
    matrix: F32
    """(raw_dim, dim) float32."""
    source_fingerprint: str
    """Of the encoder whose vectors it was fitted on."""
    n_rows: int
    """Rows that it was fitted on; 0 for a projection."""
    fingerprint: str = field(init=False)
    """Hex over all of the above."""

    def __post_init__(self) -> None:
        # C order: safetensors writes the buffer as it lies and takes it for rows when it reads.
        for name in ("mean", "matrix"):
            array = np.ascontiguousarray(getattr(self, name))
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        digest = xxhash.xxh3_128()
        digest.update(
            f"{_FORMAT} {_VERSION} {self.source_fingerprint} {self.n_rows} {self.matrix.shape}\n".encode()
        )
        digest.update(self.mean.astype("<f4").tobytes())
        digest.update(self.matrix.astype("<f4").tobytes())
        object.__setattr__(self, "fingerprint", digest.hexdigest())

    @property
    def raw_dim(self) -> int:
        """Columns that it takes."""
        return int(self.matrix.shape[0])

    @property
    def dim(self) -> int:
        """Columns that it gives."""
        return int(self.matrix.shape[1])

    @classmethod
    def fit(cls, raw: F32, dim: int, source_fingerprint: str) -> "Whitening":
        """Fits on raw (N, raw_dim) float32; fewer than two rows, or equal ones, give the projection.

        The covariance is shrunk towards its mean variance, S' = (1 - a) S + a (tr S / d) I, with
        a = d / (N + d): d rows' worth of belief that all directions vary alike. That keeps S' invertible and
        tame for the few rows of a small catalogue and fades with 1 / N (linear shrinkage after Ledoit & Wolf
        2004, "A well-conditioned estimator for large-dimensional covariance matrices"; their data-driven
        weight vanishes for two rows, this one doesn't). Then the `dim` directions of most variance, each
        scaled to variance 1.

        Raises:
            EncoderConfigError: dim > raw_dim.
            EncoderError: raw has values that are not finite.
        """
        n_rows, raw_dim = raw.shape
        _require_room(dim, raw_dim)
        if not np.isfinite(raw).all():
            raise EncoderError(
                "can't fit a whitening on vectors that are not finite; set encoder.precision = 'fp32'"
            )
        if n_rows < 2:
            return cls.projection(raw_dim, dim, source_fingerprint)
        mean = raw.mean(axis=0, dtype=np.float64)
        covariance = np.zeros((raw_dim, raw_dim))
        for start in range(0, n_rows, _ROWS_AT_A_TIME):
            centred = raw[start : start + _ROWS_AT_A_TIME] - mean
            covariance += centred.T @ centred
        covariance /= n_rows
        variance = float(np.trace(covariance)) / raw_dim
        if variance <= _FLAT * max(float(mean @ mean), _FLAT):
            return cls.projection(raw_dim, dim, source_fingerprint)
        shrinkage = raw_dim / (n_rows + raw_dim)
        shrunk = (1.0 - shrinkage) * covariance
        shrunk[np.diag_indices(raw_dim)] += shrinkage * variance
        values, directions = np.linalg.eigh(shrunk)
        largest = np.argsort(-values, kind="stable")[:dim]
        matrix = _pinned_signs(directions[:, largest]) / np.sqrt(values[largest])
        return cls(mean.astype(np.float32), matrix.astype(np.float32), source_fingerprint, n_rows)

    @classmethod
    def projection(cls, raw_dim: int, dim: int, source_fingerprint: str) -> "Whitening":
        """A fixed random orthonormal projection, for when there is no catalogue to fit on.

        Keeps angles up to about 1 / sqrt(dim) (Johnson & Lindenstrauss 1984) and centres nothing.

        Raises:
            EncoderConfigError: dim > raw_dim.
        """
        _require_room(dim, raw_dim)
        rng = np.random.Generator(np.random.Philox(key=_PROJECTION_KEY))
        basis, _ = np.linalg.qr(rng.standard_normal((raw_dim, dim)))
        return cls(
            np.zeros(raw_dim, dtype=np.float32),
            _pinned_signs(basis).astype(np.float32),
            source_fingerprint,
            0,
        )

    def transform(self, raw: F32) -> F32:
        """raw (N, raw_dim) float32 to (N, dim) float32 unit rows; a row at the mean gets the first axis.

        Raises:
            WhiteningMismatch: raw has another width.
            EncoderError: raw has values that are not finite.
        """
        if raw.ndim != 2 or raw.shape[1] != self.raw_dim:
            raise WhiteningMismatch(
                f"whitening takes {self.raw_dim} dimensions, the encoder gives {raw.shape[-1]}; configure the "
                "model that the store was made with, or make a new store"
            )
        white = np.asarray((raw - self.mean) @ self.matrix, dtype=np.float32)
        if not np.isfinite(white).all():
            raise EncoderError("can't whiten vectors that are not finite; set encoder.precision = 'fp32'")
        norms = np.linalg.norm(white, axis=1, keepdims=True)
        flat = norms[:, 0] <= 1e-12
        np.divide(white, norms, out=white, where=norms > 0)
        white[flat] = np.eye(1, self.dim, dtype=np.float32)
        return white

    def require_source(self, source_fingerprint: str, dim: int) -> None:
        """Checks that it belongs to that encoder and that dimension.

        Raises:
            WhiteningMismatch: it doesn't; says how to fix it.
        """
        if self.source_fingerprint != source_fingerprint:
            raise WhiteningMismatch(
                f"the store's whitening was fitted for encoder {self.source_fingerprint[:12]}, configured is "
                f"encoder {source_fingerprint[:12]} (model, pooling, lengths, precision); configure the model "
                "that the store was made with, or make a new store with this one"
            )
        if self.dim != dim:
            raise WhiteningMismatch(
                f"the store's whitening gives {self.dim} dimensions, encoder.dim is {dim}; set encoder.dim = "
                f"{self.dim}, or make a new store"
            )

    def to_bytes(self) -> bytes:
        """A safetensors file in memory: mean, matrix; as metadata version, source, rows and fingerprint."""
        from safetensors.numpy import save

        metadata = {
            "format": _FORMAT,
            "version": str(_VERSION),
            "source_fingerprint": self.source_fingerprint,
            "n_rows": str(self.n_rows),
            "fingerprint": self.fingerprint,
        }
        return bytes(save({"mean": self.mean, "matrix": self.matrix}, metadata=metadata))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Whitening":
        """What `to_bytes` wrote.

        Raises:
            WhiteningMismatch: written in another version of the format.
            EncoderError: not a whitening, or damaged.
        """
        from safetensors.numpy import load

        metadata = _metadata(data)
        if metadata.get("version") != str(_VERSION):
            raise WhiteningMismatch(
                f"the whitening has format version {metadata.get('version')!r}, this program reads "
                f"{_VERSION}; use the program that wrote the store, or make a new store from the catalogue"
            )
        try:
            tensors = load(data)
            whitening = cls(
                tensors["mean"].astype(np.float32, copy=False),
                tensors["matrix"].astype(np.float32, copy=False),
                metadata["source_fingerprint"],
                int(metadata["n_rows"]),
            )
        except Exception as error:  # safetensors raises its own error, which has no public base
            raise _damaged(f"{type(error).__name__}") from error
        if whitening.fingerprint != metadata.get("fingerprint"):
            raise _damaged("its fingerprint doesn't match its content")
        return whitening


def _metadata(data: bytes) -> dict[str, str]:
    # safetensors gives the metadata of files only; the layout is 8 bytes length, then a JSON header.
    try:
        (size,) = struct.unpack_from("<Q", data)
        metadata = json.loads(data[8 : 8 + size])["__metadata__"]
        if metadata["format"] != _FORMAT:
            raise _damaged(f"format {metadata['format']!r}")
    except (struct.error, ValueError, KeyError, TypeError, OverflowError) as error:
        raise _damaged("no header") from error
    return {str(key): str(value) for key, value in metadata.items()}


def _damaged(what: str) -> EncoderError:
    return EncoderError(
        f"these bytes are not a whitening ({what}); restore them from a backup, or make a new store "
        "from the catalogue"
    )


def _require_room(dim: int, raw_dim: int) -> None:
    if dim > raw_dim:
        raise EncoderConfigError(
            f"encoder.dim {dim} > {raw_dim}, the dimensions of the model; set encoder.dim lower"
        )


def _pinned_signs(columns: F64) -> F64:
    """Each column's largest component positive: LAPACK is free to flip a direction, a store is not."""
    largest = np.abs(columns).argmax(axis=0)
    signs = np.sign(columns[largest, np.arange(columns.shape[1])])
    flipped: F64 = columns * signs
    return flipped
