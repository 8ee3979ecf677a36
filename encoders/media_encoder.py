"""MediaEncoder: pictures or sounds to raw vectors, decoded by threads of their own while the model works, in batches of few
shapes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np
import xxhash

from encoders.arrays import F32
from encoders.device import encoder_threads
from encoders.errors import EncoderError
from encoders.media import Media, MediaResult, MediaUnusable, Modality
from encoders.media_network import MediaNetwork
from encoders.progress import OnProgress
from encoders.unit import unit_rows

Decoded = TypeVar("Decoded")
_CPU_BATCH: Final = 32
_CUDA_BATCH: Final = 256
_DECODERS: Final = 2
_FORMAT: Final = "media-1"


@dataclass(frozen=True, slots=True, eq=False)
class EncodedMedia:
    """What became of N pictures or sounds."""

    vectors: F32
    """(N, raw_dim) float32 unit rows, zeros where there is none"""
    results: list[MediaResult]
    """(N,) "ok", or why there is none"""


class MediaEncoder(Generic[Decoded]):
    """One modality's encoder. Thread-safe: one call at a time is worked on.

    Equal bytes give equal vectors, up to rounding, whatever else is in the call. What can't be decoded costs its own row.
    """

    def __init__(
        self,
        modality: Modality,
        network: MediaNetwork[Decoded],
        decode: Callable[[bytes], Decoded],
        batch: int | None,
        max_bytes: int,
        threads: int = 0,
    ) -> None:
        """decode: of a thread of any number. batch: most that go through the network together; None: by the device."""
        self.modality: Modality = modality
        self._network = network
        self._decode = decode
        self._batch = batch
        self._max_bytes = max_bytes
        self._threads = threads
        self._lock = threading.Lock()
        self.shapes: set[int] = set()
        """Sizes of the batches so far: powers of two up to the batch."""

    @property
    def network(self) -> MediaNetwork[Decoded]:
        """What gives the vectors."""
        return self._network

    @property
    def fingerprint(self) -> str:
        """Changes with everything that makes vectors incomparable: weights, preprocessing, precision."""
        return xxhash.xxh3_128_hexdigest(f"{_FORMAT} {self.modality} {self._network.fingerprint}".encode())

    @property
    def raw_dim(self) -> int:
        """Columns of the vectors."""
        return self._network.raw_dim

    @property
    def batch_size(self) -> int:
        """How many go through the network together."""
        return self._batch or self._default_batch()

    def encode(self, media: Sequence[Media], progress: OnProgress | None = None) -> EncodedMedia:
        """N pictures or sounds of this modality; `progress` gets how many are done.

        Raises:
            EncoderConfigError: the model can't be used (at the first call).
            EncoderError: it gave a value that is not finite.
            MissingPackage: what decodes is not installed.
        """
        vectors = np.zeros((len(media), self.raw_dim), np.float32)
        results: list[MediaResult] = []
        for done in self.batches(media):
            vectors[len(results) : len(results) + len(done.results)] = done.vectors
            results += done.results
            if progress is not None:
                progress(len(results))
        return EncodedMedia(vectors, results)

    def batches(self, media: Sequence[Media]) -> Iterator[EncodedMedia]:
        """The same batch by batch, in order; while the model works on one, the next is decoded. Raises as `encode`."""
        size = self.batch_size
        with self._lock, ThreadPoolExecutor(_DECODERS, "driftline-decode") as pool:
            ahead = self._submit(pool, media[:size])
            for start in range(0, len(media), size):
                current = ahead
                ahead = self._submit(pool, media[start + size : start + 2 * size])
                yield self._encoded([future.result() for future in current])

    def _encoded(self, found: list[Decoded | MediaUnusable]) -> EncodedMedia:
        vectors = np.zeros((len(found), self.raw_dim), np.float32)
        rows = [row for row, one in enumerate(found) if not isinstance(one, MediaUnusable)]
        contents = [one for one in found if not isinstance(one, MediaUnusable)]
        if contents:
            vectors[rows] = self._vectors(contents)
        if not np.isfinite(vectors).all():
            raise EncoderError(
                f"encoder.{self.modality}.model gave values that are not finite; set encoder.{self.modality}.precision = 'fp32'"
            )
        results: list[MediaResult] = [one.result if isinstance(one, MediaUnusable) else "ok" for one in found]
        return EncodedMedia(unit_rows(vectors), results)

    def _submit(
        self, pool: ThreadPoolExecutor, media: Sequence[Media]
    ) -> list[Future[Decoded | MediaUnusable]]:
        return [pool.submit(self._decoded, one) for one in media]

    def _decoded(self, media: Media) -> Decoded | MediaUnusable:
        try:
            return self._decode(media.read(self._max_bytes))
        except MediaUnusable as error:
            return error

    def _vectors(self, contents: list[Decoded]) -> F32:
        """Filled up to a power of two with the last one: few shapes, so that allocators and kernel caches stay small."""
        count = len(contents)
        padded = 1 << (count - 1).bit_length()
        self.shapes.add(padded)
        with encoder_threads(self._threads):
            return self._network.vectors(contents + [contents[-1]] * (padded - count))[:count]

    def _default_batch(self) -> int:
        import torch

        return _CUDA_BATCH if torch.cuda.is_available() else _CPU_BATCH
