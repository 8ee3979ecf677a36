"""Pictures or sounds to the vectors that are stored: encoder, whitening, and what is known of them by their digests."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from encoders.arrays import F32
from encoders.kept_vectors import KeptVectors
from encoders.media import Media, MediaResult, Modality
from encoders.media_encoder import EncodedMedia, MediaEncoder
from encoders.progress import OnProgress
from encoders.whitening import Whitening

_AT_A_TIME: Final = 256
LEAST_TO_FIT: Final = 32
"""Fewer pictures or sounds say nothing of what they have in common."""


class MediaContent:
    """One modality's content vectors: (N, dim) float32 unit rows, each content encoded once.

    Without a whitening the fixed projection is used from the first need on. Thread-safe.
    """

    def __init__(
        self, encoder: MediaEncoder[Any], dim: int, share: float, kept: KeptVectors | None, memory: int
    ) -> None:
        """kept: raw vectors on disk. memory: raw vectors and failures of recent contents that are held, in rows. share: how
        much it weighs beside a text."""
        self._encoder = encoder
        self._dim = dim
        self._kept = kept
        self._memory = memory
        self._recent: OrderedDict[str, F32 | MediaResult] = OrderedDict()
        self._lock = threading.Lock()
        self._whitening: Whitening | None = None
        self.share = share
        self.encoded = 0
        """Distinct contents that went through the model."""

    @property
    def modality(self) -> Modality:
        """Whose it is."""
        return self._encoder.modality

    @property
    def dim(self) -> int:
        """Columns of the vectors."""
        return min(self._dim, self._encoder.raw_dim)

    @property
    def encoder(self) -> MediaEncoder[Any]:
        """The encoder of raw vectors."""
        return self._encoder

    @property
    def is_fitted(self) -> bool:
        """Whether the whitening is decided."""
        return self._whitening is not None

    @property
    def whitening(self) -> Whitening:
        """The one in use; where none was given, the fixed projection, from now on."""
        if self._whitening is None:
            self._whitening = Whitening.projection(self._encoder.raw_dim, self.dim, self._encoder.fingerprint)
        return self._whitening

    @property
    def fingerprint(self) -> str:
        """Of encoder, whitening and share: equal where vectors are comparable. It decides nothing."""
        whitening = "undecided" if self._whitening is None else self._whitening.fingerprint
        return f"{self.modality} {self._encoder.fingerprint} {whitening} {self.share!r}"

    def use(self, whitening: Whitening) -> None:
        """Go on with this whitening.

        Raises:
            WhiteningMismatch: it belongs to another model or dimension; says how to fix it.
        """
        whitening.require_source(self._encoder.fingerprint, self.dim)
        self._whitening = whitening

    def fit(self, media: Sequence[Media], progress: OnProgress | None = None) -> Whitening:
        """Fit the whitening on these distinct contents, and continue with it. Their raw vectors stay on disk.

        Raises:
            EncoderError: the model can't be loaded, or gave values that are not finite.
        """
        done = self.raw(media, progress)
        usable = np.array([result == "ok" for result in done.results], np.bool_)
        whitening = Whitening.fit(done.vectors[usable], self.dim, self._encoder.fingerprint)
        self.use(whitening)
        return whitening

    def encode(self, media: Sequence[Media], progress: OnProgress | None = None) -> EncodedMedia:
        """N contents to (N, dim) unit rows, zeros for those that can't be used, and what became of each.

        Raises:
            EncoderError: the model can't be loaded, or gave values that are not finite.
        """
        whitening = self.whitening
        done = self.raw(media, progress)
        vectors = np.zeros((len(media), self.dim), np.float32)
        usable = np.flatnonzero([result == "ok" for result in done.results])
        if len(usable):
            vectors[usable] = whitening.transform(done.vectors[usable])
        return EncodedMedia(vectors, done.results)

    def raw(self, media: Sequence[Media], progress: OnProgress | None = None) -> EncodedMedia:
        """(N, raw_dim) vectors before whitening: from memory, disk, or the model, whose results are on disk when it returns.

        `progress` gets how many of the distinct contents are done.
        """
        distinct = {one.digest: one for one in media}
        found: dict[str, F32 | MediaResult] = {}
        with self._lock:
            for digest in distinct:
                if digest in self._recent:
                    found[digest] = self._recent[digest]
                    self._recent.move_to_end(digest)
        missing = [one for digest, one in distinct.items() if digest not in found]
        for start in range(0, len(missing), _AT_A_TIME):
            found |= self._fresh(missing[start : start + _AT_A_TIME])
            if progress is not None:
                progress(len(distinct) - len(missing) + min(start + _AT_A_TIME, len(missing)))
        vectors = np.zeros((len(media), self._encoder.raw_dim), np.float32)
        results: list[MediaResult] = []
        for row, one in enumerate(media):
            held = found[one.digest]
            if isinstance(held, str):
                results.append(held)
            else:
                vectors[row] = held
                results.append("ok")
        return EncodedMedia(vectors, results)

    def _fresh(self, media: list[Media]) -> dict[str, F32 | MediaResult]:
        found: dict[str, F32 | MediaResult] = {}
        if self._kept is not None:
            vectors, known = self._kept.get([bytes.fromhex(one.digest) for one in media])
            found = {media[row].digest: vectors[row].copy() for row in np.flatnonzero(known).tolist()}
        unknown = [one for one in media if one.digest not in found]
        place = 0
        for done in self._encoder.batches(unknown):
            batch = unknown[place : place + len(done.results)]
            place += len(batch)
            usable = [row for row, result in enumerate(done.results) if result == "ok"]
            # After each batch, so that a kill loses no more than the one that it meets.
            if self._kept is not None and usable:
                digests = [bytes.fromhex(batch[row].digest) for row in usable]
                self._kept.put(digests, done.vectors[usable])
            for row, (one, result) in enumerate(zip(batch, done.results, strict=True)):
                found[one.digest] = done.vectors[row].copy() if result == "ok" else result
            with self._lock:
                self.encoded += len(usable)
        self._remember(found)
        return found

    def _remember(self, found: dict[str, F32 | MediaResult]) -> None:
        with self._lock:
            self._recent.update(found)
            while len(self._recent) > self._memory:
                self._recent.popitem(last=False)
