"""ItemVectorizer: the vectors of one store, of items and of texts, with a fitted item encoder or without."""

from collections.abc import Sequence

import numpy as np
import xxhash

from encoders.arrays import F32, U64, Bool
from encoders.content import NO_TEXT, ContentEncoder
from encoders.item_encoder import ItemEncoder
from encoders.progress import OnProgress
from encoders.unseen import unseen_vectors


class ItemVectorizer:
    """Items and texts to (N, D) float32 unit vectors that may be compared with each other.

    Without a fitted encoder an item's vector is that of its text; with one, behaviour and mapped text together. An
    item of which neither is known has the vector that its id determines.

    Raises:
        WhiteningMismatch: the encoder's map was learned on vectors of another model.
    """

    def __init__(self, content: ContentEncoder, fitted: ItemEncoder | None = None) -> None:
        self._content = content
        self.fitted = fitted
        if fitted is not None and fitted.whitening is not None:
            content.use(fitted.whitening)

    @property
    def dim(self) -> int:
        """Columns of the vectors."""
        return self._content.dim if self.fitted is None else self.fitted.dim

    def fingerprints(self, keys: U64, texts: Sequence[str]) -> list[str]:
        """Per item (N) hex over all that its vector is made of: equal ones have one vector, in any process.

        "none" where nothing but the id is known. With a fitted encoder every item has a vector of its own.
        """
        contents = [self._content.content_fingerprint(text) for text in texts]
        if self.fitted is None:
            return contents
        met = self.fitted.has_behaviour(keys).tolist()
        return [
            content
            if content == NO_TEXT and not own
            else xxhash.xxh3_128_hexdigest(f"{self.fitted.fingerprint}\n{content}\n{key}".encode())
            for content, own, key in zip(contents, met, keys.tolist(), strict=True)
        ]

    def items(
        self,
        item_ids: Sequence[str],
        keys: U64,
        texts: Sequence[str],
        progress: OnProgress | None = None,
    ) -> F32:
        """(N, D) vectors of items; keys (N,) of the same items, texts "" where there is none.

        `progress` gets the number of texts that went through the model.
        """
        worded = np.array([bool(text.strip()) for text in texts], np.bool_)
        content = np.zeros((len(keys), self._content.dim), np.float32)
        if worded.any():
            content[worded] = self._content.encode(
                [text for text in texts if text.strip()], progress, keep=True
            )
        vectors = content if self.fitted is None else self.fitted.vectors(keys, content, worded)
        self._stand_in(vectors, item_ids)
        return vectors

    def unseen(self, item_ids: Sequence[str], keys: U64) -> tuple[F32, Bool]:
        """(N, D) vectors of items that no catalogue has described, and (N,) whether behaviour is known of them."""
        vectors = np.zeros((len(keys), self.dim), np.float32)
        if self.fitted is not None:
            vectors = self.fitted.vectors(
                keys, np.zeros((len(keys), self._content.dim), np.float32), np.zeros(len(keys), np.bool_)
            )
        known = np.asarray(vectors.any(axis=1), np.bool_)
        self._stand_in(vectors, item_ids)
        return vectors, known

    def texts(self, texts: Sequence[str]) -> F32:
        """(N, D) vectors of texts, such as what a user types."""
        content = self._content.encode(texts)
        return content if self.fitted is None else self.fitted.texts(content)

    def _stand_in(self, vectors: F32, item_ids: Sequence[str]) -> None:
        """Fill the rows of zeros in place."""
        bare = np.flatnonzero(~vectors.any(axis=1))
        if len(bare):
            vectors[bare] = unseen_vectors([item_ids[row] for row in bare.tolist()], self.dim)
