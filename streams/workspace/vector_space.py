"""The space that a store's vectors lie in: all that decides which vector a text or an item gets there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from encoders.content import ContentEncoder
from encoders.media import Media, MediaResult, MediaUnusable, Modality
from encoders.media_content import LEAST_TO_FIT, MediaContent
from encoders.media_encoder import EncodedMedia
from encoders.media_source import LocatedMedia
from encoders.progress import OnProgress
from encoders.vector_cache import ItemVectorCache
from encoders.vectorizer import ItemVectorizer
from encoders.whitening import Whitening
from sinks.protocols import BlobStore
from streams.workspace.transfer_model import searched_vectors
from transfer.arrays import F32, U64, Bool
from transfer.protocols import TransferModel

WHITENING_BLOB = "whitening"
MOST_TO_FIT = 10_000
"""Pictures or sounds that a whitening is fitted on, at most."""


class VectorSpace:
    """Encoders and whitening of one store, with the vectors of recent items in memory.

    The whitening is decided once: fitted on the first catalogue, brought by a fitted item encoder, or, when the first text
    has to be encoded before either, a fixed projection. From then on it is kept in the store and never changes, since every
    vector there is made with it.

    Threads share a space. A thread holds `lock` while it encodes, and from a look at the store's items until what it made of
    them is written.
    """

    def __init__(
        self,
        blobs: BlobStore,
        vectorizer: ItemVectorizer,
        content: ContentEncoder,
        cache: ItemVectorCache,
        model: TransferModel,
        now: Callable[[], float],
    ) -> None:
        """Take the store's whitening into use.

        Args:
            vectorizer: over `content`.

        Raises:
            WhiteningMismatch: it belongs to another text model, or other dimensions; or one of pictures or sounds does.
        """
        self.lock = threading.RLock()
        self._deciding = threading.Lock()
        self.content = content
        self._blobs = blobs
        self._vectorizer = vectorizer
        self._cache = cache
        self._model = model
        self._now = now
        blob = blobs.get(WHITENING_BLOB)
        self._kept = blob is not None
        if blob is not None:
            content.use(Whitening.from_bytes(blob))
        for name, each in vectorizer.media.items():
            blob = None if each.is_fitted else blobs.get(_blob_of(name))
            if blob is not None:
                each.use(Whitening.from_bytes(blob))

    @property
    def dim(self) -> int:
        """Columns of the vectors."""
        return self._vectorizer.dim

    @property
    def held_at_most(self) -> int:
        """Most items whose vectors are in memory."""
        return self._cache.capacity

    @property
    def is_fitted(self) -> bool:
        """Whether the whitening is decided."""
        fitted = self._vectorizer.fitted
        return self._kept or (fitted is not None and fitted.whitening is not None)

    def fit(self, texts: Sequence[str], progress: OnProgress | None = None) -> None:
        """Fit the whitening on these distinct texts, and keep it. `progress` is called with the number of texts done."""
        self.content.fit(texts, progress)
        self._keep_whitening()

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those beside the text that are encoded."""
        return tuple(self._vectorizer.media)

    @property
    def media_encoded(self) -> int:
        """Distinct pictures and sounds that went through a model."""
        return sum(content.encoded for content in self._vectorizer.media.values())

    def is_media_fitted(self, name: Modality) -> bool:
        """Whether the whitening of this modality is decided."""
        return self._vectorizer.media[name].is_fitted

    def fit_media(
        self, name: Modality, located: Sequence[LocatedMedia], progress: OnProgress | None = None
    ) -> None:
        """Decide the whitening of this modality, if it isn't: fitted on these, if they are enough; and keep it."""
        content = self._vectorizer.media[name]
        with self._deciding:
            if not content.is_fitted:
                self._decide_media(name, content, located, progress)

    def _decide_media(
        self,
        name: Modality,
        content: MediaContent,
        located: Sequence[LocatedMedia],
        progress: OnProgress | None,
    ) -> None:
        distinct = list({one.digest: one for one in located if isinstance(one, Media)}.values())
        if len(distinct) >= LEAST_TO_FIT:
            step = max(1.0, len(distinct) / MOST_TO_FIT)  # evenly, since a catalogue may be sorted
            chosen = [distinct[int(place * step)] for place in range(min(len(distinct), MOST_TO_FIT))]
            content.fit(chosen, progress)
        elif not distinct:
            return
        self._blobs.put(_blob_of(name), content.whitening.to_bytes())

    def encode_media(
        self, located: Mapping[Modality, Sequence[LocatedMedia]], progress: OnProgress | None = None
    ) -> dict[Modality, EncodedMedia]:
        """Vectors of N pictures or sounds a modality, zeros for those that can't be used, and what became of each."""
        encoded = {}
        for name, each in located.items():
            self.fit_media(name, each)
            rows = [row for row, one in enumerate(each) if isinstance(one, Media)]
            content = self._vectorizer.media[name]
            done = content.encode([one for one in each if isinstance(one, Media)], progress)
            vectors = np.zeros((len(each), content.dim), np.float32)
            vectors[rows] = done.vectors
            results: list[MediaResult] = [
                "absent" if one is None else one.result if isinstance(one, MediaUnusable) else "ok"
                for one in each
            ]
            for row, result in zip(rows, done.results, strict=True):
                results[row] = result
            encoded[name] = EncodedMedia(vectors, results)
        return encoded

    def fingerprints(
        self,
        keys: U64,
        texts: Sequence[str],
        media: Mapping[Modality, Sequence[LocatedMedia]] | None = None,
        *,
        keep: bool = True,
    ) -> list[str]:
        """What the items' vectors are made of; see `encoders.vectorizer.ItemVectorizer.fingerprints`.

        keep: items are to be written, so that the whitening is decided from now on.
        """
        if keep and any(texts):
            self._keep_whitening()
        return self._vectorizer.fingerprints(keys, texts, media)

    def items(
        self,
        item_ids: Sequence[str],
        keys: U64,
        texts: Sequence[str],
        progress: OnProgress | None = None,
        media: Mapping[Modality, EncodedMedia] | None = None,
    ) -> F32:
        """(N, D) vectors of items; see `encoders.vectorizer.ItemVectorizer.items`."""
        return self._vectorizer.items(item_ids, keys, texts, progress, media)

    def release(self) -> None:
        """Let go of the texts' vectors that a fit has held."""
        self.content.release()

    def unseen(self, item_ids: Sequence[str], keys: U64) -> tuple[F32, Bool]:
        """(N, D) vectors of items that no catalogue has brought, and (N,) whether their behaviour is known."""
        return self._vectorizer.unseen(item_ids, keys)

    def texts(self, texts: Sequence[str]) -> F32:
        """(N, D) vectors of texts."""
        self._keep_whitening()
        return self._vectorizer.texts(texts)

    def searched(self, keys: U64, base: F32) -> F32 | None:
        """What items are searched by; see `streams.workspace.transfer_model.searched_vectors`."""
        return searched_vectors(self._model, keys, base)

    def cached(self, keys: U64) -> tuple[F32, Bool]:
        """(N, D) vectors of the items that are in memory, zeros for the others, and (N,) which are."""
        return self._cache.get(keys, self._now())

    def cache(self, keys: U64, vectors: F32, *, provisional: bool = False) -> None:
        """Hold item vectors (N, D) in memory. provisional: no catalogue has brought the items yet."""
        self._cache.put(keys, vectors, self._now(), provisional)

    def forget(self, keys: Sequence[int]) -> None:
        """Drop items from memory."""
        self._cache.discard(keys)

    def _keep_whitening(self) -> None:
        if not self._kept:
            self._blobs.put(WHITENING_BLOB, self.content.whitening.to_bytes())
            self._kept = True


def _blob_of(name: Modality) -> str:
    return f"{WHITENING_BLOB}-{name}"
