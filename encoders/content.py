"""Content to the vectors that are stored: encoder, whitening and a memory of recent texts."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import xxhash

from encoders.arrays import F32, I64
from encoders.config import EncoderConfig
from encoders.kept_vectors import KeptVectors, kept_vectors
from encoders.opening import open_text_encoder
from encoders.prepare import prepare_text
from encoders.progress import OnProgress
from encoders.protocols import Adaptable, Costly, Encoder
from encoders.whitening import Whitening

NO_TEXT = "none"
_TEXTS_AT_A_TIME = 1024
"""Also what an interruption loses at most."""


class ContentEncoder:
    """Texts to (N, dim) float32 unit vectors, each recent text once.

    Without a whitening the fixed projection is used from the first need on. Nothing imports torch before the
    first text that has to be encoded. Thread-safe.

    Raises:
        EncoderConfigError: there is no such model.
        WhiteningMismatch: the whitening belongs to another model or dimension.
    """

    def __init__(
        self, config: EncoderConfig, whitening: Whitening | None = None, encoder: Encoder | None = None
    ) -> None:
        self._config = config
        self._encoder: Encoder = encoder if encoder is not None else open_text_encoder(config)
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, F32] = OrderedDict()
        self._held: dict[str, F32] = {}
        self._kept: KeptVectors | None = None
        self._whitening: Whitening | None = None
        self.encoded = 0
        """Distinct texts that went through the model."""
        self.cached = 0
        """Distinct texts of a call that were in memory, summed over calls."""
        if whitening is not None:
            self.use(whitening)

    @property
    def dim(self) -> int:
        """Columns of the vectors."""
        return self._config.dim

    @property
    def encoder(self) -> Encoder:
        """The encoder of raw vectors."""
        return self._encoder

    @property
    def truncated(self) -> int:
        """Texts that the encoder cut to its limits; 0 for encoders that don't count."""
        return int(getattr(self._encoder, "truncated", 0))

    @property
    def fingerprint(self) -> str:
        """Of encoder and whitening together: equal where vectors are comparable. Doesn't load torch."""
        return xxhash.xxh3_128_hexdigest(
            f"{self._encoder.fingerprint}\n{self.whitening.fingerprint}".encode()
        )

    @property
    def whitening(self) -> Whitening:
        """The one in use; where none was given, the fixed projection, from now on."""
        with self._lock:
            if self._whitening is None:
                self._whitening = Whitening.projection(
                    self._encoder.raw_dim, self._config.dim, self._encoder.fingerprint
                )
            return self._whitening

    def use(self, whitening: Whitening) -> None:
        """Goes on with this whitening, in the precision that it was made in; vectors of another one are forgotten.

        Raises:
            WhiteningMismatch: it belongs to another model or dimension; says how to fix it.
        """
        if isinstance(self._encoder, Adaptable):
            self._encoder.adopt(whitening.source_fingerprint)
        whitening.require_source(self._encoder.fingerprint, self._config.dim)
        with self._lock:
            if self._whitening is None or self._whitening.fingerprint != whitening.fingerprint:
                self._recent.clear()
                self._held = {}
            self._whitening = whitening

    def warm_up(self) -> None:
        """Loads the model and encodes one text, so that what is wrong shows at start and the first batch is fast.

        Raises:
            EncoderError: the model can't be loaded or used; says what to change.
        """
        self._encoder.encode(["ready"])

    def content_fingerprint(self, text: str) -> str:
        """Hex over encoder, whitening and text, whichever item has it; "none" for a blank one."""
        prepared = self._prepare(text)
        if not prepared:
            return NO_TEXT
        return xxhash.xxh3_128_hexdigest(f"{self.fingerprint}\n{prepared}".encode())

    def encode(self, texts: Sequence[str], progress: OnProgress | None = None, *, keep: bool = False) -> F32:
        """Texts (N) to (N, dim) float32 unit rows, in the order of the input.

        `progress` gets the number of distinct texts done after each part of a long call. keep: they are a catalogue's, whose
        vectors are kept on disk; texts of users are not.

        Raises:
            EncoderError: the model can't be loaded or gave values that are not finite.
        """
        whitening = self.whitening
        distinct, rows = self._distinct(texts)
        vectors = np.empty((len(distinct), self.dim), dtype=np.float32)
        missing: list[int] = []
        with self._lock:
            for row, text in enumerate(distinct):
                vector = self._recent.get(text)
                if vector is not None:
                    self._recent.move_to_end(text)
                else:
                    vector = self._held.get(text)
                if vector is None:
                    missing.append(row)
                else:
                    vectors[row] = vector
            self.cached += len(distinct) - len(missing)
        if missing:
            fresh_texts = [distinct[row] for row in missing]
            fresh = whitening.transform(self._raw(fresh_texts, progress, keep))
            vectors[missing] = fresh
            self._remember(whitening, fresh_texts, fresh)
        return vectors[rows]

    def fit(self, texts: Sequence[str], progress: OnProgress | None = None) -> Whitening:
        """Fits a whitening on a catalogue's texts and continues with it; `fit_encode` whose vectors are held in memory.

        They are held beside the latest ones until `release`, so that a catalogue that is fitted on is not encoded again.
        """
        whitening, _ = self.fit_encode(texts, progress, hold=True)
        return whitening

    def release(self) -> None:
        """Hold no more than the latest texts."""
        with self._lock:
            self._held = {}

    def fit_encode(
        self, texts: Sequence[str], progress: OnProgress | None = None, *, hold: bool = False
    ) -> tuple[Whitening, F32]:
        """Fits a whitening on a catalogue's distinct non-blank texts, continues with it, and gives all texts' vectors.

        One pass of the model for both. Holds (distinct texts, raw_dim) float32 meanwhile; what was encoded is kept on disk
        on the way, for the next run if this one is interrupted.

        Raises:
            EncoderError: the model can't be loaded or gave values that are not finite.
        """
        distinct, rows = self._distinct(texts)
        raw = self._raw(distinct, progress, keep=True)
        worded = np.fromiter(map(bool, distinct), dtype=np.bool_, count=len(distinct))
        whitening = Whitening.fit(raw[worded], self._config.dim, self._encoder.fingerprint)
        self.use(whitening)
        vectors = whitening.transform(raw)
        with self._lock:
            self._held = dict(zip(distinct, vectors, strict=True)) if hold else {}
        if not hold:
            self._remember(whitening, distinct, vectors)
        return whitening, vectors[rows]

    def _prepare(self, text: str) -> str:
        return prepare_text(text, self._config.max_chars)

    def _distinct(self, texts: Sequence[str]) -> tuple[list[str], I64]:
        place: dict[str, int] = {}
        rows = np.fromiter(
            (place.setdefault(self._prepare(text), len(place)) for text in texts),
            dtype=np.int64,
            count=len(texts),
        )
        return list(place), rows

    def _raw(self, texts: list[str], progress: OnProgress | None, keep: bool) -> F32:
        raw = np.empty((len(texts), self._encoder.raw_dim), dtype=np.float32)
        for start in range(0, len(texts), _TEXTS_AT_A_TIME):
            part = texts[start : start + _TEXTS_AT_A_TIME]
            on_the_way = None if progress is None else _from(start, progress)
            raw[start : start + len(part)] = self._part(part, on_the_way, keep)
            if progress is not None:
                progress(start + len(part))
        return raw

    def _part(self, texts: list[str], progress: OnProgress | None, keep: bool) -> F32:
        """Raw vectors (N, raw_dim) float32 of distinct texts; with `keep` from disk where they are there, and put there."""
        kept = self._vectors_on_disk() if keep else None
        digests = [] if kept is None else [xxhash.xxh3_128_digest(text.encode()) for text in texts]
        if kept is not None:
            raw, known = kept.get(digests)
        else:
            raw, known = (
                np.zeros((len(texts), self._encoder.raw_dim), np.float32),
                np.zeros(len(texts), np.bool_),
            )
        missing = np.flatnonzero(~known).tolist()
        if missing:
            raw[missing] = self._encoder.encode([texts[row] for row in missing], progress)
            if kept is not None:
                kept.put([digests[row] for row in missing], raw[missing])
        with self._lock:
            self.encoded += len(missing)
        return raw

    def _vectors_on_disk(self) -> KeptVectors | None:
        if self._kept is None and isinstance(self._encoder, Costly):
            self._kept = kept_vectors(self._config, self._encoder.fingerprint, self._encoder.raw_dim)
        return self._kept

    def _remember(self, whitening: Whitening, texts: list[str], vectors: F32) -> None:
        keep = self._config.text_cache
        if not keep:
            return
        # A copy: a view would keep the whole call's matrix alive for one text.
        kept = vectors[-keep:].copy()
        with self._lock:
            if self._whitening is not whitening:
                return
            for text, vector in zip(texts[-keep:], kept, strict=True):
                self._recent[text] = vector
                self._recent.move_to_end(text)
            self._trim()

    def _trim(self) -> None:
        while len(self._recent) > self._config.text_cache:
            self._recent.popitem(last=False)


def _from(start: int, progress: OnProgress) -> OnProgress:
    return lambda done: progress(start + done)
